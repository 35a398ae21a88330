"""From per-row contributions to an estimate: t intervals whose degrees of freedom follow the evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from mlops_ci.core.gate.estimate import Estimate, Level, Rules

Floats = NDArray[np.floating[Any]]
Tail = Literal["mean", "smooth", "rank"]

#: Fewer effective observations than this prove nothing, whatever the interval says.
LEAST_EFFECTIVE = 4.0
#: Fewer rows than this prove nothing, however alike they are.
LEAST_ROWS = 10
#: Fewer groups than this prove nothing either.
LEAST_GROUPS = 20
#: Resamples in each tail below which a percentile is too rough to be used.
LEAST_TAIL = 20


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One metric of both models as a value plus a sum of one small contribution a row.

    Attributes
    ----------
    champion, candidate
        Values of the metric.
    champion_parts, candidate_parts
        Contributions of each row to the sampling error of the value, shape (n,): the influence
        function over n, so that the sum of their squares estimates the variance.
    n
        Number of rows.
    """

    champion: float
    candidate: float
    champion_parts: Floats
    candidate_parts: Floats
    n: int

    def oriented(self, rules: Rules) -> Floats:
        """Return the contributions to the oriented difference, shape (n,)."""
        return rules.sign * (self.candidate_parts - self.champion_parts)

    def contrast(self, rules: Rules) -> Floats:
        """Return the contributions to difference + margin, where the margin is the champion's share too."""
        parts = self.oriented(rules)
        if rules.relative:
            parts = parts + rules.margin * np.sign(self.champion) * self.champion_parts
        return parts


def effective_size(parts: Floats) -> float:
    """Return how many equal contributions would carry the same evidence: (sum g^2)^2 / sum g^4.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114, with the fourth moment of the sample as the
    variance of its squares.
    """
    squares = parts * parts
    total = float(squares.sum())
    return 0.0 if total == 0 else total * total / float((squares * squares).sum())


def by_group(parts: Floats, groups: NDArray[np.int64] | None) -> Floats:
    """Return the sums of contributions within groups, shape (G,), unbiased for a few groups."""
    if groups is None:
        return parts
    _, codes = np.unique(groups, return_inverse=True)
    sums = np.bincount(codes, weights=parts)
    return np.asarray(sums * np.sqrt(len(sums) / max(len(sums) - 1, 1)))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard error and t quantile of one contrast, and why it may not be trusted."""

    error: float
    freedom: float
    units: int
    effective: float

    def half_width(self, alpha: float) -> float:
        """Return the distance of the one-sided bounds from the estimate."""
        return float(stdtrit(self.freedom, 1 - alpha)) * self.error

    def pvalue(self, distance: float) -> float:
        """Return the probability of a distance as low as this."""
        if self.error == 0:
            return float(distance >= 0)
        return float(stdtr(self.freedom, distance / self.error))


def skew_size(parts: Floats) -> float:
    """Return how many equal contributions would be as lopsided: (sum g^2)^3 / (sum g^3)^2, at most n.

    It is to skewness what `effective_size` is to the fourth moment; skewness is what bends the level of
    a one-sided t-test (Johnson 1978, JASA 73, 536-544), heavy but even tails do not.
    """
    below = float((parts**3).sum()) ** 2
    above = float((parts * parts).sum()) ** 3
    return float(len(parts)) if below * len(parts) <= above else above / below


def freedom_of(parts: Floats, tail: Tail) -> float:
    """Return the degrees of freedom that the evidence is worth (chosen by simulation).

    For means, the geometric mean of the two effective sizes, less 1. For smooth metrics (F1, RMSE)
    nu - 1. For rankings nu - 6, or nu / 2 where that is more: there a few hard rows make up the
    difference, and the normal quantile is wrong up to six times as often as it says. The figures are in
    ``docs/benchmarks/gate_quality``.
    """
    effective = min(effective_size(parts), float(len(parts)))
    if tail == "rank":
        return max(effective / 2, effective - 6.0, 1.0)
    if tail == "mean":
        return max(math.sqrt(effective * skew_size(parts)) - 1.0, 1.0)
    return max(effective - 1.0, 1.0)


def spread_of(parts: Floats, groups: NDArray[np.int64] | None, tail: Tail = "smooth") -> Spread:
    """Return the spread of a sum of contributions, of independent rows or of independent groups."""
    sums = by_group(parts, groups)
    return Spread(
        error=float(np.sqrt((sums * sums).sum())),
        freedom=freedom_of(sums, tail),
        units=len(sums),
        effective=effective_size(sums),
    )


def linear_estimate(
    linear: Linear,
    rules: Rules,
    *,
    method: str,
    groups: NDArray[np.int64] | None = None,
    resampled: Floats | None = None,
    slack: float = 0.0,
    tail: Tail = "smooth",
) -> Estimate:
    """Return the estimate of a linearised metric.

    Parameters
    ----------
    linear
        Values and contributions.
    rules
        Direction, margin, error rate.
    method
        Its name for readers.
    groups
        Group of each row as whole numbers, shape (n,), or None where rows are independent.
    resampled
        Both values in paired bootstrap resamples, shape (B, 2); the wider of the two intervals wins.
    slack
        Half width of the interval where no row contributes anything (see `silent_slack`).
    tail
        What kind of metric it is (see `freedom_of`).
    """
    margin = rules.margin * abs(linear.champion) if rules.relative else rules.margin
    difference = rules.sign * (linear.candidate - linear.champion)
    contrast = spread_of(linear.contrast(rules), groups, tail)
    plain = contrast if not rules.relative else spread_of(linear.oriented(rules), groups, tail)
    half = max(contrast.half_width(rules.alpha), slack if contrast.error == 0 else 0.0)
    lower, upper = difference - half, difference + half
    gain = difference - max(plain.half_width(rules.alpha), slack if plain.error == 0 else 0.0)
    pvalue = contrast.pvalue(difference + margin) if contrast.error else float(upper >= -margin)
    if resampled is not None:
        low, high, low_plain, share = _percentiles(resampled, rules, margin)
        lower, upper, gain = min(lower, low), max(upper, high), min(gain, low_plain)
        pvalue = max(pvalue, share)
    return Estimate(
        champion=linear.champion,
        candidate=linear.candidate,
        difference=difference,
        lower=lower,
        upper=upper,
        margin=margin,
        pvalue=pvalue,
        standard_error=contrast.error or slack / 2,
        better=gain > 0,
        method=method,
        n=linear.n,
        doubt=thin(contrast, grouped=groups is not None),
    )


def thin(spread: Spread, *, grouped: bool) -> str:
    """Say why the evidence is too thin for a proof, or nothing."""
    if grouped and spread.units < LEAST_GROUPS:
        return few_groups(spread.units)
    if spread.units < LEAST_ROWS:
        return f"{spread.units} {'groups' if grouped else 'rows'} are too few to prove anything"
    if spread.error > 0 and spread.effective < LEAST_EFFECTIVE:
        return (
            f"the whole difference rests on about {spread.effective:.0f} "
            f"{'groups' if grouped else 'rows'}, too few to prove anything"
        )
    return ""


def few_groups(count: int) -> str:
    """Say that there are too few groups."""
    return f"{count} groups are too few to prove anything (it takes {LEAST_GROUPS})"


def level_of(
    value: float, parts: Floats, groups: NDArray[np.int64] | None, *, tail: Tail = "smooth"
) -> Level:
    """Return one model's own value with its spread."""
    spread = spread_of(parts, groups, tail)
    return Level(
        value=value,
        error=spread.error,
        n=len(parts),
        method="influence-function t",
        half_width=spread.half_width,
        doubt=thin(spread, grouped=groups is not None)
        or ("" if spread.error > 0 else "no row says how sure it is"),
    )


def _percentiles(resampled: Floats, rules: Rules, margin: float) -> tuple[float, float, float, float]:
    """Return the percentile bounds of the contrast, of the plain gain, and the share not worse."""
    finite = resampled[np.isfinite(resampled).all(axis=1)]
    if len(finite) * rules.alpha < LEAST_TAIL:
        return np.inf, -np.inf, np.inf, 0.0
    plain = rules.sign * (finite[:, 1] - finite[:, 0])
    contrast = plain + rules.margin * np.abs(finite[:, 0]) - margin if rules.relative else plain
    low, high = np.quantile(contrast, [rules.alpha, 1 - rules.alpha])
    return (
        float(low),
        float(high),
        float(np.quantile(plain, rules.alpha)),
        float((contrast >= -margin).mean()),
    )
