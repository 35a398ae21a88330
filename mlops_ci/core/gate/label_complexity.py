"""Label complexity of a condition, from the worst case of the exact distribution instead of a bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.optimize import brentq

Adaptivity = Literal["none", "first_change", "full"]


def log_tail(n: int, gained: float, lost: float, least: int) -> float:
    """Return the logarithm of P(G - L >= least), G and L rows of n with these chances each.

    The distribution is tilted so that `least` is its mean, and the tilted one is summed by a Fourier
    transform: exact to rounding in every digit also where the chance is 1e-15.
    """
    rest = max(1.0 - gained - lost, 0.0)
    mean = least / n
    if mean <= gained - lost:
        return 0.0
    if gained <= 0 and least > 0:
        return -math.inf
    if mean >= 1:
        return n * math.log(gained) if mean == 1 and gained > 0 else -math.inf

    def slope(tilt: float) -> float:
        up, down = gained * math.exp(tilt), lost * math.exp(-tilt)
        return (up - down) / (up + down + rest) - mean

    if slope(60.0) <= 0:
        return -math.inf
    tilt = brentq(slope, 0.0, 60.0)
    up, down = gained * math.exp(tilt), lost * math.exp(-tilt)
    total = up + down + rest
    up, down = up / total, down / total
    spread = math.sqrt(n * max(up + down - (up - down) ** 2, 1e-12))
    size = 2 ** math.ceil(math.log2(max(20 * spread, 64)))
    angle = 2 * np.pi * np.arange(size) / size
    log_wave = n * np.log(1 - up - down + up * np.exp(1j * angle) + down * np.exp(-1j * angle))
    # Centred on `least`, so that the window of the transform holds all that matters.
    chance = np.fft.fft(np.exp(log_wave - 1j * angle * least)).real / size
    above = np.arange(size // 2)
    kept = float((np.maximum(chance[: size // 2], 0) * np.exp(-tilt * above)).sum())
    return n * math.log(total) - tilt * least + math.log(max(kept, 1e-300))


def worst_log_tail(n: int, tolerance: float, chances: Callable[[float], tuple[float, float]]) -> float:
    """Return the largest log chance that an estimate exceeds the truth by `tolerance`, over all truths.

    `chances` maps the truth, between -1 and 1, to the chances of gained and of lost rows; a truth that
    gives no chances is not possible.
    """

    def at(least: int) -> float:
        truth = least / n - tolerance
        gained, lost = chances(truth)
        return log_tail(n, gained, lost, least) if min(gained, lost) >= 0 and gained <= 1 else -math.inf

    low, high = math.ceil(n * (tolerance - 1)), n
    for _ in range(8):
        points = np.unique(np.linspace(low, high, 17).astype(int))
        values = [at(int(point)) for point in points]
        best = int(np.argmax(values))
        low, high = int(points[max(best - 1, 0)]), int(points[min(best + 1, len(points) - 1)])
        if high - low <= 16:
            break
    return max(at(least) for least in range(low, high + 1))


def labels_needed(
    tolerance: float, log_chance: float, chances: Callable[[float], tuple[float, float]]
) -> int:
    """Return the fewest labels for which an error beyond `tolerance` has at most this probability."""
    low, high = 1, 16
    while worst_log_tail(high, tolerance, chances) > log_chance:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if worst_log_tail(middle, tolerance, chances) > log_chance:
            low = middle
        else:
            high = middle
    return high


def share_chances(truth: float) -> tuple[float, float]:
    """Return the chances of one proportion (accuracy against a constant)."""
    return truth, 0.0


def difference_chances(disagreement: float) -> Callable[[float], tuple[float, float]]:
    """Return the chances of a paired difference where at most this share of rows differs."""
    return lambda truth: ((disagreement + truth) / 2, (disagreement - truth) / 2)


def log_uses(uses: int, adaptivity: Adaptivity) -> float:
    """Return the logarithm of the number of questions that the holdout must answer.

    Without adaptivity one for each use; with full adaptivity 2^uses, since each use tells its author
    one bit. `first_change` gives a new holdout whenever a change passes, so that only the number of
    failures is learnt: one for each use.
    """
    return uses * math.log(2) if adaptivity == "full" else math.log(uses)
