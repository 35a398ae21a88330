"""Effect sizes and p-values of drift: one small function each, with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FLOOR = 1e-4
_RARE = 40


def ks_pvalue(distance: float, n: int, m: int) -> float:
    """Return the two-sided p-value of a two-sample Kolmogorov-Smirnov distance.

    The asymptotic distribution with Stephens' correction for small samples; conservative with ties.

    References
    ----------
    Stephens (1970), J. Royal Statistical Society B 32, 115-122; Press et al., Numerical Recipes, 14.3.
    """
    from scipy.special import kolmogorov  # noqa: PLC0415

    if not n or not m:
        return 1.0
    size = math.sqrt(n * m / (n + m))
    return float(kolmogorov((size + 0.12 + 0.11 / size) * distance))


def cramers_v(reference: Array, current: Array) -> float:
    """Return the bias-corrected Cramer's V of two columns of counts, as if both sides had one size.

    phi^2 = sum (p - q)^2 / (p + q) / 2, less what chance alone is expected to give with these counts;
    so with no drift it is about 0 for any number of categories and rows.

    Parameters
    ----------
    reference, current
        Rows by category, shape (k,).

    References
    ----------
    Cramer (1946), ch. 21; the correction is that of Bergsma (2013), J. Korean Statistical Society 42,
    323-328, for sides of unequal size.
    """
    n, m = int(reference.sum()), int(current.sum())
    if not n or not m:
        return 0.0
    both = (reference + current).astype(float)
    there = both > 0
    p, q, t = reference[there] / n, current[there] / m, both[there]
    phi2 = 0.5 * float((np.square(p - q) / (p + q)).sum())
    return math.sqrt(max(phi2 - expected_phi2(t, n, m), 0.0))


def expected_phi2(totals: Array, n: int, m: int) -> float:
    """Return the phi^2 expected by chance alone, for categories with these totals.

    Given its total t, a category's rows fall to the sides at random; for rare ones the expectation
    is summed over all ways they can fall, for frequent ones it is (n + m) / (4 n m).
    """
    both = n + m
    left = (both - totals) / (both - 1)  # the shares of all categories sum to one
    each = np.full(len(totals), both / (4 * n * m))
    for total in np.unique(totals[totals <= _RARE]).astype(int).tolist():
        a = np.arange(total + 1)
        ways = np.array([math.comb(total, k) for k in range(total + 1)], dtype=float)
        chance = ways * (n / both) ** a * (m / both) ** (total - a)
        p, q = a / n, (total - a) / m
        each[totals == total] = 0.5 * float((chance * np.square(p - q) / (p + q)).sum())
    return float((each * left).sum())


def chi2_pvalue(reference: Array, current: Array) -> float:
    """Return the p-value of the chi-squared test that both sides have one distribution.

    Both sides count as samples; categories that are expected fewer than 5 times on a side are
    pooled, as the approximation needs (Cochran, 1954, Biometrics 10, 417-451).
    """
    from scipy.special import chdtrc  # noqa: PLC0415

    n, m = int(reference.sum()), int(current.sum())
    if not n or not m:
        return 1.0
    both = reference + current
    rare = both * (min(n, m) / (n + m)) < 5
    pooled = [np.r_[side[~rare], side[rare].sum()].astype(float) for side in (reference, current)]
    total = pooled[0] + pooled[1]
    kept = total > 0
    if kept.sum() < 2:
        return 1.0
    a, b, total = pooled[0][kept], pooled[1][kept], total[kept]
    statistic = float((np.square(a / n - b / m) / total).sum()) * n * m * 1.0
    return float(chdtrc(len(total) - 1, statistic))


def proportions_pvalue(hits: int, n: int, other: int, m: int) -> float:
    """Return the two-sided p-value that two shares are equal (score test with pooled variance)."""
    from scipy.special import ndtr  # noqa: PLC0415

    if not n or not m:
        return 1.0
    pooled = (hits + other) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return float(2 * ndtr(-abs(hits / n - other / m) / spread)) if spread else 1.0


def unseen(singles: int, doubles: int, n: int, beyond: int, m: int) -> tuple[float, float]:
    """Return by how much a share exceeds the expected unseen mass, and its one-sided p-value.

    Of `m` rows, `beyond` have values that none of the `n` rows of the other side has. Good-Turing
    expects the share ``singles / n`` of them, with variance ``(singles + 2 doubles) / n^2``.

    References
    ----------
    Good (1953), Biometrika 40, 237-264; Robbins (1968), Annals of Mathematical Statistics 39, 256-257.
    """
    from scipy.special import ndtr  # noqa: PLC0415

    if not n or not m or not beyond:
        return 0.0, 1.0
    share = beyond / m
    excess = share - singles / n
    # One more single, or a reference that simply saw none of them would count as certain.
    spread = math.sqrt((singles + 1 + 2 * doubles) / n**2 + share / m)
    return max(excess, 0.0), float(ndtr(-excess / spread))


def psi(p: Array, q: Array) -> float:
    """Return the population stability index of two arrays of shares, shape (k,); empty bins count 0.0001.

    The symmetrised Kullback-Leibler divergence of Jeffreys (1946); named so in credit scoring
    (Siddiqi, 2006, Credit Risk Scorecards: 0.1 is "small", 0.25 "large").
    """
    p, q = np.maximum(p, _FLOOR), np.maximum(q, _FLOOR)
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(p: Array, q: Array) -> float:
    """Return the Jensen-Shannon distance (base 2, in [0, 1]) of two arrays of shares, shape (k,).

    Endres and Schindelin (2003), IEEE Transactions on Information Theory 49, 1858-1860.
    """
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(side > 0, side * np.log2(side / middle), 0.0).sum() for side in (p, q)]
    return math.sqrt(max(float(sum(parts)) / 2, 0.0))


def total_variation(p: Array, q: Array) -> float:
    """Return the total variation distance, half the sum of absolute differences of shares, in [0, 1]."""
    return float(np.abs(p - q).sum() / 2)


def wasserstein(points: Array, p: Array, q: Array, scale: float) -> float:
    """Return the Wasserstein-1 distance in units of `scale`, the reference's standard deviation.

    The area between the distribution functions (Vallender, 1974): `points` ascend, shape (k,);
    `p` and `q` are the shares at each.
    """
    if len(points) < 2 or not scale > 0:
        return 0.0 if len(points) < 2 else math.inf
    apart = np.abs(np.cumsum(p - q))[:-1]
    return float((apart * (np.diff(points) / scale)).sum())


def mean_shift(mean: float, other: float, scale: float) -> float:
    """Return the absolute difference of means in units of `scale` (Cohen, 1988, d with one side's sd)."""
    if mean == other:
        return 0.0
    return abs(other - mean) / scale if scale > 0 else math.inf


def benjamini_hochberg(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that at most a share alpha of the alarms is expected to be false.

    Benjamini and Hochberg (1995), J. Royal Statistical Society B 57, 289-300.
    """
    p = np.asarray(pvalues, dtype=float)
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.minimum.accumulate(p[order] * len(p) / ranks)
    out = np.empty(len(p))
    out[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in out]
