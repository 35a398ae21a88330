"""Intervals and tests for proportions: paired (Tango), unpaired (Newcombe), and one (Clopper-Pearson)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv, ndtr, ndtri

Floats = NDArray[np.floating[Any]]


def tango_statistic(n: ArrayLike, gained: ArrayLike, lost: ArrayLike, delta: ArrayLike) -> Floats:
    """Return Tango's score statistic of "the difference of two paired proportions is `delta`".

    Parameters
    ----------
    n
        Number of rows; need not be whole (effective sizes of clustered rows are not).
    gained, lost
        Rows that only the candidate, and only the champion, has right.
    delta
        Candidate's proportion minus the champion's under the null hypothesis, in [-1, 1].

    Returns
    -------
    Standard normal under the null hypothesis, and decreasing in `delta`; shapes broadcast.

    References
    ----------
    Tango (1998), Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, Statistics in Medicine 17, 891-908.
    """
    n, gained, lost, delta = (np.asarray(part, dtype=np.float64) for part in (n, gained, lost, delta))
    _, share = null_shares(n, gained, lost, delta)
    variance = n * np.maximum(2 * share + delta * (1 - delta), 0)
    distance = gained - lost - n * delta
    # No spread left: any distance at all is infinitely far, and none is none.
    spread = np.sqrt(variance)
    certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    return np.asarray(np.divide(distance, spread, out=np.asarray(certain), where=spread > 0))


def null_shares(n: ArrayLike, gained: ArrayLike, lost: ArrayLike, delta: ArrayLike) -> tuple[Floats, Floats]:
    """Return the likeliest shares of gained and of lost rows if their difference is `delta`."""
    n, gained, lost, delta = (np.asarray(part, dtype=np.float64) for part in (n, gained, lost, delta))
    linear = -gained - lost + (2 * n - gained + lost) * delta
    constant = -lost * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0))
    share = np.maximum((root - linear) / (4 * n), 0)
    return np.maximum(share + delta, 0), share


def tango_interval(
    n: ArrayLike, gained: ArrayLike, lost: ArrayLike, quantile: ArrayLike
) -> tuple[Floats, Floats]:
    """Return Tango's score bounds of the difference of two paired proportions.

    Parameters
    ----------
    n, gained, lost
        As in `tango_statistic`.
    quantile
        Upper quantile of the statistic that both one-sided bounds use: 1.645 for 5% each.

    Returns
    -------
    Lower and upper bound, each of the inputs' broadcast shape.
    """
    return (
        _solve(n, gained, lost, np.asarray(quantile, dtype=np.float64)),
        _solve(n, gained, lost, -np.asarray(quantile, dtype=np.float64)),
    )


def _solve(n: ArrayLike, gained: ArrayLike, lost: ArrayLike, target: Floats) -> Floats:
    """Find by bisection where the statistic, which decreases in delta, crosses `target`."""
    shape = np.broadcast_shapes(np.shape(n), np.shape(gained), np.shape(lost), target.shape)
    low, high = np.full(shape, -1.0), np.full(shape, 1.0)
    for _ in range(48):  # 2 / 2**48: beyond what a double of this size can say
        middle = (low + high) / 2
        above = tango_statistic(n, gained, lost, middle) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray((low + high) / 2)


def mcnemar_pvalue(gained: int, lost: int) -> float:
    """Return the exact two-sided McNemar p of "both models are equally often right".

    References
    ----------
    McNemar (1947), Psychometrika 12, 153-157; the exact form is the sign test of the discordant rows.
    """
    discordant = gained + lost
    return 1.0 if discordant == 0 else min(1.0, 2 * float(bdtr(min(gained, lost), discordant, 0.5)))


def clopper_pearson(successes: float, n: float, alpha: float) -> tuple[float, float]:
    """Return the exact one-sided 1 - alpha bounds of one proportion.

    References
    ----------
    Clopper and Pearson (1934), Biometrika 26, 404-413.
    """
    low = 0.0 if successes <= 0 else float(betaincinv(successes, n - successes + 1, alpha))
    high = 1.0 if successes >= n else float(betaincinv(successes + 1, n - successes, 1 - alpha))
    return low, high


def wilson(share: ArrayLike, n: ArrayLike, quantile: float) -> tuple[Floats, Floats]:
    """Return Wilson's score bounds of one proportion (Wilson 1927, JASA 22, 209-212)."""
    share, n = np.asarray(share, dtype=np.float64), np.asarray(n, dtype=np.float64)
    middle = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
    half = quantile * np.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2)) / (1 + quantile**2 / n)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def newcombe(
    champion: float, champion_n: float, candidate: float, candidate_n: float, alpha: float
) -> tuple[float, float]:
    """Return the one-sided bounds of candidate - champion for proportions of independent samples.

    For two models on the *same* rows, of which only the two shares are known, it is conservative
    (too wide) as long as their errors are not negatively correlated.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions: comparison
    of eleven methods, Statistics in Medicine 17, 873-890 (method 10).
    """
    quantile = float(ndtri(1 - alpha))
    low_0, high_0 = wilson(champion, champion_n, quantile)
    low_1, high_1 = wilson(candidate, candidate_n, quantile)
    difference = candidate - champion
    lower = difference - np.sqrt((candidate - low_1) ** 2 + (high_0 - champion) ** 2)
    upper = difference + np.sqrt((high_1 - candidate) ** 2 + (champion - low_0) ** 2)
    return float(lower), float(upper)


def normal_cdf(value: Any) -> float:
    """Return the standard normal distribution function as a plain float."""
    return float(ndtr(value))


def ratio_statistic(
    n: ArrayLike, both: ArrayLike, gained: ArrayLike, lost: ArrayLike, ratio: ArrayLike
) -> Floats:
    """Return the score statistic of "the ratio of two paired proportions is `ratio`".

    Parameters
    ----------
    n, both, gained, lost
        Rows; rows that both models have, only the candidate, and only the champion.
    ratio
        Candidate's proportion over the champion's under the null hypothesis, > 0.

    References
    ----------
    Nam and Blackwelder (2002), Analysis of the ratio of marginal probabilities in a matched-pair
    setting, Statistics in Medicine 21, 689-699.
    """
    n, both, gained, lost, ratio = (
        np.asarray(part, dtype=np.float64) for part in (n, both, gained, lost, ratio)
    )
    candidate, champion = (both + gained) / n, (both + lost) / n
    up, down = gained / n, lost / n
    neither = np.maximum(1 - (both + gained + lost) / n, 0)
    root = np.sqrt(np.maximum((candidate - ratio**2 * champion) ** 2 + 4 * ratio**2 * up * down, 0))
    # The shares that only one model has, at the null hypothesis's maximum of the likelihood.
    null_up = (-candidate + ratio**2 * (champion + 2 * up) + root) / (2 * ratio * (ratio + 1))
    null_down = ratio * null_up - (ratio - 1) * (1 - neither)
    variance = ratio * np.maximum(null_up + null_down, 0) / n
    distance = candidate - ratio * champion
    spread = np.sqrt(variance)
    certain = np.where(np.abs(distance) < 1e-15, 0.0, np.copysign(np.inf, distance))
    return np.asarray(np.divide(distance, spread, out=np.asarray(certain), where=spread > 1e-15))


def ratio_bounds(
    n: ArrayLike, both: ArrayLike, gained: ArrayLike, lost: ArrayLike, quantile: float
) -> tuple[Floats, Floats]:
    """Return the score bounds of the ratio of two paired proportions, by bisection of its logarithm."""
    ends = []
    for target in (quantile, -quantile):
        shape = np.broadcast_shapes(np.shape(n), np.shape(both), np.shape(gained), np.shape(lost))
        low, high = np.full(shape, -14.0), np.full(shape, 14.0)
        for _ in range(52):
            middle = (low + high) / 2
            above = ratio_statistic(n, both, gained, lost, np.exp(middle)) > target
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        ends.append(np.asarray(np.exp((low + high) / 2)))
    return ends[0], ends[1]
