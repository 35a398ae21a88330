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


def limit(row):
    """Return what the issue allows: .05 for 0/1 loss (.06 where Tango's own maximum is), else .075."""
    if row["kind"] != "accuracy":
        return 0.075
    return 0.06 if row["n"] <= 300 and row.get("group", 1) == 1 else 0.05


def above(row, rate):
    """Return by how many standard errors of its own simulation a rate exceeds its limit."""
    most = limit(row)
    return (rate - most) / np.sqrt(most * (1 - most) / row["runs"])


def error_rates(rows):
    yield (
        "| metric | n | cells | runs | falsely non-inferior, mean (worst) | falsely worse, mean (worst) "
        "| above the limit by 2 errors |"
    )
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[_name(row), row["n"]].append(row)
    for (name, n), found in sorted(cells.items()):
        passed, failed = ([row["loss 1m"][key] for row in found] for key in ("non_inferior", "worse"))
        runs = min(row["runs"] for row in found)
        over = sum(
            above(row, rate) > 2 for side in (passed, failed) for row, rate in zip(found, side, strict=True)
        )
        yield (
            f"| {name} | {n:,} | {len(found)} | {runs:,} | {np.mean(passed):.3f} ({max(passed):.3f}) "
            f"| {np.mean(failed):.3f} ({max(failed):.3f}) | {over} |"
        )


def worst(rows, count=12):
    """Yield the cells that exceed their limit by the most standard errors."""
    yield "| metric | n | disagreement | prevalence | AUC | group | outcome | rate | runs | errors above |"
    yield "|:--|--:|--:|--:|--:|--:|:--|--:|--:|--:|"
    every = [(above(row, row["loss 1m"][key]), key, row) for row in rows for key in ("non_inferior", "worse")]
    for errors, key, row in sorted(every, key=lambda one: -one[0])[:count]:
        yield (
            f"| {_name(row)} | {row['n']:,} | {row['disagreement']} | {row.get('prevalence', '–')} "
            f"| {row.get('auc', '–')} | {row.get('group', 1)} | {key.replace('_', '-')} "
            f"| {row['loss 1m'][key]:.3f} | {row['runs']:,} | {errors:.1f} |"
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


def reference(row):
    """Return the power of the reference test, or None where it is none.

    It is the textbook test. Its size was simulated in the same world, where the candidate loses exactly the
    margin; the estimate has to be at most .05, and the power at least .2.
    """
    size, reach = row["loss 1m"]["textbook_non_inferior"], row["loss 0m"]["textbook_non_inferior"]
    return reach if size <= 0.05 and reach >= 0.2 else None


def power(rows):
    """Our power and the reference's where nothing is lost."""
    yield (
        "| metric | cells | with a reference | mean power, ours / reference | more than .05 below "
        "| by more than 2 errors | largest gap |"
    )
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[_name(row)].append(row)
    for name, every in sorted(cells.items()):
        found = [(row["loss 0m"]["non_inferior"], reference(row), row["runs"]) for row in every]
        found = [one for one in found if one[1] is not None]
        if not found:
            yield f"| {name} | {len(every)} | 0 | – | – | – | – |"
            continue
        ours, theirs, runs = np.array(found).T
        gaps = theirs - ours
        # Both on the same holdouts: the error of a difference of paired rates, at most.
        errors = np.sqrt(np.maximum(gaps * (1 - gaps), 0) / runs)
        yield (
            f"| {name} | {len(every)} | {len(found)} | {ours.mean():.2f} / {theirs.mean():.2f} "
            f"| {(gaps > 0.05).sum()} | {(gaps - 2 * errors > 0.05).sum()} | {max(gaps.max(), 0):.2f} |"
        )


def below(rows):
    """Yield the cells whose power is more than .05 below the reference's."""
    yield "| metric | n | disagreement | prevalence | AUC | group | size of reference | power, both |"
    yield "|:--|--:|--:|--:|--:|--:|--:|--:|"
    found = [(reference(row) - row["loss 0m"]["non_inferior"], row) for row in rows if reference(row)]
    for gap, row in sorted(found, key=lambda one: -one[0]):
        if gap > 0.05:
            yield (
                f"| {_name(row)} | {row['n']:,} | {row['disagreement']} | {row.get('prevalence', '–')} "
                f"| {row.get('auc', '–')} | {row.get('group', 1)} "
                f"| {row['loss 1m']['textbook_non_inferior']:.3f} "
                f"| {row['loss 0m']['non_inferior']:.2f} / {reference(row):.2f} |"
            )


def reuse(rows):
    yield "| strict | called measurably worse: 1st | 5th | 10th | 20th candidate | champions chosen |"
    yield "|:--|--:|--:|--:|--:|--:|"
    for row in rows:
        rates = " | ".join(f"{rate:.3f}" for rate in row["measurably worse"].values())
        yield f"| {row['strict']} | {rates} | {row['promotions']} |"


def real(rows):
    yield (
        "| data | metric | n | comparisons | false blocks, ours / naive | false passes, ours / naive | open |"
    )
    yield "|:--|:--|--:|--:|--:|--:|--:|"
    cells = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for key, value in row.items():
            if isinstance(value, int) and key not in {"split", "n"}:
                cells[row["data"], row["metric"], row["n"]][key] += value
    for (data, metric, n), one in sorted(cells.items()):
        harmless, harmful = max(one["harmless"], 1), max(one["harmful"], 1)
        yield (
            f"| {data} | {metric} | {n:,} | {one['harmless'] + one['harmful']:,} "
            f"| {one['false blocks'] / harmless:.1%} / {one['naive false blocks'] / harmless:.1%} "
            f"| {one['false passes'] / harmful:.1%} / {one['naive false passes'] / harmful:.1%} "
            f"| {one['open'] / (one['harmless'] + one['harmful']):.0%} |"
        )


def _name(row):
    if row.get("group", 1) > 1:
        return row["kind"] + " in groups"
    return row["kind"] + ("" if row.get("bootstrap", True) else ", t alone")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    folder = parser.parse_args().results
    found = {part["part"]: part for part in parts(folder)}
    cells = [row for part in found.values() for row in part["rows"] if "loss 1m" in row]
    alone = [row for row in cells if row.get("group", 1) == 1 and row.get("bootstrap", True)]
    for title, lines in (
        ("Error rates at exactly the margin", error_rates(cells)),
        ("The cells furthest above their limit", worst(cells)),
        ("Beside rules without statistics", naive(alone)),
        ("Power", power(cells)),
        ("Cells more than .05 below", below(cells)),
        ("One holdout, twenty candidates", reuse(found["reuse"]["rows"]) if "reuse" in found else ()),
        ("Real models", real(found["real"]["rows"]) if "real" in found else ()),
    ):
        print(f"### {title}\n")
        print("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
