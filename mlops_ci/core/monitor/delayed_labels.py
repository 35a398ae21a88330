"""Learns from delayed labels how far earlier estimates were off: a correction, and a wider interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
_IMAGINED = (3.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What the labels of earlier windows teach about estimates of one metric.

    Attributes
    ----------
    correction
        Added to the estimate.
    widening
        Factor on its interval, never below 1.
    windows
        Earlier windows whose labels came.
    """

    correction: float = 0.0
    widening: float = 1.0
    windows: int = 0


@dataclass(frozen=True, kw_only=True)
class Miss:
    """The error of one earlier estimate.

    Attributes
    ----------
    off
        Truth less the estimate before it was corrected, in the metric's unit.
    missed
        Distance of the truth from the estimate as it was reported, in half-widths of the interval before
        it was widened.
    """

    off: float
    missed: float


def learned(misses: Sequence[Miss], confidence: float = CONFIDENCE) -> Learned:
    """Learn from earlier windows of the same champion, oldest first.

    The correction is half the mean of the last four (shrunk further where they are fewer): labels come late,
    and what was off a month ago need not be today. The widening is the greater of two prediction
    intervals for the next miss: Student's, from the root mean square of the last twelve and two imaginary
    ones of three half-widths (the world is never as quiet as a holdout); and the conformal one, a quantile of
    all. So an interval is wide until labels come, and as wide as they show afterwards.

    References
    ----------
    Guttman (1970), Statistical Tolerance Regions, ch. 2 (prediction from the spread of few values); Vovk et
    al. (2005), Algorithmic Learning in a Random World (conformal prediction).
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    last = [one.off for one in misses[-4:]]
    normal = float(stdtrit(np.inf, (1 + confidence) / 2))
    spread = [*_IMAGINED, *(one.missed for one in misses[-12:])]
    student = float(stdtrit(len(spread), (1 + confidence) / 2)) / normal
    every = sorted((0.0, *(one.missed for one in misses)))
    conformal = every[min(int(np.ceil(confidence * len(every))), len(every) - 1)]
    factor = max(1.0, student * float(np.sqrt(np.square(spread).mean())), conformal)
    return Learned(correction=float(sum(last)) / (len(last) + 4), widening=factor, windows=len(misses))


def miss_of(found: Mapping[str, float], truth: float) -> Miss:
    """Return the error of an estimate (``value``, ``half``, ``correction``), once its labels came."""
    value, half = float(found["value"]), float(found["half"])
    return Miss(off=truth - value + float(found["correction"]), missed=abs(truth - value) / max(half, 1e-9))
