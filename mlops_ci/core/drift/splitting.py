"""Splits cells that are too heavy: nested levels of cells, each divided by its next bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.cells import Grid
from mlops_ci.core.drift.counting import State
from mlops_ci.core.drift.sketch import Sketch

Array = NDArray[Any]

_LOOK = 16_384


@dataclass(frozen=True, kw_only=True)
class Level:
    """The cells that one pass splits, and how.

    Attributes
    ----------
    places, low
        Place among `size` and lowest key of each, in ascending order of keys.
    shift, bits
        Bits below a cell, and how many of them the split uses.
    """

    places: Array
    low: Array
    size: int
    shift: int
    bits: int

    @property
    def table(self) -> Array:
        """The rank of the cell at each place, shape (size,); -1 where none is looked into."""
        table = np.full(self.size, -1, dtype=np.int32)
        table[self.places] = np.arange(len(self.places), dtype=np.int32)
        return table

    def split(self, rank: Array, keys: Array) -> Array:
        """Return the place of each key among the parts of its cell, shape (n,)."""
        part = (keys >> np.int64(self.shift - self.bits)) & np.int64((1 << self.bits) - 1)
        return (rank.astype(np.int64) << np.int64(self.bits)) | part


class SplitCounter:
    """Counts inside the cells of the innermost level, and detects cells with a single distinct key."""

    def __init__(self, grid: Grid, levels: Sequence[Level], *, plus_zero: bool = False) -> None:
        self.grid = grid
        self._levels = tuple(levels)
        self._plus_zero = plus_zero
        self._tables = [level.table for level in levels]
        width = len(levels[-1].low)
        self._counts = np.zeros(width << levels[-1].bits, dtype=np.int64)
        self._one = np.zeros(width, dtype=np.int64)
        self._seen = np.zeros(width, dtype=bool)
        self._mixed = np.zeros(width, dtype=bool)

    def fresh(self) -> SplitCounter:
        """Return an empty one for the same cells."""
        return SplitCounter(self.grid, self._levels, plus_zero=self._plus_zero)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(SplitCounter, self.grid, self._levels, plus_zero=self._plus_zero), ()

    def add(self, values: Array) -> None:
        """Count values that lie in the cells."""
        rank, keys = self._inside(values + 0.0 if self._plus_zero else values)
        if not len(rank):
            return
        for start, stop in ((0, _LOOK), (_LOOK, len(rank))):  # most cells show what they are at once
            if not self._mixed.all():
                self._look(rank[start:stop], keys[start:stop])
        counted = np.bincount(self._levels[-1].split(rank, keys))
        self._counts[: len(counted)] += counted

    def state(self) -> State:
        """Return the parts that are not empty, and what is known of each cell."""
        index = np.flatnonzero(self._counts)
        known = {"one": self._one, "seen": self._seen, "mixed": self._mixed}
        return {"index": index, "count": self._counts[index], **known}

    def absorb(self, state: State) -> None:
        """Add the counts of another part."""
        self._counts[state["index"]] += state["count"]
        both = self._seen & state["seen"]
        self._mixed |= state["mixed"] | (both & (self._one != state["one"]))
        self._one = np.where(self._seen, self._one, state["one"])
        self._seen |= state["seen"]

    def result(self) -> Sketch:
        """Return the parts of the cells."""
        last = self._levels[-1]
        place = np.flatnonzero(self._counts)
        rank = place >> last.bits
        low = last.low[rank] + ((place & ((1 << last.bits) - 1)) << np.int64(last.shift - last.bits))
        high = low + np.int64((1 << (last.shift - last.bits)) - 1)
        pure = ~self._mixed[rank]
        low, high = np.where(pure, self._one[rank], low), np.where(pure, self._one[rank], high)
        return Sketch(low=low, high=high, count=self._counts[place], floats=self.grid.floats)

    def _look(self, rank: Array, keys: Array) -> None:
        if not self._seen.all():
            fresh = ~self._seen[rank]
            self._one[rank[fresh]] = keys[fresh]
            self._seen[rank[fresh]] = True
        self._mixed[rank[keys != self._one[rank]]] = True

    def _inside(self, values: Array) -> tuple[Array, Array]:
        """Return rank and key of the values that lie in the cells of the last level."""
        index = self.grid.index(values)
        if index is None:
            values = values[~np.isnan(values)]
            index = self.grid.index(values)
        rank = self._tables[0][index]
        kept = rank >= 0
        rank, keys = rank[kept], self.grid.subkeys(values[kept])
        for before, table in zip(self._levels[:-1], self._tables[1:], strict=True):
            rank = table[before.split(rank, keys)]
            kept = rank >= 0
            rank, keys = rank[kept], keys[kept]
        return rank, keys
