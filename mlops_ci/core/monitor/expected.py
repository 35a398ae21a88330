"""The confusion table that calibrated scores promise, and every metric of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

METRICS = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity", "false_positive_rate"),
    *("brier_score", "log_loss", "roc_auc"),
)
_CELLS = 2_000


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
