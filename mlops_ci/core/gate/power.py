"""Power: the smallest loss that a holdout can detect, and the rows that would settle a question."""

from __future__ import annotations

import math

from scipy.special import ndtri

POWER = 0.8


def detection_factor(alpha: float, power: float = POWER) -> float:
    """Return the number of standard errors that are detected with this power (2.49 by default)."""
    return float(ndtri(1 - alpha) + ndtri(power))


def minimum_detectable_loss(standard_error: float, alpha: float, power: float = POWER) -> float:
    """Return the smallest loss that these rows detect with the given power, in the metric's unit.

    It is also the smallest margin within which a candidate just as good as the champion would be
    proven to be.
    """
    return detection_factor(alpha, power) * standard_error


def rows_needed(
    n: int, standard_error: float, margin: float, alpha: float, power: float = POWER
) -> int | None:
    """Return about how many rows prove, with the given power, that an equal candidate is within the margin.

    As many prove a loss of twice the margin to be one. None if no number of rows would do (no margin).
    """
    if not (margin > 0 and math.isfinite(standard_error)):
        return None
    return max(1, math.ceil(n * (minimum_detectable_loss(standard_error, alpha, power) / margin) ** 2))


def rows_for_disagreement(margin: float, disagreement: float, alpha: float, power: float = POWER) -> int:
    """Return the rows needed for a paired comparison of accuracy: 6.18 d / m^2 by default.

    Parameters
    ----------
    margin
        Accepted loss of accuracy, in (0, 1).
    disagreement
        Share of rows where exactly one of the two models is right, in [0, 1].

    Notes
    -----
    Never fewer than the z^2 (1 - m) / m rows that Tango's interval needs when no row differs at all.
    """
    quantile = float(ndtri(1 - alpha))
    silent = quantile**2 * (1 - margin) / margin
    return math.ceil(max(silent, detection_factor(alpha, power) ** 2 * disagreement / margin**2))
