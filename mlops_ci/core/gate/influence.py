"""Influence functions of metrics of labels and of regressions.

Each function returns the metric's value and its influence function at every row, shape (n,): what
the value would gain, times n, from one more row like this. Means are weighted by `weight`, shape (n,),
which sums to n. The source of all of them is the delta method for functions of means; see Hampel
(1974), The influence curve and its role in robust estimation, JASA 69, 383-393.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.gate.estimate import UndefinedError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


def mean(values: Floats, weight: Floats) -> float:
    """Return the weighted mean; weights sum to n."""
    return float((values * weight).sum() / weight.sum())


def ratio(numerator: Floats, denominator: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the ratio of two means, and 0 if the denominator is 0 (as scikit-learn does)."""
    below = mean(denominator, weight)
    if below == 0:
        return 0.0, np.zeros_like(denominator)
    value = mean(numerator, weight) / below
    return value, (numerator - value * denominator) / below


def class_scores(
    metric: str, target: Ints, predicted: Ints, weight: Floats, label: int
) -> tuple[float, Floats]:
    """Return precision, recall or F1 of one class against the rest."""
    true, said = (target == label).astype(np.float64), (predicted == label).astype(np.float64)
    both = true * said
    if metric == "precision":
        return ratio(both, said, weight)
    if metric == "recall":
        return ratio(both, true, weight)
    return ratio(2 * both, true + said, weight)


def averaged(
    metric: str, target: Ints, predicted: Ints, weight: Floats, labels: Ints, *, average: str
) -> tuple[float, Floats]:
    """Return the mean of a per-class metric over classes, unweighted (macro) or by support (weighted)."""
    total, influence = 0.0, np.zeros(len(target))
    for label in labels:
        value, part = class_scores(metric, target, predicted, weight, int(label))
        if average == "macro":
            total, influence = total + value / len(labels), influence + part / len(labels)
        else:
            true = (target == label).astype(np.float64)
            share = mean(true, weight)
            total += share * value
            influence = influence + share * part + (true - share) * value
    return total, influence


def balanced_accuracy(target: Ints, predicted: Ints, weight: Floats) -> tuple[float, Floats]:
    """Return the mean recall of the classes that occur."""
    labels = np.unique(target)
    if len(labels) < 2:
        raise UndefinedError("there is only one class")
    return averaged("recall", target, predicted, weight, labels, average="macro")


def matthews_corrcoef(target: Ints, predicted: Ints, weight: Floats) -> tuple[float, Floats]:
    """Return Matthews' correlation of labels, for two or more classes; 0 where a side is constant.

    References
    ----------
    Gorodkin (2004), Comparing two K-category assignments by a K-category correlation coefficient,
    Computational Biology and Chemistry 28, 367-374.
    """
    labels = np.unique(np.concatenate([target, predicted]))
    product, true_spread, said_spread = (np.zeros(len(target)) for _ in range(3))
    for label in labels:
        true, said = (target == label).astype(np.float64), (predicted == label).astype(np.float64)
        true, said = true - mean(true, weight), said - mean(said, weight)
        product += true * said
        true_spread += true * true
        said_spread += said * said
    covariance, true_variance, said_variance = (
        mean(part, weight) for part in (product, true_spread, said_spread)
    )
    if true_variance <= 0:
        raise UndefinedError("there is only one class")
    if said_variance <= 0:
        return 0.0, np.zeros(len(target))
    scale = float(np.sqrt(true_variance * said_variance))
    value = covariance / scale
    return value, product / scale - value / 2 * (true_spread / true_variance + said_spread / said_variance)


def root_mean_squared_error(target: Floats, predicted: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the square root of the mean squared error."""
    squares = (predicted - target) ** 2
    value = float(np.sqrt(mean(squares, weight)))
    if value == 0:
        return 0.0, np.zeros_like(squares)
    return value, (squares - value**2) / (2 * value)


def r2(target: Floats, predicted: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the coefficient of determination."""
    spread = (target - mean(target, weight)) ** 2
    variance = mean(spread, weight)
    if variance == 0:
        raise UndefinedError("all true values are the same")
    squares = (predicted - target) ** 2
    error = mean(squares, weight)
    return 1 - error / variance, -(squares - error) / variance + error / variance**2 * (spread - variance)


def quantile(values: Floats, weight: Floats, level: float) -> tuple[float, Floats, float]:
    """Return a quantile (the smallest value that reaches the level), its linearisation, and its sparsity.

    The sparsity is the quantile's derivative by the level, one over the density there.

    The density is a difference quotient with Hall and Sheather's (1988, JRSS B 50, 381-391) order of
    bandwidth, n^(-1/3).
    """
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    reached = np.cumsum(weight[order]) / weight.sum()

    def at(share: float) -> float:
        return float(ranked[min(int(np.searchsorted(reached, share - 1e-12)), len(ranked) - 1)])

    step = min(0.5 * len(values) ** (-1 / 3), level / 2, (1 - level) / 2)
    value, sparsity = at(level), (at(level + step) - at(level - step)) / (2 * step)
    return value, sparsity * (level - (values <= value)), sparsity
