"""How often the gate is wrong, and how often it sees: error rates, power, naive gates, reuse, real models.

    python -m benchmarks.gate_quality [--quick] [--only PART ...] [--output FOLDER]

Every part is simulated from stated seeds with the product's own measures. `--quick` takes a tenth of
the runs. Results are written as JSON and as a Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.special import ndtri, stdtrit

from benchmarks.gate_worlds import UP, World
from mlops_ci.core.gate import exact
from mlops_ci.core.gate.estimate import Rules, UndefinedError
from mlops_ci.core.gate.proportions import tango_statistic

Z = float(ndtri(0.95))
SIZES = (50, 100, 300, 1000, 10_000)
DISAGREEMENTS = (0.02, 0.06, 0.2)
PREVALENCES = (0.05, 0.5)
AUCS = (0.8, 0.98)
RUNS = {
    "roc_auc": (1000, 1000, 1000, 1000, 300),
    "log_loss": (1000, 1000, 1000, 1000, 1000),
    "brier_score": (1000, 1000, 1000, 1000, 400),
    "f1": (1000, 1000, 1000, 600, 300),
    "matthews_corrcoef": (600, 600, 600, 400, 200),
    "average_precision": (250, 250, 200, 100, 0),
    "root_mean_squared_error": (400, 400, 300, 150, 0),
    "mean_absolute_error": (1000, 1000, 1000, 1000, 400),
}


def shares(scale):
    """Accuracy: the paired table drawn as counts, judged by the statistic that the interval inverts."""
    runs = int(40_000 * scale)
    for n, share, part in itertools.product(SIZES, DISAGREEMENTS, (0.25, 0.5, 1.0)):
        margin = share * part
        rng = np.random.default_rng([1, n, int(1000 * share), int(100 * part)])
        row = {"kind": "accuracy", "n": n, "disagreement": share, "margin": margin, "runs": runs}
        for times in (0.0, 0.5, 1.0, 2.0):
            loss = times * margin
            if loss > share:
                continue
            counts = rng.multinomial(n, [(share - loss) / 2, (share + loss) / 2, 1 - share], size=runs)
            gained, lost = counts[:, 0], counts[:, 1]
            statistic = tango_statistic(n, gained, lost, -margin)
            difference = (gained - lost) / n
            error = np.sqrt(np.maximum((gained + lost) / n - difference**2, 0) / n)
            row[f"loss {times:g}m"] = summary(
                statistic > Z,
                proven_worse(n, gained, lost, margin, statistic),
                difference,
                margin,
                textbook=difference - Z * error > -margin,
            )
        yield row


def proven_worse(n, gained, lost, margin, statistic):
    """Return where the gate says `worse`: the score test and the exact tail both prove it."""
    failed = statistic < -Z
    pairs, places = np.unique(np.stack([gained, lost])[:, failed], axis=1, return_inverse=True)
    few = pairs.sum(axis=0) <= exact.MANY_DISCORDANT
    tails = [
        exact.lower_tail(n, int(b), int(c), -margin) <= 0.05 if ok else True
        for b, c, ok in zip(*pairs, few, strict=True)
    ]
    failed[failed] = np.array(tails, dtype=bool)[places.ravel()] if tails else False
    return failed


def summary(passed, failed, difference, margin, *, textbook, undefined=0):
    """Return the rates of one gate's outcomes, of the naive gates and of the textbook test."""
    runs = len(passed) + undefined
    return {
        "non_inferior": round(float(passed.sum() / runs), 4),
        "worse": round(float(failed.sum() / runs), 4),
        "textbook_non_inferior": round(float(textbook.sum() / runs), 4),
        # Every one of these blocks or passes; none can say that it does not know.
        "naive_blocks": round(float((difference < 0).sum() / runs), 4),
        "mlflow_blocks": round(float((difference < 1e-9).sum() / runs), 4),
        "threshold_blocks": round(float((difference < -margin - 1e-12).sum() / runs), 4),
    }


def worlds(kind, scale, sizes=SIZES, groups=((1, 0.0),)):
    """Every other metric: estimates of fresh holdouts, at no loss and at exactly the margin."""
    runs_of = RUNS.get(kind, (1000, 1000, 1000, 1000, 400))
    for prevalence, auc, share, (group, icc) in itertools.product(PREVALENCES, AUCS, DISAGREEMENTS, groups):
        world = World(kind=kind, prevalence=prevalence, auc=auc, disagreement=share, group=group, icc=icc)
        loss = world.true_loss()
        for n in sizes:
            runs = int(runs_of[SIZES.index(n)] * scale)
            if runs == 0:
                continue
            row = {
                "kind": kind,
                "n": n,
                "disagreement": share,
                "prevalence": prevalence,
                "auc": auc,
                "group": group,
                "icc": icc,
                "margin": round(loss, 5),
                "runs": runs,
            }
            equal, worse = (estimates(world, n, runs, worse=flag) for flag in (False, True))
            row["loss 0m"] = judged(equal, runs, loss, n)
            row["loss 0.5m"] = judged(worse, runs, 2 * loss, n)
            row["loss 1m"] = judged(worse, runs, loss, n)
            row["loss 2m"] = judged(worse, runs, loss / 2, n)
            yield row


def estimates(world, n, runs, *, worse):
    """Return (lower, upper, doubtful, difference, standard error) of many holdouts, shape (runs, 5)."""
    rng = np.random.default_rng([2, n, int(worse), int(1000 * world.disagreement), int(100 * world.auc)])
    rules = Rules(greater_is_better=world.kind in UP, margin=0.01)
    rows, found = np.arange(n), []
    for run in range(runs):
        measure = world.measure(rng, n, worse=worse)
        try:
            one = measure.estimate(rows, Rules(**{**rules.__dict__, "seed": run}))
        except UndefinedError:
            continue
        found.append((one.lower, one.upper, bool(one.doubt), one.difference, one.standard_error))
    return np.array(found)


def judged(found, runs, margin, n):
    """Return the rates at a margin, beside the textbook's: normal for rankings, else Student's t."""
    lower, upper, doubtful, difference, error = found.T
    sure = doubtful == 0
    quantile = float(stdtrit(n - 1, 0.95))
    return summary(
        sure & (lower > -margin),
        sure & (upper < -margin),
        difference,
        margin,
        textbook=(difference - quantile * error > -margin),
        undefined=runs - len(found),
    )


def grouped(scale):
    """Rows that depend on each other within groups."""
    for kind in ("accuracy", "log_loss", "roc_auc", "f1"):
        few = {name: tuple(min(800, run) for run in runs) for name, runs in RUNS.items()}
        RUNS.update(few)
        yield from worlds(kind, scale, sizes=(100, 300, 1000), groups=((5, 0.1), (10, 0.3), (25, 0.3)))


def reuse(scale):
    """Twenty candidates, all exactly as good as the champion, one after the other on one holdout.

    Teams merge what looks better, so that each new champion was lucky on these rows. Counted: how often
    the k-th candidate is called measurably worse (U < 0) or `worse` (U < -m), and what `strict` leaves.
    """
    runs, n, own, margin = int(1500 * scale) + 50, 1000, 0.03, 0.005
    for strict in ("off", "none", "full"):
        z = float(ndtri(1 - {"off": 0.05, "none": 0.05 / 20, "full": 0.05 / 2**20}[strict]))
        rng = np.random.default_rng([3, runs])
        champion = rng.random((runs, n)) < own
        lost, failed = [], []
        promotions = np.zeros(runs)
        for _ in range(20):
            # Wrong on rows of its own, besides those that are hard for every model.
            candidate = rng.random((runs, n)) < own
            gained, down = (champion & ~candidate).sum(1), (candidate & ~champion).sum(1)
            lost.append(float((tango_statistic(n, gained, down, 0.0) < -z).mean()))
            failed.append(float((tango_statistic(n, gained, down, -margin) < -z).mean()))
            lucky = gained > down
            champion = np.where(lucky[:, None], candidate, champion)
            promotions += lucky
        yield {
            "kind": "reuse",
            "strict": strict,
            "runs": runs,
            "n": n,
            "margin": margin,
            "measurably worse": {k: round(lost[k - 1], 4) for k in (1, 5, 10, 20)},
            "worse": {k: round(failed[k - 1], 4) for k in (1, 5, 10, 20)},
            "promotions": round(float(promotions.mean()), 2),
        }


PARTS = {
    "accuracy": shares,
    **{kind: (lambda scale, kind=kind: worlds(kind, scale)) for kind in RUNS},
    "groups": grouped,
    "reuse": reuse,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the runs")
    parser.add_argument("--only", nargs="*", choices=[*PARTS, "real"], help="parts to run")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    scale = 0.1 if options.quick else options.scale
    options.output.mkdir(parents=True, exist_ok=True)
    for part in options.only or [*PARTS, "real"]:
        started = time.process_time()
        rows = []
        for row in _rows(part, scale):
            rows.append(row)
            print(json.dumps(row), flush=True)
        result = {
            "benchmark": "gate_quality",
            "part": part,
            "scale": scale,
            "cpu_seconds": round(time.process_time() - started, 1),
            "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
            | {"python": platform.python_version()},
            "rows": rows,
        }
        (options.output / f"gate_quality-{part}.json").write_text(json.dumps(result, indent=1) + "\n")


def _rows(part, scale):
    if part == "real":
        from benchmarks.gate_real import pairs

        return pairs(scale)
    return PARTS[part](scale)


if __name__ == "__main__":
    main()
