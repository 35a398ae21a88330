"""Effect sizes and histograms of numeric sketches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift import effects
from mlops_ci.core.drift.result import Histogram
from mlops_ci.core.drift.sketch import Sketch, common, distances

Array = NDArray[Any]

_BINS = {"psi": 10, "jensen_shannon": 20, "total_variation": 20}
HISTOGRAM_BINS = 12


def number_effect(name: str, reference: Sketch, current: Sketch) -> tuple[float, tuple[float, float]]:
    """Return an effect size of numbers by its name, and certified bounds (equal ends: none are kept).

    Binned effects use bins of equal mass: ten of the reference for `psi`, as is usual; twenty of
    both sides together else.
    """
    reference, current = common(reference, current)
    if name == "ks":
        low, size, high = distances(reference, current)
        return size, (low, high)
    if name == "mean_shift":
        (mean, deviation), (other, _) = reference.moments(), current.moments()
        value = effects.mean_shift(mean, other, deviation)
    elif name == "wasserstein":
        points, p, q = _aligned(reference, current)
        value = effects.wasserstein(points, p, q, reference.moments()[1])
    else:
        basis = [reference] if name == "psi" else [reference, current]
        p, q = _binned(reference, current, _edges(basis, _BINS[name]))
        value = getattr(effects, name)(p, q)
    value = float(value)
    return value, (value, value)


def histogram(reference: Sketch, current: Sketch, *, scale: float = 1.0) -> Histogram:
    """Return the shares of both sides in 12 equal bins from the 1st to the 99th percentile of both.

    What lies beyond counts in the outermost bins; `scale` multiplies the edges.
    """
    sides = [side for side in (reference, current) if len(side.finite()[0])]
    if not sides:
        return Histogram()
    low = min(side.quantile(0.01) for side in sides)
    high = max(side.quantile(0.99) for side in sides)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    if not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        return Histogram()
    p, q = _binned(reference, current, edges[1:-1])
    return Histogram(edges=[float(edge) * scale for edge in edges], reference=p.tolist(), current=q.tolist())


def _edges(basis: list[Sketch], bins: int) -> Array:
    points = np.concatenate([side.points() for side in basis])
    shares = np.concatenate([side.count / max(side.n, 1) for side in basis])
    order = np.argsort(points, kind="stable")
    total = np.cumsum(shares[order])
    places = np.searchsorted(total, total[-1] * np.arange(1, bins) / bins)
    return np.unique(points[order][np.minimum(places, len(points) - 1)])


def _binned(reference: Sketch, current: Sketch, inner: Array) -> tuple[Array, Array]:
    """Return the share of each side in the bins between inner edges, two arrays of shape (k + 1,)."""
    made = []
    for side in (reference, current):
        place = np.searchsorted(inner, side.points(), side="left")
        counted = np.bincount(place, weights=side.count, minlength=len(inner) + 1)
        made.append(counted / max(side.n, 1))
    return made[0], made[1]


def _aligned(reference: Sketch, current: Sketch) -> tuple[Array, Array, Array]:
    """Return all finite points of both sides, ascending, and the share of each side at each."""
    (a, p), (b, q) = reference.finite(), current.finite()
    points = np.union1d(a, b)
    shares = np.zeros((2, len(points)))
    for row, at, count in ((0, a, p), (1, b, q)):
        np.add.at(shares[row], np.searchsorted(points, at), count / max(count.sum(), 1))
    return points, shares[0], shares[1]
