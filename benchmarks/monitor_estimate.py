"""Estimates of performance without labels, beside NannyML's CBPE, on real data over time.

    python -m benchmarks.monitor_estimate        # writes docs/benchmarks/monitor_estimate.md's table

NannyML runs in its own pinned environment (`benchmarks.peers.environments`). Both get the same holdout and
the same windows, and what they say is held against the labels, which neither saw.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.monitor_streams import TASKS, Part, Stream, stream, turned
from benchmarks.peers.environments import python_of
from mlops_ci.core.monitor.delayed_labels import Miss, Transfer, miss_of
from mlops_ci.core.monitor.estimate import Estimated, basis_of, estimated
from mlops_ci.core.monitor.expected import cells_of, values

METRICS = ("accuracy", "roc_auc", "f1", "precision", "recall", "specificity")
Found = dict[str, list[tuple[float, float, float]]]
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """How one estimator did on one metric of one stream.

    `error` and `changed` are mean absolute errors over all windows, and over those whose true value differs
    from the holdout's (z > 1.96); `covered` is the share of windows whose true value lay in the interval,
    `width` its mean half-width.
    """

    stream: str
    estimator: str
    metric: str
    error: float
    changed: float | None
    windows: int
    windows_changed: int
    covered: float | None
    width: float | None


def truth(part: Part) -> dict[str, float]:
    """Return the metrics of a window by its labels."""
    order = np.lexsort((part.alarm, part.score))
    cells = cells_of(part.score, part.alarm, most=len(order))
    return values(cells, part.positive[order].astype(float))


def bare(given: Stream) -> list[dict[str, Estimated]]:
    """Return our estimates of each window, before any label came."""
    held = given.holdout
    basis = basis_of(held.score, held.positive, held.alarm, given.period)
    return [estimated(basis, part.score, part.alarm, METRICS) for part in given.windows]


def ours(
    said: Sequence[Mapping[str, Estimated]], labels: Known, *, learns: bool, times: bool = True
) -> Found:
    """Return our estimates.

    With `learns`, each window's labels are known by the time of the next but one; without `times`, the
    holdout's rows have none.
    """
    found: Found = {name: [] for name in METRICS}
    past: dict[str, list[Miss | None]] = {name: [] for name in METRICS}
    for place, window in enumerate(said):
        for name in METRICS:
            one, real = window.get(name), labels.real[place][name]
            if one is None:
                found[name].append((np.nan, np.nan, np.nan))
                past[name].append(None)
                continue
            before = [miss for miss in past[name][: max(place - 1, 0)] if miss] if learns else []
            taught = (one if times else replace(one, transfer=Transfer())).taught(before)
            found[name].append((taught.value, taught.lower, taught.upper))
            kept = {"value": taught.value, "half": taught.half, "correction": taught.correction}
            past[name].append(miss_of(kept, real) if np.isfinite(real) else None)
    return found


def constant(given: Stream) -> Found:
    """Return the holdout's value for every window: what one believes who watches nothing."""
    held = truth(given.holdout)
    return {name: [(held[name], np.nan, np.nan)] * len(given.windows) for name in METRICS}


def nannyml(given: Stream, python: Path | str) -> Found:
    """Return the estimates of NannyML's CBPE, as it comes."""
    with tempfile.TemporaryDirectory() as folder:

        def write(name: str, parts: Sequence[Part]) -> None:
            frames = [
                pd.DataFrame(
                    {"window": place, "score": one.score, "pred": one.alarm.astype(int), "y": one.positive}
                )
                for place, one in enumerate(parts)
            ]
            pd.concat(frames).to_parquet(f"{folder}/{name}.parquet")

        held = given.holdout
        place = np.random.default_rng(0).permutation(len(held.score)) % 10
        write(
            "reference",
            [
                Part(held.score[place == i], held.alarm[place == i], held.positive[place == i])
                for i in range(10)
            ],
        )
        write("analysis", given.windows)
        script = Path(__file__).parent / "peers" / "cbpe.py"
        done = subprocess.run([str(python), str(script), folder], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: [tuple(row[1:]) for row in sorted(said[name])] for name in METRICS}


@dataclass(frozen=True)
class Known:
    """The labels' word on a stream: each window's metrics, and which windows truly changed."""

    real: list[dict[str, float]]
    changed: dict[str, np.ndarray]


def known(given: Stream) -> Known:
    """Work out from the labels what the estimates are held against."""
    real = [truth(part) for part in given.windows]
    held, spread = truth(given.holdout), errors(given.holdout)
    noise = [errors(part) for part in given.windows]
    changed = {
        name: np.array(
            [
                abs(one[name] - held[name]) > 1.96 * np.hypot(own[name], spread[name])
                for one, own in zip(real, noise, strict=True)
            ]
        )
        for name in METRICS
    }
    return Known(real, changed)


def errors(part: Part, draws: int = 40) -> dict[str, float]:
    """Return the standard error of each metric by its labels (bootstrap)."""
    rng = np.random.default_rng(1)
    n = len(part.score)
    rows = (rng.integers(n, size=n) for _ in range(draws))
    drawn = [truth(Part(part.score[i], part.alarm[i], part.positive[i])) for i in rows]
    return {name: float(np.nanstd([one[name] for one in drawn])) for name in METRICS}


def judged(
    given: Stream, labels: Known, estimator: str, found: Mapping[str, Sequence[tuple[float, float, float]]]
) -> list[Row]:
    """Hold estimates against the labels."""
    rows = []
    for name in METRICS:
        y = np.array([one[name] for one in labels.real])
        e, low, high = (np.array(column) for column in zip(*found[name], strict=True))
        # A window without an alarm has no precision, estimated or real.
        told = np.isfinite(e) & np.isfinite(y)
        e, y, low, high = e[told], y[told], low[told], high[told]
        moved, off = labels.changed[name][told], np.abs(e - y)
        bounded = bool(np.isfinite(low).all())
        rows.append(
            Row(
                stream=given.name,
                estimator=estimator,
                metric=name,
                error=float(off.mean()),
                changed=float(off[moved].mean()) if moved.any() else None,
                windows=len(y),
                windows_changed=int(moved.sum()),
                covered=float(((low <= y) & (y <= high)).mean()) if bounded else None,
                width=float((high - low).mean() / 2) if bounded else None,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("streams", nargs="*", default=list(TASKS))
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="another half of the beginning is held out")
    options = parser.parse_args()
    python = "left out" if options.no_peer else python_of("nannyml")
    for name in options.streams:
        base = stream(name, options.seed)
        # Neither sees a label of a window: what they say of a stream holds for its turned twin as well.
        said = bare(base)
        peer = nannyml(base, python) if isinstance(python, Path) else None
        if peer is None:
            print(f"NannyML: {python}")
        kept = []
        for given in (base,) if options.seed else (base, turned(base)):
            labels = known(given)
            rows = judged(given, labels, "constant", constant(given))
            untimed = ours(said, labels, learns=False, times=False)
            rows += judged(given, labels, "mlops-ci, no times", untimed)
            rows += judged(given, labels, "mlops-ci", ours(said, labels, learns=False))
            rows += judged(given, labels, "mlops-ci, labels later", ours(said, labels, learns=True))
            rows += judged(given, labels, "NannyML 0.13.1 CBPE", peer) if peer else []
            kept += [asdict(row) for row in rows]
            for row in rows:
                print(line(row), flush=True)
        called = f"{name}-seed{options.seed}" if options.seed else name
        (RESULTS / f"monitor_estimate-{called}.json").write_text(json.dumps(kept, indent=1) + "\n")


def line(row: Row) -> str:
    """Return a row as a line of the documentation's table."""

    def shown(value: float | None, places: int) -> str:
        return "" if value is None else f"{value:.{places}f}"

    cells = (row.metric, row.estimator, shown(row.error, 4), shown(row.changed, 4))
    counts = f"{row.windows_changed} of {row.windows}"
    return (
        f"| {row.stream} | {' | '.join(cells)} | {counts} | {shown(row.covered, 2)} | {shown(row.width, 3)} |"
    )


if __name__ == "__main__":
    main()
