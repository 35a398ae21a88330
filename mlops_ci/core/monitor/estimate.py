"""Performance without labels: what a calibrated score promises, with an interval, and when not to trust it.

Confidence-based performance estimation: if a calibrated score says that a row is positive with probability
p, then an alarm on it is right with probability p. Summed over a window this is the expected confusion
table, and every metric of it. It holds while P(label | score) is what it was on the holdout, so it sees a
change of the data and is blind to a change of the labels' meaning (concept drift).

References
----------
NannyML's documentation of CBPE; Guillory et al. (2021), Predicting with Confidence on Unseen
Distributions (difference of confidences), arXiv:2107.03315; Garg et al. (2022), Leveraging Unlabeled Data
to Predict Out-of-Distribution Performance (ATC), ICLR, arXiv:2201.04234.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.monitor.calibrate import Calibrator, Choice, Kind, chosen, fitted
from mlops_ci.core.monitor.delayed_labels import CONFIDENCE, Learned, learned

Array = NDArray[Any]

METRICS = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity", "false_positive_rate"),
    *("brier_score", "log_loss", "roc_auc"),
)
_DRAWS = 400
_CELLS = 2_000
LEAST_ROWS, LEAST_OF_A_CLASS = 200, 30
WORST_CALIBRATION, MOST_OUTSIDE = 0.05, 0.01


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Rows of a window by score, put together where they are very many.

    Attributes
    ----------
    rows
        Rows of each cell, shape (c,).
    score, alarm
        Mean score, and whether the model calls the rows positive, shape (c,); sorted by score.
    hit, miss
        Mean log of the clipped score, and of one minus it, shape (c,).
    square, rest
        Mean of (1 - score)^2 and of score^2, shape (c,).
    """

    rows: Array
    score: Array
    alarm: Array
    hit: Array
    miss: Array
    square: Array
    rest: Array


def cells_of(score: Array, alarm: Array, most: int = _CELLS) -> Cells:
    """Return the cells of a window's rows in the order of scores; up to `most` rows, each is its own."""
    order = np.lexsort((alarm, score))
    score, alarm = score[order].astype(np.float64), alarm[order].astype(bool)
    part = np.arange(len(score)) * min(most, len(score)) // len(score) * 2 + alarm
    _, place = np.unique(part, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    inside = np.clip(score, 5e-5, 1 - 5e-5)  # as the gate's log loss is clipped

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(place, weights=values) / rows)

    return Cells(
        rows=rows,
        score=mean(score),
        alarm=mean(alarm.astype(np.float64)) > 0.5,
        hit=mean(np.log(inside)),
        miss=mean(np.log1p(-inside)),
        square=mean((1 - score) ** 2),
        rest=mean(score**2),
    )


def values(cells: Cells, positive: Array) -> dict[str, float]:
    """Return every metric for these numbers of positive rows by cell, shape (c,), whole or expected."""
    negative = cells.rows - positive
    n = float(cells.rows.sum())
    tp, fp = float(positive[cells.alarm].sum()), float(negative[cells.alarm].sum())
    fn, tn = float(positive.sum()) - tp, float(negative.sum()) - fp

    def ratio(top: float, bottom: float) -> float:
        return top / bottom if bottom > 0 else float("nan")

    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return {
        "accuracy": ratio(tp + tn, n),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": ratio(tp, tp + fp),
        "recall": recall,
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": specificity,
        "false_positive_rate": ratio(fp, fp + tn),
        "brier_score": float((positive * cells.square + negative * cells.rest).sum()) / n,
        "log_loss": -float((positive * cells.hit + negative * cells.miss).sum()) / n,
        "roc_auc": _auc(cells, positive, negative),
    }


def _auc(cells: Cells, positive: Array, negative: Array) -> float:
    """Return the area under the ROC curve; rows of one score count half."""
    _, place = np.unique(cells.score, return_inverse=True)
    up, down = np.bincount(place, weights=positive), np.bincount(place, weights=negative)
    total = float(up.sum()) * float(down.sum())
    below = np.cumsum(down) - down / 2
    return float((up * below).sum()) / total if total > 0 else float("nan")


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a champion's holdout says of its scores: all that estimates rest on.

    Attributes
    ----------
    score, positive
        Of the holdout's rows, shape (n,); labels are 1 or 0.
    choice
        Which calibrators fit.
    calibrators
        Drawn by bootstrap over the holdout and over the kinds that fit about as well.
    best
        Fitted to the whole holdout.
    """

    score: Array
    positive: Array
    choice: Choice
    best: Calibrator
    calibrators: Sequence[Calibrator] = field(default_factory=tuple)


def basis_of(score: Array, positive: Array, *, seed: int = 0, draws: int = _DRAWS) -> Basis:
    """Calibrate a champion's scores on its holdout.

    Parameters
    ----------
    score, positive
        Scores of the positive class, and true labels as 1 or 0, shape (n,).
    """
    score, positive = score.astype(np.float64), positive.astype(np.float64)
    choice = chosen(score, positive, seed=seed)
    rng = np.random.default_rng([seed, 1])
    drawn = []
    for index in range(draws):
        kind: Kind = choice.kinds[index % len(choice.kinds)]
        weight = np.bincount(rng.integers(len(score), size=len(score)), minlength=len(score)).astype(float)
        drawn.append(fitted(kind, score, positive, weight))
    best = fitted(choice.kinds[0], score, positive)
    return Basis(score=score, positive=positive, choice=choice, best=best, calibrators=tuple(drawn))


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """One metric of one window, estimated without its labels.

    Attributes
    ----------
    value, lower, upper
        The estimate, and the interval that the metric will lie in once the labels are there.
    half
        Half the interval's width before it was widened.
    correction
        What the labels of earlier windows added to the estimate.
    doubts
        Why it is not to be trusted here; empty if it may be.
    """

    metric: str
    value: float
    lower: float
    upper: float
    half: float = 0.0
    correction: float = 0.0
    doubts: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against it but what no estimate can see."""
        return not self.doubts


def estimated(
    basis: Basis,
    score: Array,
    alarm: Array,
    metrics: Sequence[str] = METRICS,
    *,
    history: Mapping[str, Learned] | None = None,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimated]:
    """Estimate metrics of a window without labels.

    The interval holds the luck of the labels (each is drawn with its probability), of the holdout (a
    bootstrap), and the choice among calibrators that fit about as well; `learned` widens it by what the
    world did before.

    Parameters
    ----------
    score, alarm
        Scores of the positive class, and whether the model called the row positive, shape (n,).
    history
        By metric, what was `learned` from earlier windows whose labels came.
    """
    cells = cells_of(score, alarm)
    middle = values(cells, cells.rows * basis.best(cells.score))
    rng = np.random.default_rng([seed, 2])
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    whole = cells.rows.astype(np.int64)
    for calibrator in basis.calibrators:
        one = values(cells, rng.binomial(whole, calibrator(cells.score)).astype(np.float64))
        for name in metrics:
            drawn[name].append(one[name])
    doubts = doubts_of(basis, score)
    made = {}
    for name in metrics:
        value = middle[name]
        known = np.array([one for one in drawn[name] if one == one])  # noqa: PLR0124 (NaN)
        if value != value or len(known) < len(drawn[name]) / 2:  # noqa: PLR0124 (NaN)
            continue
        low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
        known_of = (history or {}).get(name, learned(()))
        shown = _inside(name, value + known_of.correction)
        half = max((float(high) - float(low)) / 2, 1e-9)
        wide = known_of.widening * half
        made[name] = Estimated(
            metric=name,
            value=shown,
            lower=_inside(name, shown - wide),
            upper=_inside(name, shown + wide),
            half=half,
            correction=shown - value,
            doubts=doubts,
        )
    return made


def doubts_of(basis: Basis, score: Array) -> tuple[str, ...]:
    """Return why estimates from these scores are not to be trusted; empty if nothing speaks against it."""
    found = []
    choice = basis.choice
    rare = min(choice.positives, choice.rows - choice.positives)
    if choice.rows < LEAST_ROWS or rare < LEAST_OF_A_CLASS:
        found.append(
            f"the holdout is too small to calibrate on ({choice.rows:,} rows, {rare:,} of the rarer class)"
        )
    if choice.error > WORST_CALIBRATION:
        found.append(
            f"the score cannot be calibrated: on held-out rows it is {choice.error:.3f} off on average"
        )
    low, high = float(basis.score.min()), float(basis.score.max())
    outside = float(((score < low) | (score > high)).mean())
    if outside > MOST_OUTSIDE:
        found.append(
            f"{outside:.1%} of the scores lie outside the holdout's range, where nothing is known of them"
        )
    return tuple(found)


def _inside(metric: str, value: float) -> float:
    return max(value, 0.0) if metric == "log_loss" else min(max(value, 0.0), 1.0)
