"""Score intervals of paired proportions, with a design effect for dependent or weighted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from mlops_ci.core.gate import paired_exact
from mlops_ci.core.gate.estimate import Estimate, Rules
from mlops_ci.core.gate.proportions import (
    normal_cdf,
    ratio_bounds,
    ratio_statistic,
    tango_interval,
    tango_statistic,
)
from mlops_ci.core.gate.standard_error import by_group, skewed_quantile, skewness, unskewed_quantile

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]
#: What the assumption of rows alike within groups is worth where only one group has a discordant row,
#: in such groups; it fades with the square of their number.
PRIOR_GROUPS = 20.0
#: How strongly the bounds lean away from the longer tail of the groups' sums (see `standard_error.LEAN`).
GROUP_LEAN = 2.0


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A paired table of rows, shrunk to its effective sample size if rows are dependent.

    Attributes
    ----------
    n
        Rows.
    champion, candidate
        Share of rows that count for each.
    only_champion, only_candidate
        Rows that count for one model alone.
    """

    n: float
    champion: float
    candidate: float
    only_champion: float
    only_candidate: float


@dataclass(frozen=True, kw_only=True)
class Tails:
    """The null distribution of a score statistic: normal, or Student's, leaning away from the longer tail.

    Attributes
    ----------
    freedom
        Degrees of freedom, or None for a normal one.
    lean
        Skewness of the oriented difference; negative where losses are the longer tail.
    """

    freedom: float | None = None
    lean: float = 0.0

    def quantiles(self, alpha: float) -> tuple[float, float]:
        """Return the quantiles for the lower and for the upper bound."""
        if self.freedom is None:
            return float(ndtri(1 - alpha)), float(ndtri(1 - alpha))
        plain = stdtrit(self.freedom, 1 - alpha)
        return float(skewed_quantile(plain, self.lean)), float(skewed_quantile(plain, -self.lean))

    def pvalue(self, statistic: float) -> float:
        """Return the probability of a statistic as low as this."""
        if self.freedom is None:
            return normal_cdf(statistic)
        return float(stdtr(self.freedom, -unskewed_quantile(-statistic, -self.lean)))


def shrink(
    champion: Bools, candidate: Bools, weight: Floats, groups: NDArray[np.int64] | None
) -> tuple[Counts, int, float]:
    """Return the table at its effective sample size, the number of groups, and the skewness.

    The design effect is the variance of the difference by groups over that of as many independent
    rows. Where few groups hold a discordant row it cannot be estimated, and is drawn towards the one
    of rows that are all alike within their group. The skewness is that of the sum over groups.
    """
    n = len(weight)
    difference = candidate.astype(np.float64) - champion
    value = float((weight * difference).sum() / n)
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(units, weights=weight)
    alike = float((sizes**2).sum() / n)
    touched = int((np.bincount(units, weights=np.abs(difference)) > 0).sum())
    spread = float((weight * difference**2).sum() / n) - value**2
    found, lean = alike, 0.0
    if spread > 0:
        parts = by_group(weight * (difference - value) / n, units)
        found, lean = float((parts**2).sum()) / (spread / n), float(skewness(parts))
    prior = PRIOR_GROUPS / max(touched, 1) ** 2
    effect = max(1.0, (touched * found + prior * alike) / (touched + prior))
    worth = n / effect

    def share(rows: Bools) -> float:
        return float((weight * rows).sum() / n)

    table = Counts(
        n=worth,
        champion=share(champion),
        candidate=share(candidate),
        only_champion=worth * share(champion & ~candidate),
        only_candidate=worth * share(candidate & ~champion),
    )
    return table, len(sizes), lean


def score_estimate(
    table: Counts,
    rules: Rules,
    *,
    rows: int,
    tails: Tails | None = None,
    doubt: str = "",
    remark: str = "",
) -> Estimate:
    """Return the estimate of a paired table: Tango's, or the score interval of the ratio."""
    tails = Tails() if tails is None else tails
    exactly = tails.freedom is None
    quantiles = tails.quantiles(rules.alpha)
    gained, lost = (
        (table.only_candidate, table.only_champion)
        if rules.greater_is_better
        else (table.only_champion, table.only_candidate)
    )
    low, high = (
        float(tango_interval(table.n, gained, lost, quantile)[side])
        for side, quantile in enumerate(quantiles)
    )
    better = low > 0
    margin = rules.margin * table.champion if rules.relative else rules.margin
    statistic = float(tango_statistic(table.n, gained, lost, max(-margin, -1.0)))
    method = "Tango score interval (paired)"
    if rules.relative and table.champion > 0:
        low, high, statistic = _relative(table, rules, quantiles)
        method = "score interval of the paired ratio"
    pvalue = tails.pvalue(statistic)
    if exactly and not rules.relative and paired_exact.applies(table.n, gained, lost):
        low, high, pvalue = _mend((low, high), pvalue, (int(table.n), int(gained), int(lost)), margin, rules)
        better = low > 0
    return Estimate(
        champion=table.champion,
        candidate=table.candidate,
        difference=rules.sign * (table.candidate - table.champion),
        lower=low,
        upper=high,
        margin=margin,
        pvalue=pvalue,
        standard_error=paired_error(table.n, gained, lost),
        better=better,
        method=method if exactly else f"{method}, design effect",
        n=rows,
        doubt=doubt,
        remark=remark,
    )


def _mend(
    ends: tuple[float, float], pvalue: float, counts: tuple[int, int, int], margin: float, rules: Rules
) -> tuple[float, float, float]:
    """Return bounds and p-value, corrected by the exact tail where the score test is anti-conservative.

    With enough rows only a bound that has left 0 behind (a proven loss or gain) needs it; swapping the
    models mirrors it.
    """
    low, high = ends
    n, gained, lost = counts
    limit = 1.0 if n < paired_exact.FEW_ROWS else 0.0
    high = paired_exact.upper_bound((n, gained, lost), rules.alpha, high, max(limit, high))
    low = -paired_exact.upper_bound((n, lost, gained), rules.alpha, -low, max(limit, -low))
    if pvalue <= 2 * rules.alpha:
        pvalue = max(pvalue, paired_exact.lower_tail(n, gained, lost, max(-margin, -1.0)))
    return low, high, pvalue


def _relative(table: Counts, rules: Rules, quantiles: tuple[float, float]) -> tuple[float, float, float]:
    """Return the bounds of the difference from those of the ratio, and the statistic at the margin."""
    both = table.n * table.champion - table.only_champion
    # The lower bound of the difference is that of the ratio, or its upper one where less is better.
    ends = (
        ratio_bounds(table.n, both, table.only_candidate, table.only_champion, quantile)[
            side if rules.greater_is_better else 1 - side
        ]
        for side, quantile in enumerate(quantiles)
    )
    low, high = (rules.sign * (float(end) - 1) * table.champion for end in ends)
    limit = 1 - rules.sign * rules.margin
    statistic = ratio_statistic(table.n, both, table.only_candidate, table.only_champion, limit)
    return low, high, rules.sign * float(statistic)


def paired_error(n: float, gained: float, lost: float) -> float:
    """Return the standard error of a paired difference of shares; never 0, even if no row differs."""
    discordant = max(gained + lost, 0.5) / n
    return float(np.sqrt(max(discordant - ((gained - lost) / n) ** 2, 0.25 / n**2) / n))
