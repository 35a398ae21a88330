"""Measures: one metric of both models, row by row, from which an estimate of any subset follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mlops_ci.core.estimate import Estimate
from mlops_ci.core.evidence import Array
from mlops_ci.core.proportions import mcnemar_pvalue, normal_cdf, tango_interval, tango_statistic

Bools = NDArray[np.bool_]


class UndefinedError(ValueError):
    """The metric has no value on these rows (no positive row, one class only)."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the policy says about one metric, resolved: direction, margin, error rate."""

    greater_is_better: bool
    margin: float
    relative: bool
    alpha: float

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1


class Measure(Protocol):
    """One metric of two models on one holdout."""

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the estimate on some rows, by position, shape (k,).

        Raises
        ------
        UndefinedError
            If the metric has no value there.
        """


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of rows that count: accuracy of all, recall of the positives, alarms of the negatives.

    Attributes
    ----------
    counts
        Rows in the denominator (it depends on the labels alone, so that it is the same for both), shape (n,).
    champion, candidate
        Rows in the numerator of each, shape (n,).
    of
        What the denominator is, for a message.
    """

    counts: Bools
    champion: Bools
    candidate: Bools
    of: str = "row"

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return Tango's score interval, oriented; see `Measure.estimate`."""
        rows = rows[self.counts[rows]]
        n = len(rows)
        if n == 0:
            raise UndefinedError(f"there is no {self.of}")
        ours, theirs = self.candidate[rows], self.champion[rows]
        up, down = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        gained, lost = (up, down) if rules.greater_is_better else (down, up)
        champion, candidate = float(theirs.mean()), float(ours.mean())
        margin = rules.margin * champion if rules.relative else rules.margin
        lower, upper = tango_interval(n, gained, lost, float(ndtri(1 - rules.alpha)))
        worse = normal_cdf(tango_statistic(n, gained, lost, -margin)) if margin < 1 else 1.0
        return Estimate(
            champion=champion,
            candidate=candidate,
            difference=(gained - lost) / n,
            lower=float(lower),
            upper=float(upper),
            margin=margin,
            pvalue=worse,
            standard_error=paired_error(n, gained, lost),
            better=bool(lower > 0),
            method="Tango score interval (paired)",
            n=n,
            remark=f"{up + down:,} of {n:,} rows differ, exact McNemar p {mcnemar_pvalue(gained, lost):.2g}",
        )


def paired_error(n: float, gained: float, lost: float) -> float:
    """Return the standard error of a paired difference of shares; never nothing, even if no row differs."""
    discordant = max(gained + lost, 0.5) / n
    return float(np.sqrt(max(discordant - ((gained - lost) / n) ** 2, 0.25 / n**2) / n))
