"""Write the figures of docs/benchmarks/gate_quality.md from the results of gate_quality.

    python -m benchmarks.gate_tables [--check] [--results FOLDER]

What stands between `<!-- name -->` and `<!-- /name -->` is written by the function of that name; `--check`
writes nothing and fails where the page is not what the results say.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from mlops_ci.core.gate.standard_error import LEAST_GROUPS

PAGE = Path("docs/benchmarks/gate_quality.md")


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


def gap(row):
    """Return by how much our power is below the textbook test's."""
    return row["loss 0m"]["textbook_non_inferior"] - row["loss 0m"]["non_inferior"]


def power(rows):
    """Our power and the reference's where nothing is lost."""
    yield "| metric | cells | with a reference | mean power, ours / reference | more than .05 below |"
    yield "|:--|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[_name(row)].append(row)
    total, referred, below_all = 0, 0, 0
    for name, every in sorted(cells.items()):
        found = [row for row in every if reference(row) is not None]
        total, referred = total + len(every), referred + len(found)
        if not found:
            yield f"| {name} | {len(every)} | 0 | – | – |"
            continue
        ours = np.mean([row["loss 0m"]["non_inferior"] for row in found])
        theirs = np.mean([reference(row) for row in found])
        below = sum(gap(row) > 0.05 for row in found)
        below_all += below
        yield f"| {name} | {len(every)} | {len(found)} | {ours:.2f} / {theirs:.2f} | {below} |"
    yield f"| all | {total} | {referred} | | {below_all} |"


def size_of(row):
    """Return the size of the textbook test on a cell's holdouts, and its standard error."""
    size = row["loss 1m"]["textbook_non_inferior"]
    return size, float(np.sqrt(max(size * (1 - size), 1e-4) / row["runs"]))


def holds(row, errors=0):
    """Return whether a reference is one on these holdouts too, by so many standard errors."""
    size, error = size_of(row)
    return size - errors * error <= 0.05 and row["loss 0m"]["textbook_non_inferior"] >= 0.2


def verified(rows):
    """Yield what is left of the references, and of the gaps, on fresh holdouts."""
    firsts = [row["first"] for row in rows]
    table = (
        ("first run, cells of this table alone", [r for r in firsts if reference(r) is not None], False),
        ("fresh: size at most .05", [r for r in rows if holds(r)], True),
        ("fresh: size not above .05 by more than two errors", [r for r in rows if holds(r, 2)], True),
    )
    yield "| counted as a reference | cells | more than .05 below | by more than two errors | largest gap |"
    yield "|:--|--:|--:|--:|--:|"
    for name, found, fresh in table:
        gaps = [gap(row) for row in found]
        # Both on the same holdouts: the error of a difference of paired rates, at most.
        sure = [
            g - 2 * np.sqrt(max(g * (1 - g), 0) / row["runs"]) > 0.05
            for g, row in zip(gaps, found, strict=True)
        ]
        most = f"{max(gaps):.3f}" if gaps else "–"
        wide = sum(g > 0.05 for g in gaps)
        yield f"| {name} | {len(found)} | {wide} | {sum(sure) if fresh else '–'} | {most} |"
    sizes = [size_of(row)[0] for row in rows]
    yield ""
    yield (
        f"{len(rows)} cells were judged again. On the fresh holdouts the textbook test's size is above .05 "
        f"in {sum(size > 0.05 for size in sizes)} of them, {max(sizes):.3f} at most."
    )


def below(rows):
    """Yield the verified cells whose power is more than .05 below, references within two errors included."""
    found = sorted((row for row in rows if holds(row, 2) and gap(row) > 0.05), key=lambda row: -gap(row))
    if not found:
        yield "No cell is."
        return
    yield (
        "| metric | n | disagreement | prevalence | AUC | group | size, first / fresh "
        "| power, ours / textbook |"
    )
    yield "|:--|--:|--:|--:|--:|--:|--:|--:|"
    for row in found:
        yield (
            f"| {_name(row)} | {row['n']:,} | {row['disagreement']} | {row['prevalence']} | {row['auc']} "
            f"| {row['group']} | {size_of(row['first'])[0]:.3f} / {size_of(row)[0]:.4f} "
            f"| {row['loss 0m']['non_inferior']:.3f} / {row['loss 0m']['textbook_non_inferior']:.3f} |"
        )


def without(rows):
    """Yield how often a worst world is falsely passed with and without a rule that costs power."""
    yield "| instead | metric | n | disagreement | prevalence | AUC | group | falsely passes | as it is |"
    yield "|:--|:--|--:|--:|--:|--:|--:|--:|--:|"
    for row in rows:
        yield (
            f"| {row['rule']} | {row['kind']} | {row['n']:,} | {row['disagreement']} | {row['prevalence']} "
            f"| {row['auc']} | {row['group']} | {row['without']:.3f} | {row['as it is']:.3f} |"
        )


def exact(rows):
    """Yield the largest exact sizes of the test of accuracy, without any simulation."""
    yield "| n | largest exact rate of falsely non-inferior over the cells | disagreement | margin |"
    yield "|--:|--:|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[row["n"]].append(row)
    for n, found in sorted(cells.items()):
        row = max(found, key=lambda one: one["exact_non_inferior"])
        yield f"| {n:,} | {row['exact_non_inferior']:.4f} | {row['disagreement']} | {row['margin']} |"


def unlucky(rows):
    """Yield the error rates of the cells that were furthest above their limit, on fresh holdouts."""
    yield (
        "| metric | n | disagreement | prevalence | AUC | group | runs "
        "| non-inferior, first / fresh | worse, first / fresh |"
    )
    yield "|:--|--:|--:|--:|--:|--:|--:|--:|--:|"
    for row in rows:
        rates = " | ".join(
            f"{row['first']['loss 1m'][key]:.3f} / {row['loss 1m'][key]:.4f}"
            for key in ("non_inferior", "worse")
        )
        yield (
            f"| {_name(row)} | {row['n']:,} | {row['disagreement']} | {row['prevalence']} | {row['auc']} "
            f"| {row['group']} | {row['runs']:,} | {rates} |"
        )


def textbook(rows):
    """Yield how often the textbook test errs where ours is held to the same limit."""
    yield "| metric | textbook falsely passes, mean (worst) | ours, mean (worst) |"
    yield "|:--|--:|--:|"
    cells = defaultdict(list)
    for row in rows:
        cells[row["kind"]].append(row["loss 1m"])
    for kind, found in sorted(cells.items()):
        theirs, ours = ([one[name] for one in found] for name in ("textbook_non_inferior", "non_inferior"))
        yield (
            f"| {kind} | {np.mean(theirs):.3f} ({max(theirs):.3f}) | {np.mean(ours):.3f} ({max(ours):.3f}) |"
        )


def runs(found):
    """Yield what was run: each part's cells and holdouts."""
    yield "| part | cells | holdouts a cell, by rows |"
    yield "|:--|--:|:--|"
    for name, part in sorted(found.items()):
        counts = defaultdict(set)
        for row in part["rows"]:
            if "runs" in row and "n" in row:
                counts[row["n"]].add(row["runs"])
        each = ", ".join(f"{n:,}: {min(found_runs):,}" for n, found_runs in sorted(counts.items()))
        yield f"| {name} | {len(part['rows'])} | {each or '–'} |"
    versions = ", ".join(f"{name} {number}" for name, number in found["alone"]["versions"].items())
    yield ""
    yield f"Versions: {versions}."


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
    return row["kind"] + (", hard worlds" if row.get("hard") else "")


def blocks(folder):
    """Return the text of each block of the page, by its name."""
    found = {part["part"]: part for part in parts(folder)}
    for row in found["hard"]["rows"]:
        row["hard"] = True
    grid = [row for name in ("accuracy", "alone", "groups") for row in found[name]["rows"]]
    cells = [row for row in grid if "loss 1m" in row]
    alone = [row for row in cells if row.get("group", 1) == 1]
    twice = found["verified"]["rows"]
    again = [row for row in twice if "power" in row["reasons"]]
    lines = {
        "runs": runs(found),
        "error rates": error_rates(cells + found["hard"]["rows"]),
        "worst": worst(cells + found["hard"]["rows"]),
        "exact": exact(found["accuracy"]["rows"]),
        "unlucky": unlucky([row for row in twice if "error" in row["reasons"]]),
        "textbook": textbook([row for row in cells if row["kind"] != "accuracy"]),
        "naive": naive(alone),
        "power": power([row for row in cells if row["n"] // row.get("group", 1) >= LEAST_GROUPS]),
        "verified": verified(again),
        "below": below(again),
        "without": without(found["without"]["rows"]),
        "reuse": reuse(found["reuse"]["rows"]),
        "real": real(found["real"]["rows"]),
    }
    return {name: "\n".join(text) for name, text in lines.items()}


def page(text, written):
    """Return the page with its blocks as written; each has to be there once."""
    for name, block in written.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise SystemExit(f"the page must have one block '{name}'")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{block}\n\n{end}{rest.partition(end)[2]}"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument(
        "--check", action="store_true", help="fail where the page is stale, and write nothing"
    )
    options = parser.parse_args()
    text = PAGE.read_text()
    new = page(text, blocks(options.results))
    if options.check:
        sys.exit(
            f"{PAGE} is not what the results say: python -m benchmarks.gate_tables" if new != text else 0
        )
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
