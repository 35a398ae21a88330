"""Compacts a sketch for storage: small, without rare values, and still mergeable."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.sketch import EMPTY, Sketch, union

Array = NDArray[Any]

INTERVALS = 700


def compact(sketch: Sketch, *, intervals: int = INTERVALS, min_count: int = 1) -> tuple[Sketch, int]:
    """Return a coarser sketch, and how many rare values it leaves out.

    Intervals join while their dyadic parent (the keys that share their leading bits) holds at most
    ``max(n / intervals, min_count)`` values. Parents nest, so what is stored still merges well.
    One that still has fewer than `min_count` values joins a neighbour; between two atoms it is left out.
    """
    n = sketch.n
    if not n:
        return EMPTY, 0
    most = max(n / intervals, min_count)
    low, high = sketch.low.copy(), sketch.high.copy()
    todo = np.ones(len(low), dtype=bool)
    for shift in range(62, 0, -1):
        node, last = low >> np.int64(shift), high >> np.int64(shift)
        first = np.flatnonzero(np.r_[True, node[1:] != node[:-1]])
        within = np.repeat(np.add.reduceat(sketch.count, first), np.diff(np.r_[first, len(node)]))
        fits = todo & (within <= most) & (node == last)
        low[fits] = node[fits] << np.int64(shift)
        high[fits] = low[fits] + np.int64((1 << shift) - 1)
        todo &= ~fits
        if not todo.any():
            break
    joined = union([Sketch(low=low, high=high, count=sketch.count, floats=sketch.floats)])
    return _without_rare(joined, min_count)


def _without_rare(sketch: Sketch, min_count: int) -> tuple[Sketch, int]:
    """Merge intervals of fewer than `min_count` values with a neighbour that is not an atom, or drop them."""
    kept: list[list[int]] = []
    group: list[int] | None = None
    for item in zip(sketch.low.tolist(), sketch.high.tolist(), sketch.count.tolist(), strict=True):
        now = list(item)
        if group is not None and _rare(group, min_count) and (_wide(now) or _rare(now, min_count)):
            group = [group[0], now[1], group[2] + now[2]]
            continue
        if group is not None:
            _keep(kept, group, min_count)
        group = now
    if group is not None:
        _keep(kept, group, min_count)
    final = [item for item in kept if not _rare(item, min_count)]
    dropped = sketch.n - sum(item[2] for item in final)
    if not final:
        return EMPTY, dropped
    columns = np.array(final, dtype=np.int64).T
    return Sketch(low=columns[0], high=columns[1], count=columns[2], floats=sketch.floats), dropped


def _keep(kept: list[list[int]], group: list[int], min_count: int) -> None:
    """Append a group; merge a rare one into the group before it, unless that is an atom."""
    if kept and _rare(group, min_count) and _wide(kept[-1]):
        last = kept.pop()
        group = [last[0], group[1], last[2] + group[2]]
    kept.append(group)


def _rare(item: list[int], min_count: int) -> bool:
    return item[2] < min_count


def _wide(item: list[int]) -> bool:
    return item[0] != item[1]


def encode(values: Array) -> str:
    """Return int64 values as text: differences, bytes of one weight together, zlib, base64."""
    steps = np.diff(values.astype("<i8"), prepend=np.int64(0))
    return base64.b64encode(zlib.compress(steps.view(np.uint8).reshape(-1, 8).T.tobytes(), 9)).decode()


def decode(text: str) -> Array:
    """Return the values of `encode`.

    Raises
    ------
    ValueError
        If the text is not what `encode` makes.
    """
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), 64 * 2**20)
    except zlib.error as problem:
        raise ValueError(f"not compressed as it should be: {problem}") from problem
    if len(raw) % 8:
        raise ValueError("its length is not a multiple of 8 bytes")
    steps = np.frombuffer(raw, dtype=np.uint8).reshape(8, -1).T
    return np.cumsum(np.ascontiguousarray(steps).view("<i8").ravel(), dtype=np.int64)
