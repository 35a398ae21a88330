"""Tables with known drift: 20 numeric and 5 categorical columns, some with missing values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

LEVELS = (2, 10, 50, 200, 1000)
NUMBERS = 20
QUARTER = ("x00", "x03", "x06", "x09", "x12", "c1", "c4")  # a quarter of 25 columns: 5 numeric, 2 categorical


@dataclass(frozen=True)
class Case:
    """How two tables differ: a shift in standard deviations, and a total variation, in some columns."""

    rows: int
    seed: int
    shift: float = 0.0
    variation: float = 0.0
    columns: tuple[str, ...] = QUARTER


def pair(case: Case) -> tuple[pa.Table, pa.Table]:
    """Return reference and current."""
    rng = np.random.default_rng([case.seed, case.rows])
    return table(case, rng, drifted=False), table(case, rng, drifted=True)


def table(case: Case, rng: np.random.Generator, *, drifted: bool) -> pa.Table:
    """Return one side."""
    columns: dict[str, pa.Array] = {}
    for i in range(NUMBERS):
        name = f"x{i:02d}"
        moved = case.shift if drifted and name in case.columns else 0.0
        columns[name] = _numbers(i, case.rows, moved, rng)
    for i, levels in enumerate(LEVELS):
        name = f"c{i}"
        moved = case.variation if drifted and name in case.columns else 0.0
        columns[name] = _categories(levels, case.rows, moved, rng)
    return pa.table(columns)


def _numbers(i: int, n: int, shift: float, rng: np.random.Generator) -> pa.Array:
    """Return one of six shapes, shifted by `shift` standard deviations; every fourth has missing values."""
    shapes = (
        lambda: (rng.normal(0, 1, n), 1.0),
        lambda: (rng.lognormal(0, 0.5, n), 0.604),
        lambda: (rng.uniform(0, 1, n), 0.2887),
        lambda: (rng.normal(50, 10, n), 10.0),
        lambda: (rng.gamma(3, 2, n), 3.464),
        lambda: (rng.standard_t(5, n), 1.291),
    )
    values, deviation = shapes[i % 6]()
    values = values + shift * deviation
    gone = rng.random(n) < 0.05 if i % 4 == 1 else None
    return pa.array(values, mask=gone)


def _categories(levels: int, n: int, variation: float, rng: np.random.Generator) -> pa.Array:
    """Return categories of falling frequency; `variation` of the mass moves between the halves of them."""
    share = 1 / np.arange(2, levels + 2) ** 0.7
    share /= share.sum()
    if variation:
        even = np.arange(levels) % 2 == 0
        moved = share.copy()
        moved[even] *= 1 - variation / share[even].sum()
        moved[~even] *= 1 + variation / share[~even].sum()
        share = moved
    names = pa.array([f"level-{j}" for j in range(levels)])
    index = pa.array(rng.choice(levels, n, p=share).astype(np.int32))
    return pa.DictionaryArray.from_arrays(index, names).cast(pa.string())
