"""Is the alarm right? No-drift pairs, known drift, and the same data judged by peers.

    python -m benchmarks.drift_quality [--quick] [--no-peers] [--output FILE]

Thresholds were chosen on other seeds and shapes (see docs/benchmarks/drift_quality.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.drift_data import LEVELS, Case, pair
from benchmarks.peers.environments import PINS, python_of
from mlops_ci.api_drift import drift

SEED = 20_261_123
# A category's shift is to be found where there are 10 rows a level.
LEVELS_OF = {f"c{i}": levels for i, levels in enumerate(LEVELS)}
Judge = Callable[[list[Case]], Iterator[set[str]]]


def upper_bound(hits: int, n: int) -> float:
    """Return the one-sided 95% Clopper-Pearson upper bound of a share."""
    from scipy.stats import beta

    return 1.0 if hits == n else float(beta.ppf(0.95, hits + 1, n - hits))


def ours(sensitivity: str = "default") -> Judge:
    """Judge pairs with the defaults, or the given sensitivity; every kind of alarm counts."""

    def judge(cases: list[Case]) -> Iterator[set[str]]:
        for case in cases:
            report = drift(*pair(case), sensitivity=sensitivity)
            yield {column.name for column in report.columns if column.drifted}

    return judge


def peer(name: str) -> Judge:
    """Judge pairs in the peer's own environment."""

    def judge(cases: list[Case]) -> Iterator[set[str]]:
        python = python_of(name)
        if isinstance(python, str):
            raise RuntimeError(python)
        with tempfile.TemporaryDirectory(prefix="drift-quality-") as folder:
            places = []
            for number, case in enumerate(cases):
                place = Path(folder) / str(number)
                place.mkdir()
                for side, table in zip(("reference", "current"), pair(case), strict=True):
                    pq.write_table(table, place / f"{side}.parquet")
                places.append(str(place))
            script = Path(__file__).parent / "peers" / "judge.py"
            done = subprocess.run(
                [str(python), str(script), name, *places],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"},
            )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if len(lines) != len(cases):
            raise RuntimeError(done.stderr.strip().splitlines()[-1][:200] if done.stderr else "no result")
        for line in lines:
            yield set(json.loads(line.removeprefix("RESULT "))["flagged"])

    return judge


def expected(case: Case) -> set[str]:
    """Return the columns whose drift is to be found."""
    found = {name for name in case.columns if name.startswith("x") and case.shift}
    if case.variation:
        found |= {name for name in case.columns if name in LEVELS_OF and case.rows >= 10 * LEVELS_OF[name]}
    return found


def quiet(judge: Judge, rows: int, pairs: int) -> dict[str, object]:
    """Return how many no-drift pairs raise any alarm."""
    flagged = list(judge([Case(rows=rows, seed=SEED + i) for i in range(pairs)]))
    alarms = sum(bool(one) for one in flagged)
    columns = Counter(name for one in flagged for name in one)
    return {
        "pairs": pairs,
        "pairs with an alarm": alarms,
        "upper 95% bound": round(upper_bound(alarms, pairs), 4),
        "columns flagged, a pair": round(sum(columns.values()) / pairs, 2),
    }


def power(judge: Judge, rows: int, pairs: int, shift: float, variation: float) -> dict[str, object]:
    """Return how many drifted columns are missed, and how many others are flagged."""
    cases = [Case(rows=rows, seed=SEED + 10**6 + i, shift=shift, variation=variation) for i in range(pairs)]
    missed: Counter[str] = Counter()
    others = wanted = 0
    for case, flagged in zip(cases, judge(cases), strict=True):
        missed.update(expected(case) - flagged)
        wanted += len(expected(case))
        others += len(flagged - set(case.columns))
    return {
        "pairs": pairs,
        "drifted columns": wanted,
        "missed": sum(missed.values()),
        "missed, by column": dict(missed),
        "undrifted columns flagged": others,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peers", nargs="*", default=list(PINS))
    parser.add_argument("--peer-rows", nargs="*", type=int, default=[1_000])
    parser.add_argument("--only-peers", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    pairs, drifted, beside, large = (20, 5, 3, 1) if given.quick else (500, 100, 20, 5)
    results: dict[str, object] = {}

    def note(name: str, make: Callable[[], object]) -> None:
        start = time.perf_counter()
        try:
            results[name] = make()
        except RuntimeError as problem:
            results[name] = f"failed: {problem}"
        print(f"{name}: {json.dumps(results[name])} ({time.perf_counter() - start:.0f} s)", flush=True)

    for rows in () if given.only_peers else (1_000, 10_000):
        note(f"mlops-ci, no drift, {rows} rows", lambda rows=rows: quiet(ours(), rows, pairs))
        note(
            f"mlops-ci, 0.5 sd and variation 0.2, {rows} rows",
            lambda rows=rows: power(ours(), rows, drifted, 0.5, 0.2),
        )
    if not given.only_peers:
        _more(note, pairs, drifted, large)
    for name in [] if given.no_peers else given.peers:
        for rows in given.peer_rows:
            note(f"{name}, no drift, {rows} rows", lambda n=name, r=rows: quiet(peer(n), r, beside))
            note(
                f"{name}, 0.5 sd and variation 0.2, {rows} rows",
                lambda n=name, r=rows: power(peer(n), r, beside, 0.5, 0.2),
            )
    if given.output:
        given.output.write_text(json.dumps(results, indent=1))


def _more(note: Callable[[str, Callable[[], object]], None], pairs: int, drifted: int, large: int) -> None:
    """Note what high sensitivity finds, and what a million rows do not make of a tiny shift."""
    note("mlops-ci high, 0.2 sd, 10000 rows", lambda: power(ours("high"), 10_000, drifted, 0.2, 0.0))
    note("mlops-ci high, no drift, 10000 rows", lambda: quiet(ours("high"), 10_000, pairs // 5))
    note("mlops-ci, 0.02 sd, 1000000 rows", lambda: _tiny(ours(), large))


def _tiny(judge: Judge, pairs: int) -> dict[str, object]:
    """Return the alarms that a shift too small to matter raises at a million rows (there should be none)."""
    cases = [Case(rows=1_000_000, seed=SEED + 2 * 10**6 + i, shift=0.02) for i in range(pairs)]
    flagged = list(judge(cases))
    return {"pairs": pairs, "pairs with an alarm": sum(bool(one) for one in flagged)}


if __name__ == "__main__":
    main()
