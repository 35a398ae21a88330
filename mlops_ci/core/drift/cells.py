"""Order-preserving cells: a float64's own bits as a histogram that needs no range.

Read as an integer, with the magnitude bits of negative numbers flipped, a float64 keeps its order
(IEEE 754-2019, 5.10). So the top bits of that *key* are histogram cells that take outliers, heavy tails
and infinities as they come, and cells of one width nest: counts from different parts add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
KEY_INF = 0x7FF0000000000000
SIGN_BIT = np.int64(-0x8000000000000000)
FULL_SHIFT = 44
_HALF = 1 << (63 - FULL_SHIFT)
_NARROW_BITS = 16


def keys_of(values: Array) -> Array:
    """Return the order-preserving int64 keys of float64 values, shape (n,); -0.0 is 0.0."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    keys = bits ^ ((bits >> 63) & MAGNITUDE)
    keys[bits == SIGN_BIT] = 0
    return keys


def values_of(keys: Array) -> Array:
    """Return the float64 values of keys, shape (n,): the inverse of `keys_of`."""
    keys = np.asarray(keys, dtype=np.int64)
    bits: Array = keys ^ ((keys >> 63) & MAGNITUDE)
    return bits.view(np.float64)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Equal cells of keys: cell i holds the keys of ``(base + i) << shift`` and 2**shift - 1 above it.

    Attributes
    ----------
    floats
        True if keys are those of floats; False if the integers themselves are the keys.
    base, length
        First cell and number of cells; None for the full grid of floats, which takes any value.
    """

    shift: int = FULL_SHIFT
    base: int | None = None
    length: int = 2 * _HALF
    floats: bool = True

    def index(self, values: Array) -> Array | None:
        """Return the cell of each value, shape (n,) of int64; None if one is outside (NaN, or a wrong bound).

        On the full grid negative values come after the others and in reverse; see `cells`.
        """
        if self.base is None:
            bits = np.right_shift(values.view(np.uint64), np.uint64(self.shift))
            return bits.view(np.int64)
        found = values.view(np.int64) >> np.int64(self.shift)
        found -= np.int64(self.base)
        if len(found) and (int(found.min()) < 0 or int(found.max()) >= self.length):
            return None
        return found

    def cells(self, index: Array) -> tuple[Array, Array]:
        """Return the lowest and highest key of cells by their index, two arrays of shape (k,)."""
        index = np.asarray(index, dtype=np.int64)
        number = np.where(index < _HALF, index, _HALF - 1 - index) if self.base is None else index + self.base
        low = number << np.int64(self.shift)
        return low, low + np.int64((1 << self.shift) - 1)

    def places(self, low: Array) -> Array:
        """Return the index of cells by their lowest keys, shape (k,): the inverse of `cells`."""
        number: Array = low >> np.int64(self.shift)
        if self.base is not None:
            return number - self.base
        return np.where(number >= 0, number, _HALF - 1 - number)

    def subkeys(self, values: Array) -> Array:
        """Return the keys of values, shape (n,)."""
        if self.floats and self.base is None:
            return keys_of(values)
        return values.view(np.int64)


def choose_grid(low: float | int | None, high: float | int | None, *, floats: bool) -> Grid:
    """Return the grid for a column whose least and greatest values are `low` and `high` (None: unknown).

    Where all keys lie close together (an offset, dates, small integers) the cells are narrow enough
    to tell them apart; else they are the full grid's.
    """
    if low is None or high is None or not low <= high:
        return Grid() if floats else Grid(shift=FULL_SHIFT, base=-_HALF, floats=False)
    if floats:
        if not low > 0 or np.isinf(high):
            return Grid()
        first, last = (int(key) for key in keys_of(np.array([low, high], dtype=np.float64)))
    else:
        first, last = int(low), int(high)
    shift = max((last - first).bit_length() - _NARROW_BITS, 0)
    if shift >= FULL_SHIFT:
        return (
            Grid()
            if floats
            else Grid(shift=shift, base=first >> shift, length=_cells(first, last, shift), floats=False)
        )
    return Grid(shift=shift, base=first >> shift, length=_cells(first, last, shift), floats=floats)


def _cells(first: int, last: int, shift: int) -> int:
    return (last >> shift) - (first >> shift) + 1
