"""Label metrics of many resampled contingency tables at once, for the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Batched = Callable[[Ints, Ints, Floats], Floats]


def batched_labels(metric: str, average: str, classes: int) -> Batched:
    """Return the metric as a function of tables.

    It takes the true and the predicted class of each cell, shape (m,), and the counts of the cells in
    every resample, shape (B, m), and returns the values, shape (B,); NaN where it is not defined.
    """

    def value(target: Ints, predicted: Ints, drawn: Floats) -> Floats:
        hits = _sums(drawn * (target == predicted), target, classes)
        true, said = _sums(drawn, target, classes), _sums(drawn, predicted, classes)
        with np.errstate(invalid="ignore", divide="ignore"):
            if metric == "matthews_corrcoef":
                return _matthews(hits, true, said)
            if metric == "balanced_accuracy":
                return np.asarray(np.nanmean(np.where(true > 0, hits / true, np.nan), axis=1))
            scores = _by_class(metric, hits, true, said)
            if average == "binary":
                return np.asarray(scores[:, 1])
            if average == "macro":
                occurs = (true + said) > 0
                return np.asarray((scores * occurs).sum(axis=1) / occurs.sum(axis=1))
            return np.asarray((scores * true).sum(axis=1) / true.sum(axis=1))

    return value


def _sums(drawn: Floats, by: Ints, classes: int) -> Floats:
    """Add up cells by class, shape (B, classes)."""
    hot = (by[:, None] == np.arange(classes)[None, :]).astype(np.float64)
    return np.asarray(drawn @ hot)


def _by_class(metric: str, hits: Floats, true: Floats, said: Floats) -> Floats:
    below = {"precision": said, "recall": true, "f1": (true + said) / 2}[metric]
    return np.asarray(np.divide(hits, below, out=np.zeros_like(hits), where=below > 0))


def _matthews(hits: Floats, true: Floats, said: Floats) -> Floats:
    """Return Gorodkin's correlation; 0 where a side is constant."""
    total = true.sum(axis=1)
    covariance = hits.sum(axis=1) * total - (true * said).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (said**2).sum(axis=1))
    return np.asarray(np.divide(covariance, np.sqrt(spread), out=np.zeros_like(total), where=spread > 0))
