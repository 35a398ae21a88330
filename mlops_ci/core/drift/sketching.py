"""Builds the sketch of a column: one fast pass, and further passes only inside cells that are too heavy.

The passes are steps of a generator: it yields a counter to be filled and takes it back full. So the
same steps run on one machine (`sketch_column`) and on a cluster, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.cells import Grid, choose_grid
from mlops_ci.core.drift.counting import CellCounter, Counter, Holder, OutsideGridError
from mlops_ci.core.drift.sketch import Sketch, from_values, settle, union
from mlops_ci.core.drift.splitting import Level, SplitCounter

Array = NDArray[Any]
Chunks = Callable[[], Iterable[Array]]
Steps = Generator[Counter, None, tuple[Sketch, int]]

SMALL = 65_536
HEAVIEST = 0.0025
_SUB_BITS = 16
_MOST_PASSES = 6


def sketch_steps(
    *,
    rows: int,
    low: float | int | None = None,
    high: float | int | None = None,
    floats: bool = True,
    heaviest: float = HEAVIEST,
) -> Steps:
    """Yield the passes that build the sketch of a column; return the sketch and the number of NaN.

    Up to 65,536 rows the sketch is exact. Beyond, no interval but atoms holds more than about
    `heaviest` of the values. The result does not depend on the order of rows or parts.

    Parameters
    ----------
    rows
        Number of rows of the table, missing values included.
    low, high
        Least and greatest value where known beforehand: it saves passes. NaN do not count.
    floats
        Whether the values are float64; else int64.
    heaviest
        Largest share of values in an interval that holds more than one distinct value.
    """
    if rows <= SMALL:
        holder = Holder()
        yield holder
        return from_values(holder.values())
    grid = choose_grid(low, high, floats=floats)
    counter = CellCounter(grid)
    try:
        yield counter
    except OutsideGridError:  # the bounds were wrong; this grid takes anything
        grid = choose_grid(None, None, floats=floats)
        counter = CellCounter(grid)
        yield counter
    plus_zero = counter.has_negative_zero
    if plus_zero:
        counter = CellCounter(grid, plus_zero=True)
        yield counter
    sketch, missing = counter.result()
    sketch = yield from _refine(sketch, grid, heaviest, plus_zero=plus_zero)
    return settle(sketch), missing


def sketch_column(chunks: Chunks, **options: Any) -> tuple[Sketch, int]:
    """Return the sketch of a column and its number of NaN; `options` are those of `sketch_steps`.

    Parameters
    ----------
    chunks
        Called for each pass; gives the column's values in arrays of float64 (or int64).
    """
    steps = sketch_steps(**options)
    try:
        counter = next(steps)
        while True:
            try:
                for values in chunks():
                    counter.add(values)
            except OutsideGridError as problem:
                counter = steps.throw(problem)
            else:
                counter = next(steps)
    except StopIteration as done:
        sketch, missing = done.value
        return sketch, missing


def _refine(
    sketch: Sketch, grid: Grid, heaviest: float, *, plus_zero: bool
) -> Generator[Counter, None, Sketch]:
    """Split the intervals that hold more than `heaviest` of the values, unless they are atoms.

    Each pass looks into the heavy cells only: one that holds a single distinct value becomes an
    atom, another is split by its next bits, until none is too heavy or no bits are left.
    """
    most = heaviest * sketch.n
    levels: list[Level] = []
    shift, nodes = grid.shift, _heavy(sketch, most)
    while len(nodes) and shift and len(levels) < _MOST_PASSES:
        if levels:
            places = levels[-1].split(np.searchsorted(levels[-1].low, nodes, side="right") - 1, nodes)
            size = len(levels[-1].low) << levels[-1].bits
        else:
            places, size = grid.places(nodes), grid.length
        bits = min(shift, max(_SUB_BITS - int(len(nodes) - 1).bit_length(), 6))
        levels.append(Level(places=places, low=nodes, size=size, shift=shift, bits=bits))
        counter = SplitCounter(grid, levels, plus_zero=plus_zero)
        yield counter
        parts = counter.result()
        kept = ~np.isin(sketch.low, nodes) | sketch.atoms
        rest = Sketch(
            low=sketch.low[kept], high=sketch.high[kept], count=sketch.count[kept], floats=sketch.floats
        )
        sketch, nodes = union([rest, parts]), _heavy(parts, most)
        shift -= bits
    return sketch


def _heavy(sketch: Sketch, most: float) -> Array:
    return sketch.low[(sketch.count > most) & ~sketch.atoms]
