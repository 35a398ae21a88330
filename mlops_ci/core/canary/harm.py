"""The safe test of two proportions, one block per window: a sequential proof of harm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.18
"""Of the Beta prior on each arm's rate; Turner et al. found it near optimal for growth."""

Array = NDArray[np.float64]


def log_e_of_block(now: tuple[Any, Any, Any, Any], before: tuple[Any, Any, Any, Any]) -> Array:
    """Return the log of what one window multiplies the evidence against "no worse than the champion" by.

    Parameters
    ----------
    now
        ``n0, k0, n1, k1`` of the window: units and bad outcomes of champion and challenger. Numbers or
        arrays of one shape. A unit's outcome may lie between 0 and 1; `k` is then their sum.
    before
        The same sums over all *earlier* windows: the bet may not know the window that it is paid by.

    Returns
    -------
    ndarray
        Of the same shape: log E, 0 where the earlier windows do not point to harm.

    Notes
    -----
    With theta0 and theta1 estimated from `before` and t = (n0 theta0 + n1 theta1) / (n0 + n1), E is the
    likelihood of the window under (theta0, theta1) over that under (t, t). Its expectation is at most 1
    whenever the challenger's true rate is at most the champion's in that window, whatever the rate, so
    the product over windows is an e-process even while the rate drifts (Ville: it exceeds 1/alpha in at
    most alpha of all canaries, however often one looks). It needs one share of traffic a window, and
    independent units. For outcomes between 0 and 1, x -> a^x b^(1-x) is convex: E only gets smaller.

    References
    ----------
    Turner, Ly and Gruenwald, "Generic E-variables for exact sequential k-sample tests that allow for
    optional stopping", arXiv:2106.02693.
    """
    n0, k0, n1, k1 = (np.asarray(value, dtype=float) for value in now)
    past_n0, past_k0, past_n1, past_k1 = (np.asarray(value, dtype=float) for value in before)
    theta0 = (past_k0 + PRIOR) / (past_n0 + 2 * PRIOR)
    theta1 = (past_k1 + PRIOR) / (past_n1 + 2 * PRIOR)
    total = n0 + n1
    pooled = (n0 * theta0 + n1 * theta1) / np.where(total > 0, total, 1)
    pooled = np.where(total > 0, pooled, 0.5)
    gain = _log_likelihood(k0, n0, theta0) + _log_likelihood(k1, n1, theta1)
    gain -= _log_likelihood(k0 + k1, total, pooled)
    # With an empty arm there is nothing to compare; without a hint of harm there is nothing to bet on.
    return np.where((theta1 > theta0) & (n0 > 0) & (n1 > 0), gain, 0.0)


def _log_likelihood(bad: Array, units: Array, theta: Array) -> Array:
    return bad * np.log(theta) + (units - bad) * np.log1p(-theta)
