"""Helpers shared by the measures: row contributions, method names, the minimum number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Level, UndefinedError
from mlops_ci.core.gate.linear import Linear, level_of
from mlops_ci.core.gate.standard_error import Tail

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Valued = tuple[float, Floats]
#: Rows of the rarer class below which a ranking proves nothing.
LEAST_OF_A_CLASS = 5
#: Where fewer than this share of the values are different, they are steps, which have no density.
LEAST_DIFFERENT = 0.5


def linear_of(champion: Valued, candidate: Valued, weight: Floats, *, lost: int = 1) -> Linear:
    """Return values and influence functions as contributions of rows.

    Weights sum to n; `lost` degrees of freedom went into the mean of the influence functions.
    """
    n = len(weight)
    scale = weight / np.sqrt(n * max(n - lost, 1))
    return Linear(
        champion=champion[0],
        candidate=candidate[0],
        champion_parts=champion[1] * scale,
        candidate_parts=candidate[1] * scale,
        n=n,
    )


def method_name(plain: str, design: Design) -> str:
    """Name the method, which groups and weights change."""
    if design.group is not None:
        return f"{plain}, cluster t"
    return f"{plain}, weighted" if design.weight is not None else plain


def level_of_linear(linear: Linear, rows: Array, design: Design, *, tail: Tail = "smooth") -> Level:
    """Return the candidate's own value with its standard error."""
    return level_of(linear.candidate, linear.candidate_parts, design.groups(rows), tail=tail)


def silent_slack(n: int, alpha: float, leverage: float) -> float:
    """Return how far apart two models may be if no row shows a difference.

    With no such row among n, at most about -ln(alpha) / n of all rows tell one (the rule of three), and
    one row in n moves the metric by no more than `leverage` / n.
    """
    return float(-np.log(alpha) / n * leverage)


def in_steps(*sides: Floats) -> bool:
    """Return whether either model's values are discrete (whole seconds, rounded scores)."""
    return min(len(np.unique(side)) / max(len(side), 1) for side in sides) < LEAST_DIFFERENT


def need(rows: Array, least: int) -> None:
    """Raise if there are too few rows.

    Raises
    ------
    UndefinedError
        If there are fewer than `least`.
    """
    if len(rows) < least:
        raise UndefinedError(f"{len(rows)} row{'s' if len(rows) != 1 else ''} cannot show it")
