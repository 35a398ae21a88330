"""Shares of rows (accuracy, recall, false positive rate): score intervals for paired proportions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import exact
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.linear import LEAST_GROUPS, by_group, few_groups
from mlops_ci.core.gate.proportions import (
    clopper_pearson,
    mcnemar_pvalue,
    normal_cdf,
    ratio_bounds,
    ratio_statistic,
    tango_interval,
    tango_statistic,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]
#: Groups with a discordant row that the assumption of rows alike within groups is worth.
PRIOR_GROUPS = 1.0


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A paired table of rows, perhaps shrunk to the independent rows it is worth.

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
class Share:
    """A share of rows: accuracy of all, recall of the positives, alarms of the negatives.

    Attributes
    ----------
    counts
        Rows in the denominator, shape (n,); it depends on the labels alone, so that it is the same for both.
    champion, candidate
        Rows in the numerator of each, shape (n,).
    of
        What the denominator is, for a message.
    """

    counts: Bools
    champion: Bools
    candidate: Bools
    design: Design = field(default_factory=Design)
    of: str = "row"

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the score interval of the paired difference, oriented; see `Measure.estimate`.

        With groups or weights the table is shrunk by the design effect of its difference (Rao and
        Scott 1992, Biometrics 48, 577-585) and the quantile is Student's with one degree of freedom
        fewer than there are groups.
        """
        rows = self.design.live(rows[self.counts[rows]])
        if len(rows) == 0:
            raise UndefinedError(f"there is no {self.of}")
        ours, theirs = self.candidate[rows], self.champion[rows]
        up, down = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        remark = f"{up + down:,} of {len(rows):,} rows differ, exact McNemar p {mcnemar_pvalue(up, down):.2g}"
        if self.design.simple:
            table = Counts(
                n=len(rows),
                champion=float(theirs.mean()),
                candidate=float(ours.mean()),
                only_champion=down,
                only_candidate=up,
            )
            return score_estimate(table, rules, rows=len(rows), remark=remark)
        table, groups = shrink(theirs, ours, self.design.weights(rows), self.design.groups(rows))
        freedom = float(max(groups - 1, 1))
        few = self.design.group is not None and groups < LEAST_GROUPS
        return score_estimate(
            table,
            rules,
            rows=len(rows),
            freedom=freedom,
            doubt=few_groups(groups) if few else "",
            remark=f"the rows are worth about {table.n:,.0f} independent ones",
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's share with Clopper and Pearson's bounds; see `Measure.level`."""
        rows = self.design.live(rows[self.counts[rows]])
        if len(rows) == 0:
            raise UndefinedError(f"there is no {self.of}")
        ours, weight = self.candidate[rows], self.design.weights(rows)
        value, n, doubt = float((weight * ours).mean()), float(len(rows)), ""
        if not self.design.simple:
            table, groups = shrink(np.zeros(len(rows), dtype=bool), ours, weight, self.design.groups(rows))
            n = table.n
            doubt = few_groups(groups) if self.design.group is not None and groups < LEAST_GROUPS else ""
        return Level(
            value=value,
            error=float(np.sqrt(max(value * (1 - value), 0.25 / n) / n)),
            n=len(rows),
            method="Clopper-Pearson",
            bounds=lambda alpha: clopper_pearson(value * n, n, alpha),
            doubt=doubt,
        )


def shrink(
    champion: Bools, candidate: Bools, weight: Floats, groups: NDArray[np.int64] | None
) -> tuple[Counts, int]:
    """Return the table of independent rows that dependent or weighted ones are worth, and the groups.

    The design effect is the variance of the difference by groups over that of as many independent
    rows. Where few groups hold a discordant row it cannot be estimated, and is drawn towards the one
    of rows that are all alike within their group.
    """
    n = len(weight)
    difference = candidate.astype(np.float64) - champion
    value = float((weight * difference).sum() / n)
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(units, weights=weight)
    alike = float((sizes**2).sum() / n)
    touched = int((np.bincount(units, weights=np.abs(difference)) > 0).sum())
    spread = float((weight * difference**2).sum() / n) - value**2
    found = alike
    if spread > 0:
        parts = by_group(weight * (difference - value) / n, units)
        found = float((parts**2).sum()) / (spread / n)
    effect = max(1.0, (touched * found + PRIOR_GROUPS * alike) / (touched + PRIOR_GROUPS))
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
    return table, len(sizes)


def score_estimate(
    table: Counts,
    rules: Rules,
    *,
    rows: int,
    freedom: float | None = None,
    doubt: str = "",
    remark: str = "",
) -> Estimate:
    """Return the estimate of a paired table: Tango's, or the score interval of the ratio."""
    quantile = float(ndtri(1 - rules.alpha) if freedom is None else stdtrit(freedom, 1 - rules.alpha))
    gained, lost = (
        (table.only_candidate, table.only_champion)
        if rules.greater_is_better
        else (table.only_champion, table.only_candidate)
    )
    low, high = (float(end) for end in tango_interval(table.n, gained, lost, quantile))
    better = low > 0
    margin = rules.margin * table.champion if rules.relative else rules.margin
    statistic = float(tango_statistic(table.n, gained, lost, max(-margin, -1.0)))
    method = "Tango score interval (paired)"
    if rules.relative and table.champion > 0:
        low, high, statistic = _relative(table, rules, quantile)
        method = "score interval of the paired ratio"
    pvalue = normal_cdf(statistic) if freedom is None else float(stdtr(freedom, statistic))
    if freedom is None and not rules.relative and exact.applies(table.n, gained, lost):
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
        method=method if freedom is None else f"{method}, design effect",
        n=rows,
        doubt=doubt,
        remark=remark,
    )


def _mend(
    ends: tuple[float, float], pvalue: float, counts: tuple[int, int, int], margin: float, rules: Rules
) -> tuple[float, float, float]:
    """Return bounds and p-value with the exact tail where the score test would prove too much.

    With enough rows only a bound that has left 0 behind (a proven loss or gain) needs it; swapping the
    models mirrors it.
    """
    low, high = ends
    n, gained, lost = counts
    limit = 1.0 if n < exact.FEW_ROWS else 0.0
    high = exact.upper_bound((n, gained, lost), rules.alpha, high, max(limit, high))
    low = -exact.upper_bound((n, lost, gained), rules.alpha, -low, max(limit, -low))
    if pvalue <= 2 * rules.alpha:
        pvalue = max(pvalue, exact.lower_tail(n, gained, lost, max(-margin, -1.0)))
    return low, high, pvalue


def _relative(table: Counts, rules: Rules, quantile: float) -> tuple[float, float, float]:
    """Return the bounds of the difference from those of the ratio, and the statistic at the margin."""
    both = table.n * table.champion - table.only_champion
    ends = ratio_bounds(table.n, both, table.only_candidate, table.only_champion, quantile)
    low, high = sorted(rules.sign * (float(end) - 1) * table.champion for end in ends)
    limit = 1 - rules.sign * rules.margin
    statistic = ratio_statistic(table.n, both, table.only_candidate, table.only_champion, limit)
    return low, high, rules.sign * float(statistic)


def paired_error(n: float, gained: float, lost: float) -> float:
    """Return the standard error of a paired difference of shares; never nothing, even if no row differs."""
    discordant = max(gained + lost, 0.5) / n
    return float(np.sqrt(max(discordant - ((gained - lost) / n) ** 2, 0.25 / n**2) / n))
