"""Labels needed by ease.ml/ci and by the exact worst case, for the same promises.

    python -m benchmarks.easeml [--quick] [--output FOLDER]

ease.ml/ci (Karlas et al., MLSys 2019) promises that each of H uses of one holdout is judged within a
tolerance eps with reliability 1 - delta. Its formulas, with k = ln H (no adaptivity) or H ln 2 (full):

    n > c                   (k + ln(1/delta)) / (2 eps^2)                     Hoeffding
    n - o > c               (k + ln(2/delta)) / (2 (eps/2)^2)                 Hoeffding, eps and delta halved
    n - o > c and d < 0.1   (k + ln(4/delta)) / (0.1 h(eps/0.1))              Bennett, h(u) = (1+u)ln(1+u) - u

Ours takes the same split of delta, and the exact tail of the binomial or trinomial in its worst case
instead of a bound on it. Rows are labelled once, for both models.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from mlops_ci.core.gate.label_complexity import difference_chances, labels_needed, log_uses, share_chances

USES = 32
DELTAS = (1e-2, 1e-3, 1e-4, 1e-5)
TOLERANCES = (0.1, 0.05, 0.025, 0.01)


def bennett(u):
    return (1 + u) * math.log(1 + u) - u


CONDITIONS = {
    "n > c": (
        lambda k, delta, eps: (k + math.log(1 / delta)) / (2 * eps**2),
        1,
        share_chances,
    ),
    "n - o > c": (
        lambda k, delta, eps: (k + math.log(2 / delta)) / (2 * (eps / 2) ** 2),
        2,
        difference_chances(1.0),
    ),
    "n - o > c, d < 0.1": (
        lambda k, delta, eps: (k + math.log(4 / delta)) / (0.1 * bennett(eps / 0.1)),
        4,
        difference_chances(0.1),
    ),
}


def table(deltas=DELTAS, tolerances=TOLERANCES):
    for name, (formula, split, chances) in CONDITIONS.items():
        for adaptivity in ("none", "full"):
            k = log_uses(USES, adaptivity)
            for delta in deltas:
                for eps in tolerances:
                    theirs = math.ceil(formula(k, delta, eps) - 1e-9)
                    ours = labels_needed(eps, math.log(delta / split) - k, chances)
                    yield {
                        "condition": name,
                        "adaptivity": adaptivity,
                        "reliability": 1 - delta,
                        "tolerance": eps,
                        "ease.ml/ci": theirs,
                        "exact": ours,
                        "times fewer": round(theirs / ours, 3),
                    }


def markdown(rows):
    yield "| condition | adaptivity | reliability | tolerance | ease.ml/ci | exact | times fewer |"
    yield "|:--|:--|--:|--:|--:|--:|--:|"
    for row in rows:
        yield (
            f"| {row['condition']} | {row['adaptivity']} | {row['reliability']:.5g} | {row['tolerance']:g} "
            f"| {row['ease.ml/ci']:,} | {row['exact']:,} | {row['times fewer']:.3f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one reliability")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rows = list(table(DELTAS[2:3] if options.quick else DELTAS))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "easeml.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(markdown(rows)))


if __name__ == "__main__":
    main()
