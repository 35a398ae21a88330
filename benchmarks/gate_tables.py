"""Turn the results of gate_quality into the tables of docs/benchmarks/gate_quality.md.

python -m benchmarks.gate_tables [--results FOLDER]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np


def parts(folder):
    for path in sorted(folder.glob("gate_quality-*.json")):
        yield json.loads(path.read_text())


def error_rates(rows):
    yield "| metric | n | cells | runs | falsely non-inferior, mean (worst) | falsely worse, mean (worst) |"
    yield "|:--|--:|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[_name(row), row["n"]].append(row)
    for (name, n), found in sorted(cells.items()):
        passed, failed = ([row["loss 1m"][key] for row in found] for key in ("non_inferior", "worse"))
        runs = min(row["runs"] for row in found)
        yield (
            f"| {name} | {n:,} | {len(found)} | {runs:,} | {np.mean(passed):.3f} ({max(passed):.3f}) "
            f"| {np.mean(failed):.3f} ({max(failed):.3f}) |"
        )


def naive(rows):
    """Blocked by each rule, over all cells without groups, by the true loss."""
    yield (
        "| true loss | mlops-ci fails | mlops-ci passes | not settled | `candidate < champion` blocks "
        "| MLflow's threshold blocks | point threshold with the margin blocks |"
    )
    table = []
    for key, label in (("loss 0m", "0"), ("loss 0.5m", "m/2"), ("loss 1m", "m"), ("loss 2m", "2m")):
        found = [row[key] for row in rows if key in row]
        mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        table.append(
            f"| {label} | {mean['worse']:.1%} | {mean['non_inferior']:.1%} "
            f"| {1 - mean['worse'] - mean['non_inferior']:.1%} | {mean['naive_blocks']:.1%} "
            f"| {mean['mlflow_blocks']:.1%} | {mean['threshold_blocks']:.1%} |"
        )
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    yield from table


def power(rows):
    """Our power and the textbook's at no loss, where the textbook's own size was at most .05."""
    yield "| metric | cells | mean power, ours / reference | cells more than .05 below | largest gap |"
    yield "|:--|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        size, reach = row["loss 1m"]["textbook_non_inferior"], row["loss 0m"]["textbook_non_inferior"]
        if size <= 0.05 and reach >= 0.2:
            cells[_name(row)].append((row["loss 0m"]["non_inferior"], reach))
    for name, found in sorted(cells.items()):
        ours, reference = np.array(found).T
        gaps = reference - ours
        yield (
            f"| {name} | {len(found)} | {ours.mean():.2f} / {reference.mean():.2f} | {(gaps > 0.05).sum()} "
            f"| {max(gaps.max(), 0):.2f} |"
        )


def reuse(rows):
    yield "| strict | called measurably worse: 1st | 5th | 10th | 20th candidate | champions chosen |"
    yield "|:--|--:|--:|--:|--:|--:|"
    for row in rows:
        rates = " | ".join(f"{rate:.3f}" for rate in row["measurably worse"].values())
        yield f"| {row['strict']} | {rates} | {row['promotions']} |"


def real(rows):
    yield "| data | metric | comparisons | false blocks, ours / naive | false passes, ours / naive | open |"
    yield "|:--|:--|--:|--:|--:|--:|"
    cells = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for key, value in row.items():
            if isinstance(value, int) and key != "split":
                cells[row["data"], row["metric"]][key] += value
    for (data, metric), one in sorted(cells.items()):
        harmless, harmful = max(one["harmless"], 1), max(one["harmful"], 1)
        yield (
            f"| {data} | {metric} | {one['harmless'] + one['harmful']:,} "
            f"| {one['false blocks'] / harmless:.1%} / {one['naive false blocks'] / harmless:.1%} "
            f"| {one['false passes'] / harmful:.1%} / {one['naive false passes'] / harmful:.1%} "
            f"| {one['open'] / (one['harmless'] + one['harmful']):.0%} |"
        )


def _name(row):
    return row["kind"] + (" in groups" if row.get("group", 1) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    folder = parser.parse_args().results
    found = {part["part"]: part for part in parts(folder)}
    cells = [row for part in found.values() for row in part["rows"] if "loss 1m" in row]
    alone = [row for row in cells if row.get("group", 1) == 1]
    for title, lines in (
        ("Error rates at exactly the margin", error_rates(cells)),
        ("Beside rules without statistics", naive(alone)),
        ("Power", power(cells)),
        ("One holdout, twenty candidates", reuse(found["reuse"]["rows"]) if "reuse" in found else ()),
        ("Real models", real(found["real"]["rows"]) if "real" in found else ()),
    ):
        print(f"### {title}\n")
        print("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
