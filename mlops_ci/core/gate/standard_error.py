"""Standard errors of sums of contributions: degrees of freedom, skewness correction, clustering.

All functions take contributions along the last axis, so that many holdouts can be judged at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.floating[Any]]
#: What kind of metric it is: `smooth` (means, F1, RMSE), `area` (AUC), `rank` (average precision),
#: `threshold` (recall at a false positive rate), `ratio` (R2).
Tail = Literal["smooth", "area", "rank", "threshold", "ratio"]

#: How strongly the bounds lean away from the longer tail. With rankings and R2 the error itself
#: depends on the difference, more than the third moment of the contributions tells.
LEAN: dict[Tail, float] = {"smooth": 0.0, "threshold": 0.5, "area": 1.5, "rank": 2.0, "ratio": 3.0}
#: Fewer effective observations than this prove nothing, whatever the interval says; of smooth metrics they
#: prove less: their bounds are moved away by as much as they fall short.
LEAST_EFFECTIVE = 4.0
#: Of smooth metrics, fewer than this prove nothing either.
LEAST_SMOOTH = 1.5
#: The same of the geometric mean of both effective sizes, for means and other smooth metrics.
LEAST_EVEN = 6.0
#: Fewer than this is never enough.
LEAST_AT_ALL = 2.0
#: Fewer rows than this prove nothing, however alike they are.
LEAST_ROWS = 10
#: Fewer groups than this prove nothing either.
LEAST_GROUPS = 20


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard error and t quantiles of one contrast (or of many), and doubts about them.

    Attributes
    ----------
    error
        Standard error, shape ().
    freedom
        Degrees of freedom.
    lean
        Skewness of the error of the sum, weighed by `LEAN`; negative where losses are the longer tail.
    units
        Number of independent contributions.
    effective
        How many equal ones would carry the same evidence.
    least
        How many of these it takes to prove anything.
    stretch
        How many times further away the bounds are, because there are few effective ones; at least 1.
    """

    error: Any
    freedom: Any
    lean: Any
    units: int
    effective: Any
    least: float = LEAST_EFFECTIVE
    stretch: Any = 1.0

    @property
    def few(self) -> Any:
        """Whether the sum has too few effective contributions to prove anything."""
        return (self.effective < self.least) & (self.error > 0)

    def below(self, alpha: float) -> Any:
        """Return the distance of the one-sided lower bound from the estimate."""
        return skewed_quantile(stdtrit(self.freedom, 1 - alpha), self.lean) * self.error * self.stretch

    def above(self, alpha: float) -> Any:
        """Return the distance of the one-sided upper bound from the estimate."""
        return skewed_quantile(stdtrit(self.freedom, 1 - alpha), -self.lean) * self.error * self.stretch

    def pvalue(self, distance: float) -> float:
        """Return the probability of a distance as low as this; at most alpha where `above` says so."""
        if self.error == 0:
            return float(distance >= 0)
        return float(
            stdtr(self.freedom, -unskewed_quantile(-distance / (self.error * self.stretch), -self.lean))
        )


def effective_size(parts: Floats) -> Any:
    """Return the effective number of contributions: (sum g^2)^2 / sum g^4."""
    squares = parts * parts
    total, fourth = squares.sum(axis=-1), (squares * squares).sum(axis=-1)
    return np.divide(total * total, fourth, out=np.zeros_like(total), where=fourth > 0)[()]


def skewness(parts: Floats) -> Any:
    """Return the skewness of the sum, sum g^3 / (sum g^2)^(3/2), between -1 and 1."""
    squares = parts * parts
    scale = squares.sum(axis=-1) ** 1.5
    return np.divide((squares * parts).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)[()]


def freedom_of(effective: Any, units: int) -> Any:
    """Return the degrees of freedom of the estimated variance: 2 nu / (1 - nu / G), at most G - 1.

    nu is the `effective_size` of G contributions. Normal ones have nu = G / 3 and get all G - 1; where a
    few make up the sum, nu stays small and each is worth two.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114: 2 V^2 / var(V), with the variance of V estimated
    from the fourth moment. Carter, Schnepel and Steigerwald (2017), Review of Economics and Statistics 99,
    698-709, on the effective number of clusters.
    """
    share = np.minimum(effective / units, 1 - 1e-9)
    return np.clip(2 * effective / (1 - share), 1.0, max(units - 1.0, 1.0))[()]


def skewed_quantile(quantile: Any, lean: Any) -> Any:
    """Return the quantile corrected for skewness: larger if losses (`lean` < 0) are the longer tail.

    References
    ----------
    Johnson (1978), JASA 73, 536-544; in the monotone form of Hall (1992), JRSS B 54, 221-228. Only the
    side that would prove too much is corrected: the sample tells the skewness of few rows too roughly to
    earn anything by it.
    """
    bend = np.minimum(np.clip(lean, -1.5, 1.5), -1e-6)
    moved = 3 / bend * (np.cbrt(1 + bend * (quantile - bend / 6)) - 1)
    return np.maximum(moved, quantile)[()]


def unskewed_quantile(distance: Any, lean: Any) -> Any:
    """Return the inverse of `skewed_quantile`: the quantile of a distance in standard errors."""
    bend = np.minimum(np.clip(lean, -1.5, 1.5), -1e-6)
    moved = distance + bend * distance**2 / 3 + bend**2 * distance**3 / 27 + bend / 6
    return np.minimum(moved, distance)[()]


def by_group(parts: Floats, groups: NDArray[np.int64] | None) -> Floats:
    """Return the sums of contributions within groups, shape (G,), unbiased for a few groups."""
    if groups is None:
        return parts
    _, codes = np.unique(groups, return_inverse=True)
    sums = np.bincount(codes, weights=parts)
    return np.asarray(sums * np.sqrt(len(sums) / max(len(sums) - 1, 1)))


def spread_of(
    parts: Floats, groups: NDArray[np.int64] | None, tail: Tail = "smooth", floor: Any = 0.0
) -> Spread:
    """Return the spread of a sum of contributions, of independent rows or of independent groups.

    Parameters
    ----------
    parts
        Contributions, shape (n,), or (..., n) without groups.
    groups
        Group of each as whole numbers, shape (n,), or None if they are independent.
    tail
        What kind of metric it is.
    floor
        Least standard error, shape () or (...); what one row more or less would do.
    """
    sums = by_group(parts, groups)
    nu, lean, units = effective_size(sums), skewness(sums), sums.shape[-1]
    smooth = tail == "smooth"
    effective = _even_size(nu, lean, units) if smooth else nu
    return Spread(
        error=np.maximum(np.sqrt((sums * sums).sum(axis=-1)), floor)[()],
        freedom=freedom_of(nu, units),
        lean=LEAN[tail] * lean,
        units=units,
        effective=effective,
        least=LEAST_SMOOTH if smooth else LEAST_EFFECTIVE,
        stretch=np.maximum(LEAST_EFFECTIVE / np.maximum(effective, LEAST_SMOOTH), 1.0)[()] if smooth else 1.0,
    )


def _even_size(effective: Any, lean: Any, units: int) -> Any:
    """Return the geometric mean of two effective sizes, scaled so that `LEAST_EFFECTIVE` is enough.

    The other is 1 / skewness^2, the number of contributions that would be as lopsided. A mean of even
    contributions can be trusted with fewer.
    """
    alike = np.minimum(1 / np.maximum(lean * lean, 1e-12), units)
    found = np.sqrt(effective * alike) * (LEAST_EFFECTIVE / LEAST_EVEN)
    return np.where(effective < LEAST_AT_ALL, np.minimum(effective, found), found)[()]


def thin(spread: Spread, *, grouped: bool) -> str:
    """Return why the evidence is too thin for a proof, or an empty string."""
    if grouped and spread.units < LEAST_GROUPS:
        return few_groups(spread.units)
    if spread.units < LEAST_ROWS:
        return f"{spread.units} {'groups' if grouped else 'rows'} are too few to prove anything"
    if spread.few:
        return (
            f"the whole difference rests on about {max(spread.effective, 1):.0f} "
            f"{'groups' if grouped else 'rows'}, too few to prove anything"
        )
    return ""


def few_groups(count: int) -> str:
    """Return the doubt that there are too few groups."""
    return f"{count} groups are too few to prove anything (it takes {LEAST_GROUPS})"
