"""Metrics of rankings: area under the ROC curve (DeLong), average precision, recall at a false positive rate.

All take `positive`, shape (n,) of bool, `score`, shape (n,), and `weight`, shape (n,), which sums to n,
and return the value and the influence function at every row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.gate.estimate import UndefinedError

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def check_classes(positive: Bools) -> tuple[int, int]:
    """Return the number of positive and of negative rows; both must occur."""
    positives = int(positive.sum())
    if positives == 0:
        raise UndefinedError("there is no positive row")
    if positives == len(positive):
        raise UndefinedError("there is no negative row")
    return positives, len(positive) - positives


def roc_auc(positive: Bools, score: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the area under the ROC curve with DeLong's structural components.

    Ties count half. The components are scaled so that the sum of squares over n^2 is DeLong's
    unbiased variance.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837-845; computed by ranks as in Sun and
    Xu (2014), IEEE Signal Processing Letters 21, 1389-1393.
    """
    check_classes(positive)
    n = len(score)
    order = np.argsort(score, kind="stable")
    ranked, weights, truth = score[order], weight[order], positive[order]
    first = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    ties = np.cumsum(first) - 1
    # Weight of each class in each run of ties, and below it: a row beats what is below, and half its ties.
    ups, downs = np.bincount(ties, weights=weights * truth), np.bincount(ties, weights=weights * ~truth)
    total_up, total_down = float(ups.sum()), float(downs.sum())
    below = (np.cumsum(downs) - downs / 2) / total_down
    above = (total_up - (np.cumsum(ups) - ups / 2)) / total_up
    placement = np.where(truth, below[ties], above[ties])
    value = float((placement * weights)[truth].sum() / total_up)
    count_up, count_down = int(truth.sum()), n - int(truth.sum())
    scale_up = n / total_up * np.sqrt(count_up / max(count_up - 1, 1))
    scale_down = n / total_down * np.sqrt(count_down / max(count_down - 1, 1))
    influence = np.empty(n)
    influence[order] = (placement - value) * np.where(truth, scale_up, scale_down)
    return value, influence


def average_precision(positive: Bools, score: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the mean of the precision at every positive row, tied rows taken together.

    Notes
    -----
    With F(s) the share of rows that score at least s, p(s) their precision and c the share of positives,
    AP = E[y p(s)] / c, whose influence function at (s, y) is y (p(s) - AP) / c plus
    E[y' 1(s' <= s) (y - p(s')) / F(s')] / c over the positive rows s'.
    """
    check_classes(positive)
    n = len(score)
    order = np.argsort(-score, kind="stable")
    ranked, weights, truth = score[order], weight[order], positive[order].astype(np.float64)
    last = np.concatenate([np.flatnonzero(ranked[1:] != ranked[:-1]), [n - 1]])
    group = np.searchsorted(last, np.arange(n))
    share = np.cumsum(weights)[last] / n
    precision = np.cumsum(weights * truth)[last] / n / share
    prevalence = float((weights * truth).sum() / n)
    hits = np.bincount(group, weights=weights * truth) / n
    value = float((hits * precision).sum() / prevalence)
    # Sums over all positives that score no more than the row: from the bottom of the ranking upwards.
    gain = np.cumsum((hits / share)[::-1])[::-1]
    cost = np.cumsum((hits * precision / share)[::-1])[::-1]
    influence = np.empty(n)
    influence[order] = (truth * (precision[group] - value + gain[group]) - cost[group]) / prevalence
    return value, influence


def recall_at_fpr(positive: Bools, score: Floats, weight: Floats, fpr: float) -> tuple[float, Floats]:
    """Return the highest recall at which at most `fpr` of the negatives are flagged.

    The threshold is estimated too: its error enters by the local slope of the ROC curve, a difference
    quotient over a bandwidth of the order n^(-1/3).
    """
    _, negatives = check_classes(positive)
    n = len(score)
    order = np.argsort(-score, kind="stable")
    ranked, weights, truth = score[order], weight[order], positive[order]
    last = np.concatenate([np.flatnonzero(ranked[1:] != ranked[:-1]), [n - 1]])
    alarms = np.concatenate([[0.0], np.cumsum(weights * ~truth)[last]])
    found = np.concatenate([[0.0], np.cumsum(weights * truth)[last]])
    alarms, found = alarms / alarms[-1], found / found[-1]

    def recall(rate: float) -> tuple[float, int]:
        place = int(np.searchsorted(alarms, rate + 1e-12, side="right")) - 1
        return float(found[place]), place

    value, place = recall(fpr)
    step = min(max(0.5 * negatives ** (-1 / 3) * min(fpr, 0.5), 2 / negatives), fpr, 1 - fpr)
    slope = (recall(fpr + step)[0] - recall(fpr - step)[0]) / (2 * step) if step > 0 else 0.0
    flagged = np.zeros(n)
    flagged[: last[place - 1] + 1 if place else 0] = 1.0
    up, down = float((weights * truth).sum() / n), float((weights * ~truth).sum() / n)
    influence = np.empty(n)
    influence[order] = np.where(
        truth, (flagged - value) / up, -slope * (flagged - float(alarms[place])) / down
    )
    return value, influence


def expected_calibration_error(positive: Bools, score: Floats, weight: Floats, bins: int = 15) -> float:
    """Return the mean distance of stated and found frequency over equal-width bins of the score.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), AAAI 29, 2901-2907. Its estimate is biased upward, which is
    why it is reported and never gated.
    """
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    stated = np.bincount(place, weights=weight * score, minlength=bins)
    found = np.bincount(place, weights=weight * positive, minlength=bins)
    return float(np.abs(stated - found).sum() / weight.sum())
