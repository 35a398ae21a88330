"""How well calibration carries over in time, learnt from the holdout's own periods.

What a calibrated score promises is off by more than chance where P(label | score) is not the same in every
week: a wet week, a busy one. The holdout has such weeks too. Each is estimated as a window would be, from
scores that were calibrated on the other weeks, and held against its labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.monitor.calibrate import Calibrator, Kind, fitted
from mlops_ci.core.monitor.expected import METRICS, cells_of, values

Array = NDArray[Any]

LEAST_PERIODS, MOST_PERIODS = 4, 60
LEAST_ROWS, LEAST_OF_A_CLASS = 100, 10
_DRAWS = 60


@dataclass(frozen=True, kw_only=True)
class Carried:
    """How far estimates of one metric were off beyond chance in periods that they knew nothing of.

    Attributes
    ----------
    periods
        Periods that could tell.
    variance
        Of the miss beyond chance, in the square of the metric's unit.
    """

    periods: int
    variance: float


def periods_of(time: Array, length: int, positive: Array) -> Array:
    """Cut the holdout's rows into periods of a window's length.

    Neighbours with fewer than 100 rows, or ten of a class, are taken together until they have them.

    Parameters
    ----------
    time, length
        Times of the rows, shape (n,), and the length of a window, in one unit.
    positive
        True labels as 1 or 0, shape (n,).

    Returns
    -------
    The number of each row's period, shape (n,), in the order of time.
    """
    _, window = np.unique((time - time.min()) // length, return_inverse=True)
    rows = np.bincount(window)
    hits = np.bincount(window, weights=positive)
    place = np.zeros(len(rows), dtype=np.int64)
    here, many, found = 0, 0.0, 0.0
    for index in range(len(rows)):
        place[index] = here
        many, found = many + rows[index], found + hits[index]
        if many >= LEAST_ROWS and min(found, many - found) >= LEAST_OF_A_CLASS:
            here, many, found = here + 1, 0.0, 0.0
    # What is left at the end is too small for a period of its own.
    return np.asarray(np.minimum(place, max(here - 1, 0))[window])


def carried(
    score: Array, alarm: Array, positive: Array, period: Array, kind: Kind, *, seed: int = 0
) -> dict[str, Carried]:
    """Learn how far estimates of one period are off that rest on the others.

    The variance beyond chance is the mean squared miss less the mean variance of the labels' luck, the
    estimator of moments for an effect of each period; the newest 60 periods are looked at.

    Parameters
    ----------
    score, alarm, positive, period
        Scores, whether the model called the row positive, labels as 1 or 0, and periods of the holdout's
        rows, shape (n,).
    kind
        Which calibrator.

    Returns
    -------
    By metric; one that fewer than four periods can tell is left out.

    References
    ----------
    DerSimonian and Laird (1986), Controlled Clinical Trials 7, 177-188 (moments); Debray et al. (2013),
    Statistics in Medicine 32, 3158-3180 (each cluster predicted from the others); Dunn, Wasserman and Ramdas
    (2023), JASA 118, 2491-2502 (a new group, not a new row, is what is predicted).
    """
    names = np.unique(period)
    if len(names) < LEAST_PERIODS:
        return {}
    rng = np.random.default_rng([seed, 3])
    beyond: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for name in names[-MOST_PERIODS:]:
        own = period == name
        calibrator = fitted(kind, score[~own], positive[~own])
        for metric, square in _beyond(score[own], alarm[own], positive[own], calibrator, rng).items():
            if square == square:  # noqa: PLR0124 (NaN)
                beyond[metric].append(square)
    return {
        metric: Carried(periods=len(found), variance=max(float(np.mean(found)), 0.0))
        for metric, found in beyond.items()
        if len(found) >= LEAST_PERIODS
    }


def _beyond(
    score: Array, alarm: Array, positive: Array, calibrator: Calibrator, rng: np.random.Generator
) -> dict[str, float]:
    """Return each metric's squared miss less the variance of the labels' luck; NaN where it has no value."""
    order = np.lexsort((alarm, score))
    real = values(cells_of(score, alarm, most=len(score)), positive[order])
    cells = cells_of(score, alarm)
    promised = calibrator(cells.score)
    expected = values(cells, cells.rows * promised)
    whole = cells.rows.astype(np.int64)
    luck = [values(cells, rng.binomial(whole, promised).astype(np.float64)) for _ in range(_DRAWS)]
    return {
        metric: (real[metric] - expected[metric]) ** 2 - float(np.var([one[metric] for one in luck]))
        for metric in METRICS
    }
