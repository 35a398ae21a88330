"""The exact trinomial tail of a paired table, where the score test's normal tail is too small."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from mlops_ci.core.gate.proportions import Floats, null_shares, tango_statistic

#: Expected discordant rows above which the normal tail is as good.
MANY_DISCORDANT = 2000.0
#: Rows below which both bounds are corrected, also where they prove nothing.
FEW_ROWS = 50


def lower_tail(n: int, gained: int, lost: int, delta: float) -> float:
    """Return the probability of a table at least as bad if the true difference is `delta`.

    The tail of Tango's statistic is added up over all tables, with the share of discordant rows at its
    maximum of the likelihood under the null hypothesis (the estimated p-value). The normal tail of the
    score test is too small where losses are few: with 300 rows of which 2% are lost, it certifies a
    loss of more than 2% in 8.8% of all holdouts, this one in 5%.

    References
    ----------
    Lloyd (2008), A new exact and more powerful unconditional test of no treatment effect from binary
    matched pairs, Biometrics 64, 716-723.
    """
    up, down = (float(share) for share in null_shares(n, gained, lost, delta))
    observed = float(tango_statistic(n, gained, lost, delta))
    ups, downs = _likely(n, up), _likely(n, down)
    b, c = np.meshgrid(ups, downs, indexing="ij")
    possible = b + c <= n
    chance = np.where(possible, np.exp(_log_trinomial(n, b, c, up, down)), 0.0)
    worse = tango_statistic(n, b, c, delta) <= observed + 1e-9
    return min(1.0, float(chance[worse & possible].sum()))


def upper_bound(counts: tuple[int, int, int], alpha: float, start: float, limit: float) -> float:
    """Return the one-sided upper bound of the difference from the exact tail, between `start` and `limit`.

    Parameters
    ----------
    counts
        Rows, gained and lost ones.
    start
        Tango's bound; the exact one is not below it.
    limit
        Where to stop.
    """
    low, high = start, limit
    if low >= high or lower_tail(*counts, low) <= alpha:
        return low
    if lower_tail(*counts, high) > alpha:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        proven = lower_tail(*counts, middle) <= alpha
        low, high = (low, middle) if proven else (middle, high)
    return high


def applies(n: float, gained: float, lost: float) -> bool:
    """Return whether the counts are whole and few enough for the sum to matter."""
    whole = all(float(part).is_integer() for part in (n, gained, lost))
    return whole and gained + lost <= MANY_DISCORDANT


def _likely(n: int, share: float) -> Floats:
    """Return the range of counts with all but a negligible part of a binomial's mass."""
    centre, spread = n * share, np.sqrt(n * share * (1 - share))
    low = max(0, int(centre - 6 * spread - 2))
    return np.arange(low, min(n, int(centre + 6 * spread + 12)) + 1, dtype=np.float64)


def _log_trinomial(n: int, gained: Floats, lost: Floats, up: float, down: float) -> Floats:
    def times_log(count: Floats, share: float) -> Floats:
        return np.asarray(count * np.log(share)) if share > 0 else np.where(count == 0, 0.0, -np.inf)

    rest = np.maximum(n - gained - lost, 0)
    ways = gammaln(n + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(rest + 1)
    return np.asarray(ways + times_log(gained, up) + times_log(lost, down) + times_log(rest, 1 - up - down))
