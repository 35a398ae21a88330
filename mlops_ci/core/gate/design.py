"""The design of a holdout: groups of dependent rows, and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array, Evaluation


@dataclass(frozen=True, kw_only=True)
class Design:
    """Groups and weights of the rows; None if rows are independent, or all count alike.

    Attributes
    ----------
    group
        Group of each row as a whole number, shape (n,), or None.
    weight
        Weight of each row, shape (n,), or None.
    """

    group: NDArray[np.int64] | None = None
    weight: NDArray[np.float64] | None = None

    @property
    def simple(self) -> bool:
        """True where rows are independent and count alike."""
        return self.group is None and self.weight is None

    def weights(self, rows: Array) -> NDArray[np.float64]:
        """Return the weights of some rows, scaled to sum to their number, shape (k,)."""
        if self.weight is None:
            return np.ones(len(rows))
        picked = self.weight[rows]
        return np.asarray(picked * (len(rows) / picked.sum()))

    def groups(self, rows: Array) -> NDArray[np.int64] | None:
        """Return the groups of some rows, shape (k,), or None."""
        return None if self.group is None else np.asarray(self.group[rows])

    def live(self, rows: Array) -> Array:
        """Return the rows with a weight other than 0."""
        return rows if self.weight is None else rows[self.weight[rows] > 0]


def design_of(champion: Evaluation, candidate: Evaluation) -> Design:
    """Return the design of either evaluation; groups of one row and equal weights are ignored."""
    group = candidate.group if candidate.group is not None else champion.group
    weight = candidate.weight if candidate.weight is not None else champion.weight
    codes = None
    if group is not None:
        names, codes = np.unique(group.astype(str), return_inverse=True)
        if len(names) == len(group):
            codes = None
    if weight is not None and (len(weight) == 0 or np.ptp(weight) <= 1e-12 * np.max(weight)):
        weight = None
    return Design(
        group=None if codes is None else np.asarray(codes, dtype=np.int64),
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
    )
