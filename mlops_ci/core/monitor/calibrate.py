"""Calibration: maps a classifier's score to the probability that the row is positive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["identity", "platt", "isotonic"]

KINDS: Sequence[Kind] = ("identity", "platt", "isotonic")
_EDGE = 1e-4
# Rows of the rarer class from which on monotone steps are no coarser than a curve.
_ENOUGH = 200


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    """A fitted map from score to probability.

    Attributes
    ----------
    kind
        ``identity``; ``platt``: a logistic curve over the score's log odds; ``isotonic``: monotone steps.
    slope, intercept
        Of the logistic curve.
    knots, levels
        Of the monotone map, linear in between, shape (k,).
    """

    kind: Kind
    slope: float = 1.0
    intercept: float = 0.0
    knots: Array = field(default_factory=lambda: np.zeros(0))
    levels: Array = field(default_factory=lambda: np.zeros(0))

    def __call__(self, score: Array) -> Array:
        """Return probabilities, shape (n,), in [0, 1]."""
        if self.kind == "isotonic":
            return np.asarray(np.interp(score, self.knots, self.levels))
        if self.kind == "platt":
            return np.asarray(_sigmoid(self.slope * log_odds(score) + self.intercept))
        return np.asarray(np.clip(score, 0.0, 1.0))


def log_odds(score: Array) -> Array:
    """Return the log odds of scores in [0, 1], clipped away from 0 and 1."""
    inside = np.clip(score, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _sigmoid(value: Array) -> Array:
    from scipy.special import expit  # noqa: PLC0415

    return np.asarray(expit(value))


def fitted(kind: Kind, score: Array, positive: Array, weight: Array | None = None) -> Calibrator:
    """Fit one kind of calibrator.

    Parameters
    ----------
    score
        Shape (n,), in [0, 1] (isotonic takes any range).
    positive
        True labels, 1 or 0, shape (n,).
    weight
        How often each row counts (a bootstrap's draw), shape (n,), or None.

    References
    ----------
    Platt (1999), Advances in Large Margin Classifiers, 61-74 (with its smoothed targets); Zadrozny and
    Elkan (2002), KDD, 694-699.
    """
    if kind == "platt":
        return _platt(score, positive, weight)
    if kind == "isotonic":
        from sklearn.isotonic import isotonic_regression  # noqa: PLC0415

        order = np.argsort(score, kind="stable")
        knots, places = np.unique(score[order], return_inverse=True)
        counts = np.ones(len(score)) if weight is None else weight[order]
        total = np.bincount(places, weights=counts)
        hits = np.bincount(places, weights=counts * positive[order])
        there = total > 0
        levels = isotonic_regression(hits[there] / total[there], sample_weight=total[there])
        return Calibrator(kind="isotonic", knots=knots[there], levels=np.clip(levels, 0.0, 1.0))
    return Calibrator(kind="identity")


def _platt(score: Array, positive: Array, weight: Array | None) -> Calibrator:
    """Fit two parameters by Newton's method; smoothed targets keep them finite."""
    counts = np.ones(len(score)) if weight is None else weight
    hits = float((counts * positive).sum())
    total = float(counts.sum())
    target = np.where(positive > 0, (hits + 1) / (hits + 2), 1 / (total - hits + 2))
    x = log_odds(score)
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        p = _sigmoid(slope * x + intercept)
        error, curve = counts * (p - target), counts * np.maximum(p * (1 - p), 1e-10)
        g1, g2 = float((error * x).sum()), float(error.sum())
        h11 = float((curve * x * x).sum()) + 1e-9
        h22, h12 = float(curve.sum()) + 1e-9, float((curve * x).sum())
        scale = h11 * h22 - h12 * h12
        if scale <= 0:
            break
        step = ((h22 * g1 - h12 * g2) / scale, (h11 * g2 - h12 * g1) / scale)
        size = max(abs(step[0]), abs(step[1]))
        factor = min(1.0, 2.0 / size) if size else 1.0
        slope, intercept = slope - factor * step[0], intercept - factor * step[1]
        if size < 1e-8:
            break
    return Calibrator(kind="platt", slope=slope, intercept=intercept)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The calibrator chosen for a holdout, and its cross-validated calibration error.

    Attributes
    ----------
    kinds
        The kinds that fit about as well as the best, the best first.
    error
        Cross-fitted expected calibration error: mean distance of promised and observed share over ten
        equally full bins, less what chance alone would show.
    rows, positives
        Of the holdout.
    """

    kinds: tuple[Kind, ...]
    error: float
    rows: int
    positives: int


def chosen(score: Array, positive: Array, *, seed: int = 0, folds: int = 5) -> Choice:
    """Choose a calibrator by cross-validation.

    Where rows are enough, a score that is calibrated already is left as it is, and another one gets
    monotone steps: a curve that fits the holdout on the whole can be off just where a shifted window's
    rows are. On fewer rows the least Brier score decides. Kinds whose Brier score is within one standard
    error (paired by row) of the chosen one's are as good: an interval over all of them shows how little
    the holdout tells them apart.
    """
    kinds = KINDS if score.min() >= 0 and score.max() <= 1 else ("isotonic",)
    fold = np.random.default_rng(seed).permutation(len(score)) % folds
    losses, crossed = {}, {}
    for kind in kinds:
        p = np.zeros(len(score))
        for one in range(folds):
            held = fold == one
            p[held] = fitted(kind, score[~held], positive[~held])(score[held])
        crossed[kind] = p
        losses[kind] = np.square(positive - p)
    rare = min(positive.sum(), len(positive) - positive.sum())
    if rare >= _ENOUGH and "identity" in kinds:
        off = {kind: calibration_error(crossed[kind], positive) for kind in ("identity", "isotonic")}
        best: Kind = "isotonic" if off["isotonic"] < off["identity"] else "identity"
    else:
        best = min(kinds, key=lambda kind: float(losses[kind].mean()))

    def close(kind: Kind) -> bool:
        apart = losses[kind] - losses[best]
        return bool(apart.mean() <= apart.std() / np.sqrt(len(apart)))

    kept = (best, *(kind for kind in kinds if kind != best and close(kind)))
    error = calibration_error(crossed[best], positive)
    return Choice(kinds=kept, error=error, rows=len(score), positives=int(positive.sum()))


def calibration_error(probability: Array, positive: Array, bins: int = 10) -> float:
    """Return the expected calibration error over equal-count bins, corrected for chance.

    References
    ----------
    Guo et al. (2017), ICML; the correction is the mean absolute deviation of a binomial share.
    """
    order = np.argsort(probability, kind="stable")
    found = chance = 0.0
    for part in np.array_split(order, bins):
        if len(part):
            p = float(probability[part].mean())
            share = len(part) / len(order)
            found += share * abs(float(positive[part].mean()) - p)
            chance += share * float(np.sqrt(2 / np.pi * max(p * (1 - p), 0.0) / len(part)))
    return max(found - chance, 0.0)
