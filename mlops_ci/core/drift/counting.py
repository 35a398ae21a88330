"""Counters: one pass over a column's values, in any order and in any number of mergeable parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.cells import FULL_SHIFT, KEY_INF, Grid
from mlops_ci.core.drift.sketch import EMPTY, Sketch, union

Array = NDArray[Any]
State = Mapping[str, Array]

_MANY = 65_536
_FIRST_INFINITE = KEY_INF >> FULL_SHIFT


class OutsideGridError(Exception):
    """A value lies outside the bounds of the grid, which were wrong."""


class Counter(Protocol):
    """A counter of one pass: values are added, parts are merged, and its state is plain arrays."""

    def fresh(self) -> Counter:
        """Return an empty counter of the same pass, for another part."""

    def add(self, values: Array) -> None:
        """Count values, shape (n,), float64 or int64."""

    def state(self) -> State:
        """Return what was counted as arrays, for another process."""

    def absorb(self, state: State) -> None:
        """Add what another counter of the same pass counted."""


class Holder:
    """Keeps all values; for tables of few rows."""

    def __init__(self) -> None:
        self._parts: list[Array] = []

    def fresh(self) -> Holder:
        """Return an empty one."""
        return Holder()

    def add(self, values: Array) -> None:
        """Keep values."""
        self._parts.append(values)

    def state(self) -> State:
        """Return the values."""
        return {"values": self.values()}

    def absorb(self, state: State) -> None:
        """Add the values of another part."""
        if len(state["values"]):
            self._parts.append(state["values"])

    def values(self) -> Array:
        """Return all values."""
        parts = [part for part in self._parts if len(part)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)


class CellCounter:
    """Counts values in the cells of a grid; NaN count as missing."""

    def __init__(self, grid: Grid, *, plus_zero: bool = False) -> None:
        self.grid = grid
        self.missing = 0
        self._plus_zero = plus_zero
        self._counts = np.zeros(0, dtype=np.int64)  # grows to what is needed
        self._bits = 0
        self._infinite = np.zeros(2, dtype=np.int64)

    def fresh(self) -> CellCounter:
        """Return an empty one for the same grid."""
        return CellCounter(self.grid, plus_zero=self._plus_zero)

    def __reduce__(self) -> tuple[Any, ...]:
        # An engine that ships this to its workers ships what makes an empty one, not 8 MB of zeros.
        return partial(CellCounter, self.grid, plus_zero=self._plus_zero), ()

    def add(self, values: Array) -> None:
        """Count values.

        Raises
        ------
        OutsideGridError
            If one is outside the grid.
        """
        if self._plus_zero:
            values = values + 0.0
        index = self.grid.index(values)
        if index is None and self.grid.floats:
            known = values[~np.isnan(values)]
            self.missing += len(values) - len(known)
            values, index = known, self.grid.index(known)
        if index is None:
            raise OutsideGridError
        if not len(values):
            return
        if len(values) < _MANY:
            self._add_at(*np.unique(index, return_counts=True))
        else:
            self._add_all(np.bincount(index))
        self._bits |= int(np.bitwise_or.reduce(values.view(np.int64)))
        if self.grid.base is None:
            self._count_infinities(values)

    def state(self) -> State:
        """Return the cells that are not empty, and the rest."""
        index = np.flatnonzero(self._counts)
        rest = [self.missing, self._bits, *self._infinite.tolist()]
        return {"index": index, "count": self._counts[index], "rest": np.array(rest, dtype=np.int64)}

    def absorb(self, state: State) -> None:
        """Add the counts of another part."""
        self._add_at(state["index"], state["count"])
        missing, bits, plus, minus = (int(value) for value in state["rest"])
        self.missing += missing
        self._bits |= bits
        self._infinite += np.array([plus, minus])

    @property
    def has_negative_zero(self) -> bool:
        """Whether there may be values -0.0, which equal 0.0 but lie in another cell."""
        return self.grid.base is None and self._at(self.grid.length // 2) > 0

    def result(self) -> tuple[Sketch, int]:
        """Return what was counted, and the number of NaN."""
        missing, atoms = self.missing, []
        index = np.flatnonzero(self._counts)
        count = self._counts[index]
        if self.grid.base is None:  # the last cells of each half hold infinities and NaN
            half = self.grid.length // 2
            special = index % half >= _FIRST_INFINITE
            missing += int(count[special].sum()) - int(self._infinite.sum())
            index, count = index[~special], count[~special]
            atoms = [_atom(KEY_INF, int(self._infinite[0])), _atom(~KEY_INF, int(self._infinite[1]))]
        low, high = self.grid.cells(index)
        if self._bits & ((1 << self.grid.shift) - 1) == 0:
            # No value has anything below the cells' bits: each cell holds one, its end nearest to zero.
            low = high = np.where(low < 0, high, low) if self.grid.floats else low
        order = np.argsort(low)
        cells = Sketch(low=low[order], high=high[order], count=count[order], floats=self.grid.floats)
        return union([cells, *atoms]), missing

    def _at(self, place: int) -> int:
        return int(self._counts[place]) if place < len(self._counts) else 0

    def _add_at(self, index: Array, count: Array) -> None:
        if len(index) and int(index.max()) >= len(self._counts):
            self._counts = np.concatenate(
                [self._counts, np.zeros(self.grid.length - len(self._counts), np.int64)]
            )
        self._counts[index] += count

    def _add_all(self, counted: Array) -> None:
        """Add counts of the first cells, into the longer of both arrays."""
        longer, shorter = (
            (counted, self._counts) if len(counted) > len(self._counts) else (self._counts, counted)
        )
        longer[: len(shorter)] += shorter
        self._counts = longer

    def _count_infinities(self, values: Array) -> None:
        half = self.grid.length // 2
        if self._at(_FIRST_INFINITE) > self._infinite[0]:
            self._infinite[0] += int(np.count_nonzero(values == np.inf))
        if self._at(half + _FIRST_INFINITE) > self._infinite[1]:
            self._infinite[1] += int(np.count_nonzero(values == -np.inf))


def _atom(key: int, count: int) -> Sketch:
    if not count:
        return EMPTY
    at = np.array([key], dtype=np.int64)
    return Sketch(low=at, high=at, count=np.array([count], dtype=np.int64))
