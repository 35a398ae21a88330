"""Slices of the holdout by the values of a column, or by bins of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array, canonical

#: Numbers with more different values than this are cut into quarters unless the policy says otherwise.
MOST_VALUES = 20
#: Values of a column that are compared; the most frequent ones.
MOST_SLICES = 100


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some rows, named ``column=value``, by position, shape (k,)."""

    name: str
    rows: NDArray[np.int64]


def cut(
    column: str, values: Array, least: int, bins: int | Sequence[float] | None = None
) -> tuple[list[Slice], list[str]]:
    """Return the slices of a column with enough rows, and the names of those with too few.

    Parameters
    ----------
    values
        Shape (n,).
    least
        Smallest slice that is compared.
    bins
        Number of quantile bins, or inner edges; None takes every value as a slice, except for numbers
        of many values, which are cut into quarters.
    """
    numeric = values.dtype.kind in "iuf"
    if bins is None and numeric and len(np.unique(values)) > MOST_VALUES:
        bins = 4
    if bins is not None and numeric:
        names, codes = _binned(column, values, bins)
    else:
        labels, codes = np.unique(canonical(values), return_inverse=True)
        names = [f"{column}={label}" for label in labels]
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    found = [Slice(name=name, rows=rows) for name, rows in zip(names, parts, strict=True) if len(rows)]
    kept = [one for one in found if len(one.rows) >= least]
    largest = {one.name for one in sorted(kept, key=lambda one: -len(one.rows))[:MOST_SLICES]}
    return [one for one in kept if one.name in largest], [
        one.name for one in found if one.name not in largest
    ]


def _binned(column: str, values: Array, bins: int | Sequence[float]) -> tuple[list[str], NDArray[np.int64]]:
    """Return names and codes of bins; each holds its lower edge and not its upper one.

    Rows without a value are a bin of their own.
    """
    known = values[np.isfinite(values)]
    if isinstance(bins, int):
        edges = np.unique(np.quantile(known, np.arange(1, bins) / bins)) if len(known) else known
    else:
        edges = np.unique(np.asarray(bins, dtype=np.float64))
    texts = [f"{edge:.6g}" for edge in edges]
    if not texts:
        names = [f"{column}=all"]
    else:
        names = [f"{column}<{texts[0]}"]
        names += [f"{low}<={column}<{high}" for low, high in pairwise(texts)]
        names.append(f"{column}>={texts[-1]}")
    codes = np.searchsorted(edges, values, side="right")
    codes[np.isnan(values)] = len(names)
    return [*names, f"{column}=nan"], codes.astype(np.int64)
