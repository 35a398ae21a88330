"""Learns from labels how far estimates are off: a correction, and a wider interval.

Labels of two kinds: those of the holdout, period by period, before any of production's came; and those of
earlier windows, which take their place as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
# Half an interval no wider than this: the labels cannot move the metric, as the recall of a window without
# an alarm. Nothing is learnt from it, and nothing of it.
CERTAIN = 1e-6
# In standard errors: the world is never as quiet as a holdout.
_IMAGINED, _TIMES = 3.0, 2
_LAST = 12


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How estimates of one metric carried over from some periods of the holdout to another.

    Attributes
    ----------
    periods
        Periods that could tell; 0 where the holdout's rows have no times.
    excess
        Variance of their misses beyond chance, in variances of chance in the window at hand.
    """

    periods: int = 0
    excess: float = 0.0


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


def learned(
    misses: Sequence[Miss], transfer: Transfer | None = None, confidence: float = CONFIDENCE
) -> Learned:
    """Learn from earlier windows of the same champion, oldest first, and from periods of its holdout.

    The correction is half the mean of the last four (shrunk further where they are fewer): labels come late,
    and what was off a month ago need not be today. The widening is the greatest of prediction intervals for
    the next miss: Student's, from the root mean square of the last twelve and two imaginary misses of three
    standard errors; the same with the holdout's periods as windows before the first, which leave the last
    twelve as labels come, where one standard error is of chance and of what changed from period to period;
    and the conformal one, a quantile of all. So an interval is wide until labels come, and as wide as they
    show afterwards; and periods of the holdout, which are the past of the model, never make it narrower.

    References
    ----------
    Guttman (1970), Statistical Tolerance Regions, ch. 2 (prediction from the spread of few values); Higgins,
    Thompson and Spiegelhalter (2009), JRSS A 172, 137-159 (prediction with an effect of each study); Vovk et
    al. (2005), Algorithmic Learning in a Random World (conformal prediction).
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    normal = float(stdtrit(np.inf, (1 + confidence) / 2))
    recent = [(normal * one.missed) ** 2 for one in misses[-_LAST:]]

    def student(squares: Sequence[float]) -> float:
        quantile = float(stdtrit(len(squares), (1 + confidence) / 2))
        return quantile / normal * float(np.sqrt(np.mean(squares)))

    widths = [1.0, student([_IMAGINED**2] * _TIMES + recent)]
    known = transfer or Transfer()
    counted = min(known.periods, _LAST)
    left = max(counted - len(recent), 0)
    if left:
        imagined = _IMAGINED**2 * (1 + known.excess * left / counted)
        widths.append(student([imagined] * _TIMES + [1 + known.excess] * left + recent))
    every = sorted((0.0, *(one.missed for one in misses)))
    widths.append(every[min(int(np.ceil(confidence * len(every))), len(every) - 1)])
    last = [one.off for one in misses[-4:]]
    correction = float(sum(last)) / (len(last) + 4)
    return Learned(correction=correction, widening=max(widths), windows=len(misses))


def miss_of(found: Mapping[str, float], truth: float) -> Miss | None:
    """Return the error of an estimate (``value``, ``half``, ``correction``), once its labels came.

    None where the labels could not have moved it.
    """
    value, half = float(found["value"]), float(found["half"])
    if half <= CERTAIN:
        return None
    return Miss(off=truth - value + float(found["correction"]), missed=abs(truth - value) / half)
