"""A sketch of a distribution: disjoint intervals of keys with counts, mergeable, with error bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.cells import KEY_INF, keys_of, values_of

Array = NDArray[Any]

_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """Counts of values in disjoint intervals of keys, in ascending order.

    An interval whose ends are equal is an atom: one value, known exactly. The empirical
    distribution function is known exactly outside the intervals, and inside them up to their count.

    Attributes
    ----------
    low, high
        First and last key of each interval, shape (k,) of int64.
    count
        Number of values in it, shape (k,) of int64, > 0.
    floats
        Whether keys are those of floats (see `cells.keys_of`), or integers themselves.
    """

    low: Array
    high: Array
    count: Array
    floats: bool = True

    @property
    def n(self) -> int:
        """The number of values."""
        return int(self.count.sum())

    @property
    def atoms(self) -> Array:
        """Mask of the intervals that hold a single distinct value, shape (k,) of bool."""
        single: Array = self.low == self.high
        return single

    @property
    def resolution(self) -> float:
        """The largest share of values in an interval that is not an atom: it bounds the error of the CDF."""
        wide = self.count[~self.atoms]
        return float(wide.max() / self.n) if len(wide) else 0.0

    def to_floats(self) -> Sketch:
        """Return the same distribution on the keys of floats; integers beyond 2**53 are rounded."""
        if self.floats:
            return self
        low, high = keys_of(self.low.astype(np.float64)), keys_of(self.high.astype(np.float64))
        return union([Sketch(low=low, high=high, count=self.count)])

    def ends(self) -> tuple[Array, Array]:
        """Return the least and the greatest value of each interval, two float arrays of shape (k,)."""
        if not self.floats:
            return self.low.astype(np.float64), self.high.astype(np.float64)
        inside = np.clip(self.high, ~np.int64(KEY_INF), np.int64(KEY_INF))
        return values_of(np.clip(self.low, ~np.int64(KEY_INF), None)), values_of(inside)

    def points(self) -> Array:
        """Return one value for each interval, its middle, shape (k,); infinite only for infinite atoms.

        An outermost interval may have been joined up to the end of the float range, where its middle would be
        1e307: of one that spans more than two octaves it is the end that faces the other intervals.
        """
        low, high = self.ends()
        limit = np.finfo(np.float64).max
        middle = np.clip(low, -limit, limit) / 2 + np.clip(high, -limit, limit) / 2
        if len(low) > 1:
            middle[0] = high[0] if high[0] < 0 and low[0] < 4 * high[0] else middle[0]
            middle[-1] = low[-1] if low[-1] > 0 and high[-1] > 4 * low[-1] else middle[-1]
        return np.where(self.atoms, low, middle)

    def finite(self) -> tuple[Array, Array]:
        """Return points and counts without infinities, in ascending order."""
        points = self.points()
        kept = np.isfinite(points)
        return points[kept], self.count[kept]

    def quantile(self, share: float) -> float:
        """Return the value below which about this share of the finite values lies; NaN if there is none."""
        points, count = self.finite()
        if not len(points):
            return float("nan")
        place = int(np.searchsorted(np.cumsum(count), share * count.sum()))
        return float(points[min(place, len(points) - 1)])

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation of the finite values, from the middles of intervals."""
        points, count = self.finite()
        if not len(points):
            return float("nan"), float("nan")
        share = count / count.sum()
        scale = float(np.abs(points).max()) or 1.0  # squares of 1e300 must not overflow
        mean = float((points / scale * share).sum())
        spread = float(np.sqrt((np.square(points / scale - mean) * share).sum()))
        return mean * scale, spread * scale


EMPTY = Sketch(low=np.empty(0, np.int64), high=np.empty(0, np.int64), count=np.empty(0, np.int64))


def from_values(values: Array) -> tuple[Sketch, int]:
    """Return the exact sketch of values (all atoms) and the number of NaN among them."""
    if values.dtype.kind in "iub":
        values = values.astype(np.int64) if values.dtype != np.uint64 else _unsigned(values)
    if values.dtype.kind == "i":
        keys, count = np.unique(values, return_counts=True)
        sketch = Sketch(low=keys, high=keys, count=count.astype(np.int64), floats=False)
        return settle(sketch), 0
    values = values.astype(np.float64, copy=False)
    known = values[~np.isnan(values)]
    keys, count = np.unique(keys_of(known), return_counts=True)
    return Sketch(low=keys, high=keys, count=count.astype(np.int64)), len(values) - len(known)


def settle(sketch: Sketch) -> Sketch:
    """Return a sketch on the keys of floats unless its integers are too large for floats to tell apart."""
    if sketch.floats or not len(sketch.low):
        return sketch.to_floats() if len(sketch.low) else EMPTY
    exact = int(sketch.low[0]) >= -_EXACT and int(sketch.high[-1]) <= _EXACT
    return sketch.to_floats() if exact else sketch


def union(sketches: Sequence[Sketch]) -> Sketch:
    """Merge sketches: counts add up, and intervals that overlap become one.

    Associative and commutative. Exact where all have the same intervals; else each
    interval is as coarse as the coarsest of those that overlap there.
    """
    sketches = [sketch for sketch in sketches if len(sketch.low)]
    if not sketches:
        return EMPTY
    if len({sketch.floats for sketch in sketches}) > 1:
        sketches = [sketch.to_floats() for sketch in sketches]
    low = np.concatenate([sketch.low for sketch in sketches])
    high = np.concatenate([sketch.high for sketch in sketches])
    count = np.concatenate([sketch.count for sketch in sketches])
    order = np.lexsort((high, low))
    low, high, count = low[order], high[order], count[order]
    reach = np.maximum.accumulate(high)
    first = np.flatnonzero(np.r_[True, low[1:] > reach[:-1]])
    last = np.r_[first[1:] - 1, len(low) - 1]
    return Sketch(
        low=low[first], high=reach[last], count=np.add.reduceat(count, first), floats=sketches[0].floats
    )


def merge(one: Sketch, other: Sketch) -> Sketch:
    """Merge two sketches; see `union`."""
    return reduce(lambda left, right: union([left, right]), [one, other])


def common(one: Sketch, other: Sketch) -> tuple[Sketch, Sketch]:
    """Return both on the same kind of keys."""
    return (one, other) if one.floats == other.floats else (one.to_floats(), other.to_floats())


def distances(reference: Sketch, current: Sketch) -> tuple[float, float, float]:
    """Return the two-sample Kolmogorov-Smirnov distance: (D_lo, estimate, D_hi), the ends certified.

    At any key x, F(x) lies between the count of intervals that end by x and of those that start by
    x; both step at the ends of intervals only, so these are all the points to look at. The estimate
    takes the middle of both bounds at each. All three are equal when both sketches are exact.
    """
    reference, current = common(reference, current)
    if not reference.n or not current.n:
        return 0.0, 0.0, 0.0
    at = np.concatenate([reference.low, reference.high, current.low, current.high])
    at.sort(kind="stable")  # runs in order already: fast
    f_low, f_high = _bounds(reference, at)
    g_low, g_high = _bounds(current, at)
    surely = max(float((f_low - g_high).max()), float((g_low - f_high).max()), 0.0)
    possibly = max(float((f_high - g_low).max()), float((g_high - f_low).max()), surely)
    between = float(np.abs((f_low + f_high) / 2 - (g_low + g_high) / 2).max())
    return surely, min(max(between, surely), possibly), possibly


def _bounds(sketch: Sketch, at: Array) -> tuple[Array, Array]:
    total = np.r_[0, np.cumsum(sketch.count)] / sketch.n
    lower = total[np.searchsorted(sketch.high, at, side="right")]
    return lower, total[np.searchsorted(sketch.low, at, side="right")]


def _unsigned(values: Array) -> Array:
    return (
        values.view(np.int64) if not len(values) or int(values.max()) < 2**63 else values.astype(np.float64)
    )
