"""The estimate of one metric of two models: both values, their difference and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops_ci.core.evidence import Array


class UndefinedError(ValueError):
    """The metric is undefined on these rows (no positive row, one class only)."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The policy of one metric, with all defaults resolved.

    Attributes
    ----------
    greater_is_better
        Direction of the metric.
    margin, relative
        Accepted loss; a share of the champion's value if `relative`.
    alpha
        One-sided error rate of each bound.
    seed
        Of resampling.
    """

    greater_is_better: bool
    margin: float
    relative: bool = False
    alpha: float = 0.05
    seed: int = 0

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The result of one method for one metric on one set of rows.

    Attributes
    ----------
    champion, candidate
        Values of the metric, in its unit.
    difference
        Oriented: positive is better.
    lower, upper
        One-sided 1 - alpha bounds of `difference`.
    margin
        Accepted loss, absolute.
    pvalue
        Of "the candidate is not worse by more than the margin"; small means worse.
    standard_error
        Of `difference`; what power is computed from.
    better
        True if the candidate is proven to be better.
    method, n
        Name of the method, and rows (or units) that it used.
    doubt
        Why neither proof can be trusted (too few effective observations); empty if they can.
    remark
        What else a reader should know, such as an exact p.
    """

    champion: float
    candidate: float
    difference: float
    lower: float
    upper: float
    margin: float
    pvalue: float
    standard_error: float
    better: bool
    method: str
    n: int
    doubt: str = ""
    remark: str = ""

    def known(self) -> bool:
        """Return whether the values are finite and no bound is NaN, as a decision needs."""
        bounds = (self.lower, self.upper, self.pvalue)
        return all(
            math.isfinite(number) for number in (self.champion, self.candidate, self.difference)
        ) and not any(math.isnan(number) for number in bounds)


@dataclass(frozen=True, kw_only=True)
class Level:
    """One model's value of a metric, for absolute limits and gaps between slices.

    Attributes
    ----------
    value, error
        Value and standard error, in the metric's unit.
    n, method, doubt
        As of an `Estimate`.
    bounds
        From an error rate to the one-sided bounds, or None if nothing is known of them.
    """

    value: float
    error: float
    n: int
    method: str
    bounds: Callable[[float], tuple[float, float]] | None = None
    doubt: str = ""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the one-sided 1 - alpha bounds of the value."""
        if self.bounds is not None:
            return self.bounds(alpha)
        return -math.inf, math.inf


class Measure(Protocol):
    """One metric of two models on one holdout."""

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the estimate on some rows, by position, shape (k,).

        Raises
        ------
        UndefinedError
            If the metric has no value there.
        """

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's own value on some rows.

        Raises
        ------
        UndefinedError
            If the metric has no value there.
        """
