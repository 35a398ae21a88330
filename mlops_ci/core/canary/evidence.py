"""The accumulated evidence on one guarded rate, and how a window is added to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.canary import betting, harm

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Sums over the windows so far; each is a number, or an array of one shape over many canaries.

    Attributes
    ----------
    n0, k0, n1, k1
        Units and bad outcomes of champion and challenger.
    blocks, total, squares
        Number, sum and sum of squares of the differences between the arms within small blocks.
    log_counts, log_bet
        Log e-values of harm: of the safe test on counts, and of the bet on differences.
    log_safe
        Log e-value against "worse by at least the margin".
    harm_peak, safe_peak
        Largest log e-value of harm and of safety so far: what was proven once stays proven.
    """

    n0: Any = 0.0
    k0: Any = 0.0
    n1: Any = 0.0
    k1: Any = 0.0
    blocks: Any = 0.0
    total: Any = 0.0
    squares: Any = 0.0
    log_counts: Any = 0.0
    log_bet: Any = 0.0
    log_safe: Any = 0.0
    harm_peak: Any = 0.0
    safe_peak: Any = 0.0

    @property
    def log_harm(self) -> Any:
        """Log of the mean of both e-values of harm, which is an e-value again.

        The safe test is the sharper with a handful of units a window, the bet where the base rate
        drifts; the mean costs at most log 2 against the better one.
        """
        return np.logaddexp(self.log_counts, self.log_bet) - np.log(2.0)

    @property
    def difference(self) -> Any:
        """Challenger's rate less the champion's in the same windows; NaN before there are both."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.blocks > 0, np.divide(self.total, self.blocks), np.nan)[()]

    @property
    def standard_error(self) -> Any:
        """Standard error of `difference`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.divide(self.squares, self.blocks) - np.asarray(self.difference) ** 2
            return np.sqrt(np.maximum(spread, 0) / np.asarray(self.blocks))[()]

    def plain(self) -> dict[str, float]:
        """Return it as JSON values."""
        return {name: round(float(value), 9) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Evidence:
        """Return it from JSON values; unknown keys are left to newer versions."""
        return cls(**{item.name: float(values.get(item.name, 0.0)) for item in fields(cls)})


def advanced(before: Evidence, counts: tuple[Any, Any, Any, Any], blocks: Array, margin: float) -> Evidence:
    """Return the evidence with one more window.

    Parameters
    ----------
    counts
        ``n0, k0, n1, k1`` of the window.
    blocks
        Shape (..., blocks): differences of `betting.differences`; none if an arm is empty.
    margin
        Accepted difference, in (0, 1).
    """
    n0, k0, n1, k1 = counts
    past = (before.n0, before.k0, before.n1, before.k1)
    log_counts = before.log_counts + harm.log_e_of_block(counts, past)[()]
    toward_harm = betting.stakes(blocks, before.blocks, before.squares, hoped=margin, bound=1.0)
    log_bet = before.log_bet + betting.log_e_of_block(blocks, toward_harm)[()]
    from_margin = before.blocks * margin**2 - 2 * margin * before.total + before.squares
    short = margin - blocks
    toward_safety = betting.stakes(short, before.blocks, from_margin, hoped=margin, bound=1.0 - margin)
    log_safe = before.log_safe + betting.log_e_of_block(short, toward_safety)[()]
    after = Evidence(
        n0=before.n0 + n0,
        k0=before.k0 + k0,
        n1=before.n1 + n1,
        k1=before.k1 + k1,
        blocks=before.blocks + blocks.shape[-1],
        total=before.total + blocks.sum(axis=-1),
        squares=before.squares + (blocks**2).sum(axis=-1),
        log_counts=log_counts,
        log_bet=log_bet,
        log_safe=log_safe,
        safe_peak=np.maximum(before.safe_peak, log_safe),
    )
    return Evidence(**{**vars(after), "harm_peak": np.maximum(before.harm_peak, after.log_harm)})
