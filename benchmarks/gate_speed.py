"""How fast a comparison is: five metrics, 2,000 resamples, 20 slices, beside a scikit-learn loop.

    python -m benchmarks.gate_speed [--quick] [--rows N ...] [--output FOLDER]

The loop is what one would write by hand: resample rows, call scikit-learn for both models and every
metric, on all rows and on every slice. It is timed on a few resamples and extrapolated to 2,000.
CPU seconds of one process; memory is its peak resident set.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.gate.bootstrap import CHUNK_BYTES, RESAMPLES
from mlops_ci.core.gate.compare import compare
from mlops_ci.core.policy import MetricPolicy, Policy

METRICS = ("accuracy", "f1", "log_loss", "roc_auc", "average_precision")
SLICES = 20


def models(n, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.2).astype(int)
    base = rng.normal(size=n) + 2 * target - 1
    place = rng.integers(0, SLICES, n).astype(str)
    sides = []
    for _ in range(2):
        score = 1 / (1 + np.exp(-(base + 0.3 * rng.normal(size=n))))
        prediction = (score > 0.5).astype(int)
        sides.append(
            evaluation(
                id=np.arange(n), target=target, score=score, prediction=prediction, columns={"place": place}
            )
        )
    return sides


def ours(sides):
    policy = Policy(
        metrics={name: MetricPolicy(metric=name, margin=0.01, slices=("place",)) for name in METRICS}
    )
    started = time.process_time()
    verdict = compare(*sides, policy)
    assert sum(f.slice is not None and f.gated for f in verdict.findings) >= len(METRICS)
    return time.process_time() - started


def loop(sides, resamples):
    """Return the CPU seconds of 2,000 resamples, from a few."""
    champion, candidate = sides
    n, rng = len(champion), np.random.default_rng(1)
    place = champion.columns["place"]
    started = time.process_time()
    for _ in range(resamples):
        rows = rng.integers(0, n, n)
        parts = [rows] + [rows[place[rows] == name] for name in np.unique(place)]
        for part in parts:
            target = champion.target[part]
            for side in (champion, candidate):
                sk.accuracy_score(target, side.prediction[part])
                sk.f1_score(target, side.prediction[part], zero_division=0)
                sk.log_loss(target, side.score[part], labels=[0, 1])
                if 0 < target.sum() < len(target):
                    sk.roc_auc_score(target, side.score[part])
                    sk.average_precision_score(target, side.score[part])
    return (time.process_time() - started) / resamples * RESAMPLES


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 rows only")
    parser.add_argument("--rows", type=int, nargs="*", default=None)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    sizes = options.rows or ([1000, 10_000] if options.quick else [1000, 10_000, 100_000, 1_000_000])
    rows = []
    print("| rows | mlops-ci, s | scikit-learn loop, s | times faster | peak memory, MB |")
    print("|--:|--:|--:|--:|--:|")
    for n in sizes:
        sides = models(n)
        took = ours(sides)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs = loop(sides, max(1, min(5, 100_000 // n)))
        row = {
            "rows": n,
            "seconds": round(took, 2),
            "loop_seconds": round(theirs, 1),
            "times": round(theirs / took, 1),
            "peak_mb": round(peak),
        }
        rows.append(row)
        print(f"| {n:,} | {took:.2f} | {theirs:,.0f} | {theirs / took:,.0f} | {peak:,.0f} |", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    result = {
        "benchmark": "gate_speed",
        "chunk_bytes": CHUNK_BYTES,
        "resamples": RESAMPLES,
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
        | {"python": platform.python_version()},
        "rows": rows,
    }
    (options.output / "gate_speed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
