"""Tables of docs/benchmarks/monitor_estimate.md, from benchmarks/results/monitor_estimate-*.json.

python -m benchmarks.monitor_estimate_page
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.monitor_estimate import METRICS, RESULTS
from benchmarks.monitor_streams import HELD_BACK, TASKS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "monitor_estimate.md"
CONSTANT, UNTIMED, OURS, LATER = "constant", "mlops-ci, no times", "mlops-ci", "mlops-ci, labels later"
PEER = "NannyML 0.13.1 CBPE"
Rows = dict[tuple[str, str], dict[str, Any]]
Cell = Callable[[Rows, str], bool]


def rows_of(name: str, *, turned: bool = False, seed: int = 0) -> Rows:
    """Return a stream's rows by estimator and metric."""
    called = f"{name}-seed{seed}" if seed else name
    found = json.loads((RESULTS / f"monitor_estimate-{called}.json").read_text())
    wanted = f"{name}, concept drift" if turned else name
    return {(row["estimator"], row["metric"]): row for row in found if row["stream"] == wanted}


def told(rows: Rows, metric: str, key: str, who: Sequence[str], places: int) -> str:
    """Return one figure of several estimators, joined."""
    values = (rows[one, metric][key] for one in who)
    return " / ".join("–" if value is None else f"{value:.{places}f}" for value in values)


def table(rows: Rows) -> str:
    """Return a stream's table."""
    made = [
        "| metric | changed | error | in changed windows | covered | half-width |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for metric in METRICS:
        one = rows[OURS, metric]
        cells = (
            metric,
            f"{one['windows_changed']} of {one['windows']}",
            told(rows, metric, "error", (CONSTANT, OURS, LATER, PEER), 4),
            told(rows, metric, "changed", (CONSTANT, OURS, LATER, PEER), 4),
            told(rows, metric, "covered", (UNTIMED, OURS, LATER, PEER), 2),
            told(rows, metric, "width", (UNTIMED, OURS, LATER, PEER), 3),
        )
        made.append(f"| {' | '.join(cells)} |")
    return "\n".join(made)


def no_worse(who: str) -> Cell:
    return lambda rows, metric: rows[who, metric]["error"] <= rows[PEER, metric]["error"] + 1e-5


def beats_constant(who: str) -> Cell:
    return lambda rows, metric: rows[who, metric]["changed"] < rows[CONSTANT, metric]["changed"]


def covers(who: str) -> Cell:
    return lambda rows, metric: rows[who, metric]["covered"] >= 0.9


def counted(streams: Sequence[Rows], check: Cell) -> int:
    """Return in how many metrics of the streams something holds."""
    return sum(check(rows, metric) for rows in streams for metric in METRICS)


def summary(names: Sequence[str]) -> str:
    """Return the table of how often what was asked for holds."""
    streams = [rows_of(name) for name in names]
    lines: list[tuple[str, dict[str, Cell]]] = [
        ("error no worse than NannyML's (to 0.00001)", {who: no_worse(who) for who in (OURS, LATER)}),
        (
            "better than a constant in windows that truly changed",
            {who: beats_constant(who) for who in (OURS, LATER, PEER)},
        ),
        (
            "interval covers at least 90% of windows",
            {who: covers(who) for who in (UNTIMED, OURS, LATER, PEER)},
        ),
    ]
    made = [
        f"| of {len(names) * len(METRICS)} | no times | no labels | labels later | NannyML CBPE |",
        "|:--|--:|--:|--:|--:|",
    ]
    for text, checks in lines:
        cells = [
            str(counted(streams, checks[who])) if who in checks else ""
            for who in (UNTIMED, OURS, LATER, PEER)
        ]
        made.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(made)


def seeds(names: Sequence[str]) -> str:
    """Return what other halves of the beginning show, without labels."""
    made = [
        "| stream | seed | covers 90%, no times | covers 90% | least | wider by |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for name in names:
        for seed in range(10):
            if seed and not (RESULTS / f"monitor_estimate-{name}-seed{seed}.json").exists():
                continue
            rows = rows_of(name, seed=seed)
            least = min(METRICS, key=lambda metric: rows[OURS, metric]["covered"])
            ratios = sorted(rows[OURS, m]["width"] / rows[UNTIMED, m]["width"] for m in METRICS)
            before, after = counted([rows], covers(UNTIMED)), counted([rows], covers(OURS))
            low = f"{rows[OURS, least]['covered']:.2f} ({least})"
            wider = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            made.append(f"| {name} | {seed} | {before} of 6 | {after} of 6 | {low} | {wider} |")
    return "\n".join(made)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    chosen = [name for name in TASKS if name not in HELD_BACK]
    parts = {"summary": summary(chosen), "held back": summary(HELD_BACK), "seeds": seeds(list(TASKS))}
    for name in TASKS:
        parts[name] = table(rows_of(name))
        parts[f"{name}, concept drift"] = table(rows_of(name, turned=True))
    for name, made in parts.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marked.search(text):
            raise SystemExit(f"the page has no place for '{name}'")
        text = marked.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
