"""Intervals of linearised metrics: from per-row contributions to an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.standard_error import Tail, spread_of, thin

Floats = NDArray[np.floating[Any]]
#: Resamples in each tail below which a percentile is too rough to be used.
LEAST_TAIL = 20


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One metric of both models as a value plus a sum of per-row contributions.

    Attributes
    ----------
    champion, candidate
        Values of the metric.
    champion_parts, candidate_parts
        Contributions of each row to the sampling error of the value, shape (n,): the influence
        function over n, so that the sum of their squares estimates the variance.
    n
        Number of rows.
    floor
        Least standard error of the difference (see `spread_of`).
    """

    champion: float
    candidate: float
    champion_parts: Floats
    candidate_parts: Floats
    n: int
    floor: float = 0.0

    def oriented(self, rules: Rules) -> Floats:
        """Return the contributions to the oriented difference, shape (n,)."""
        return rules.sign * (self.candidate_parts - self.champion_parts)

    def contrast(self, rules: Rules) -> Floats:
        """Return the contributions to difference + margin; a relative margin depends on the champion, too."""
        parts = self.oriented(rules)
        if rules.relative:
            parts = parts + rules.margin * np.sign(self.champion) * self.champion_parts
        return parts


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
        Group of each row as whole numbers, shape (n,), or None if rows are independent.
    resampled
        Both values in paired bootstrap resamples, shape (B, 2); the wider of the two intervals wins.
    slack
        Half width of the interval where no row contributes anything (see `silent_slack`).
    tail
        What kind of metric it is (see `spread_of`).
    """
    margin = rules.margin * abs(linear.champion) if rules.relative else rules.margin
    difference = rules.sign * (linear.candidate - linear.champion)
    contrast = spread_of(linear.contrast(rules), groups, tail, linear.floor)
    plain = contrast if not rules.relative else spread_of(linear.oriented(rules), groups, tail, linear.floor)
    silent = slack if contrast.error == 0 else 0.0
    lower = difference - max(float(contrast.below(rules.alpha)), silent)
    upper = difference + max(float(contrast.above(rules.alpha)), silent)
    gain = difference - max(float(plain.below(rules.alpha)), slack if plain.error == 0 else 0.0)
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
        standard_error=float(contrast.error) or slack / 2,
        better=gain > 0,
        method=method,
        n=linear.n,
        doubt=thin(contrast, grouped=groups is not None),
    )


def level_of(
    value: float, parts: Floats, groups: NDArray[np.int64] | None, *, tail: Tail = "smooth"
) -> Level:
    """Return one model's own value with its standard error."""
    spread = spread_of(parts, groups, tail)
    return Level(
        value=value,
        error=float(spread.error),
        n=len(parts),
        method="influence-function t",
        bounds=lambda alpha: (value - float(spread.below(alpha)), value + float(spread.above(alpha))),
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
