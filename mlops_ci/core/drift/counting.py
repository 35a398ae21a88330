"""Counting a column's values into cells: one fast pass, and more only inside cells that are too heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.cells import FULL_SHIFT, KEY_INF, Grid, choose_grid
from mlops_ci.core.drift.sketch import EMPTY, Sketch, from_values, settle, union

Array = NDArray[Any]
Chunks = Callable[[], Iterable[Array]]

SMALL = 65_536
HEAVIEST = 0.0025
_SUB_BITS = 16
_MOST_PASSES = 6
_LOOK = 16_384
_NEGATIVE_ZERO = 1 << (63 - FULL_SHIFT)


class OutsideGridError(Exception):
    """A value lies outside the bounds that the grid was made for (a NaN, or wrong statistics)."""


class CellCounter:
    """Counts float64 or int64 values in the cells of a grid; the order of values does not matter."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.missing = 0
        self.total = 0
        self._counts = np.zeros(grid.length, dtype=np.int64)
        self._bits = 0
        self._infinite = {1: 0, -1: 0}

    def add(self, values: Array) -> None:
        """Count values, shape (n,); NaN are counted as missing.

        Raises
        ------
        OutsideGridError
            If one is outside the grid.
        """
        if not len(values):
            return
        index = self.grid.index(values)
        if index is None and self.grid.floats:
            known = values[~np.isnan(values)]
            self.missing += len(values) - len(known)
            values, index = known, self.grid.index(known)
        if index is None:
            raise OutsideGridError
        if len(values) < SMALL:
            found, times = np.unique(index, return_counts=True)
            self._counts[found] += times
        else:
            counted = np.bincount(index)
            self._counts[: len(counted)] += counted
        self._bits |= int(np.bitwise_or.reduce(values.view(np.int64))) if len(values) else 0
        self.total += len(values)
        if self.grid.base is None:
            self._count_infinities(values)

    @property
    def has_negative_zero(self) -> bool:
        """Whether there may be values -0.0, which equal 0.0 but lie in another cell."""
        return self.grid.base is None and bool(self._counts[_NEGATIVE_ZERO])

    def sketch(self) -> Sketch:
        """Return what was counted."""
        counts = self._counts
        atoms: list[Sketch] = []
        if self.grid.base is None:
            counts = counts.copy()
            first_special = KEY_INF >> FULL_SHIFT
            half = self.grid.length // 2
            special = int(counts[first_special:half].sum() + counts[half + first_special :].sum())
            counts[first_special:half] = 0
            counts[half + first_special :] = 0
            self.missing += special - sum(self._infinite.values())
            atoms = [_atom(KEY_INF, self._infinite[1]), _atom(~KEY_INF, self._infinite[-1])]
        index = np.flatnonzero(counts)
        low, high = self.grid.cells(index)
        if self._all_on_edges():
            # Nothing below the cells' top bits: each cell holds one value, its end nearest to zero.
            low = high = np.where(low < 0, high, low) if self.grid.floats else low
        order = np.argsort(low)
        cells = Sketch(low=low[order], high=high[order], count=counts[index][order], floats=self.grid.floats)
        return union([cells, *atoms])

    def _all_on_edges(self) -> bool:
        return self._bits & ((1 << self.grid.shift) - 1) == 0

    def _count_infinities(self, values: Array) -> None:
        first = KEY_INF >> FULL_SHIFT
        half = self.grid.length // 2
        if self._counts[first] > self._infinite[1]:
            self._infinite[1] += int(np.count_nonzero(values == np.inf))
        if self._counts[half + first] > self._infinite[-1]:
            self._infinite[-1] += int(np.count_nonzero(values == -np.inf))


def sketch_column(
    chunks: Chunks,
    *,
    rows: int,
    low: float | int | None = None,
    high: float | int | None = None,
    floats: bool = True,
    heaviest: float = HEAVIEST,
) -> tuple[Sketch, int]:
    """Return the sketch of a column and its number of NaN.

    Up to 65,536 rows the sketch is exact. Beyond, no interval but atoms holds more than about
    `heaviest` of the values; the result does not depend on the order of rows or chunks.

    Parameters
    ----------
    chunks
        Called for each pass; gives the column's values in arrays of float64 (or int64).
    rows
        Number of rows of the table, missing values included.
    low, high
        Least and greatest value where known beforehand: it saves passes. NaN do not count.
    floats
        Whether the arrays are of float64; else int64.
    heaviest
        Largest share of values in an interval that holds more than one distinct value.
    """
    if rows <= SMALL:
        held = list(chunks())
        return from_values(np.concatenate(held) if held else np.empty(0, dtype=np.float64))
    grid = choose_grid(low, high, floats=floats)
    try:
        counter = _count(chunks, grid)
    except OutsideGridError:  # the bounds were wrong; the full grid takes anything
        grid = choose_grid(None, None, floats=floats)
        counter = _count(chunks, grid)
    if counter.has_negative_zero:
        plus_zero = chunks
        chunks = lambda: (values + 0.0 for values in plus_zero())  # noqa: E731
        counter = _count(chunks, grid)
    sketch = refine(counter.sketch(), chunks, grid, heaviest)
    return settle(sketch), counter.missing


def refine(sketch: Sketch, chunks: Chunks, grid: Grid, heaviest: float) -> Sketch:
    """Split the intervals that hold more than `heaviest` of the values, unless they are atoms.

    Each pass looks into the heavy cells only: one that holds a single distinct value becomes an
    atom, another is split by its next bits, until none is too heavy or no bits are left.
    """
    most = heaviest * sketch.n
    levels: list[_Level] = []
    shift, nodes = grid.shift, _heavy(sketch, most)
    while len(nodes) and shift and len(levels) < _MOST_PASSES:
        if levels:
            places = _composite(nodes, levels[-1])
            size = len(levels[-1].low) << levels[-1].bits
        else:
            number = nodes >> np.int64(shift)
            half = grid.length // 2
            places = (
                np.where(number >= 0, number, half - 1 - number) if grid.base is None else number - grid.base
            )
            size = grid.length
        bits = min(shift, max(_SUB_BITS - int(len(nodes) - 1).bit_length(), 6))
        levels.append(_Level.of(places, nodes, size, shift, bits))
        parts, nodes = _split(chunks, grid, levels, most)
        outside = ~np.isin(sketch.low, levels[-1].low) | sketch.atoms
        kept = Sketch(
            low=sketch.low[outside],
            high=sketch.high[outside],
            count=sketch.count[outside],
            floats=sketch.floats,
        )
        sketch = union([kept, parts])
        shift -= bits
    return sketch


@dataclass(frozen=True, kw_only=True)
class _Level:
    """The cells that one pass looks into: a table from places to ranks, and how they are split."""

    table: Array
    low: Array
    shift: int
    bits: int

    @classmethod
    def of(cls, places: Array, low: Array, size: int, shift: int, bits: int) -> _Level:
        table = np.full(size, -1, dtype=np.int32)
        table[places] = np.arange(len(places), dtype=np.int32)
        return cls(table=table, low=low, shift=shift, bits=bits)

    def split(self, rank: Array, keys: Array) -> Array:
        """Return the place of each key among the parts of its cell, shape (n,)."""
        part = (keys >> np.int64(self.shift - self.bits)) & np.int64((1 << self.bits) - 1)
        return (rank.astype(np.int64) << np.int64(self.bits)) | part


def _composite(low: Array, level: _Level) -> Array:
    rank = np.searchsorted(level.low, low, side="right") - 1
    return level.split(rank, low)


def _heavy(sketch: Sketch, most: float) -> Array:
    return sketch.low[(sketch.count > most) & ~sketch.atoms]


def _split(chunks: Chunks, grid: Grid, levels: list[_Level], most: float) -> tuple[Sketch, Array]:
    """Count inside the cells of the last level; return the parts, and the low keys of heavy ones."""
    last = levels[-1]
    width = len(last.low)
    counts = np.zeros(width << last.bits, dtype=np.int64)
    one = np.zeros(width, dtype=np.int64)
    seen = np.zeros(width, dtype=bool)
    mixed = np.zeros(width, dtype=bool)
    for values in chunks():
        rank, keys = _inside(values, grid, levels)
        for start, stop in ((0, _LOOK), (_LOOK, len(rank))):  # most cells show what they are at once
            if not mixed.all():
                _look(rank[start:stop], keys[start:stop], one, seen, mixed)
        counted = np.bincount(last.split(rank, keys))
        counts[: len(counted)] += counted
    place = np.flatnonzero(counts)
    rank = place >> last.bits
    low = last.low[rank] + ((place & ((1 << last.bits) - 1)) << np.int64(last.shift - last.bits))
    high = low + np.int64((1 << (last.shift - last.bits)) - 1)
    pure = ~mixed[rank]
    low, high = np.where(pure, one[rank], low), np.where(pure, one[rank], high)
    parts = Sketch(low=low, high=high, count=counts[place], floats=grid.floats)
    return parts, _heavy(parts, most)


def _look(rank: Array, keys: Array, one: Array, seen: Array, mixed: Array) -> None:
    """Note in `mixed` which cells hold a second distinct key; `one` is the first that was `seen`."""
    if not seen.all():
        fresh = ~seen[rank]
        one[rank[fresh]] = keys[fresh]
        seen[rank[fresh]] = True
    mixed[rank[keys != one[rank]]] = True


def _inside(values: Array, grid: Grid, levels: list[_Level]) -> tuple[Array, Array]:
    """Return rank and key of the values that lie in the cells of the last level."""
    index = grid.index(values)
    if index is None:
        values = values[~np.isnan(values)]
        index = grid.index(values)
    rank = levels[0].table[index]
    kept = rank >= 0
    rank, keys = rank[kept], grid.subkeys(values[kept])
    for before, level in pairwise(levels):
        rank = level.table[before.split(rank, keys)]
        kept = rank >= 0
        rank, keys = rank[kept], keys[kept]
    return rank, keys


def _count(chunks: Chunks, grid: Grid) -> CellCounter:
    counter = CellCounter(grid)
    for values in chunks():
        counter.add(values)
    return counter


def _atom(key: int, count: int) -> Sketch:
    if not count:
        return EMPTY
    at = np.array([key], dtype=np.int64)
    return Sketch(low=at, high=at, count=np.array([count], dtype=np.int64))
