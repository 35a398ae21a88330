"""The estimate: one metric of two models, their difference, and how sure we are of it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one method says about one metric on one set of rows.

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
        Why neither proof can be trusted (too few effective observations); empty where they can.
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
        """Return whether all numbers that a decision needs are there."""
        numbers = (self.champion, self.candidate, self.difference, self.lower, self.upper, self.pvalue)
        return all(math.isfinite(number) for number in numbers)
