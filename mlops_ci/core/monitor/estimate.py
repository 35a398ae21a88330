"""Performance without labels: what a calibrated score promises, with an interval, and when not to trust it.

Confidence-based performance estimation: if a calibrated score says that a row is positive with probability
p, then an alarm on it is right with probability p. Summed over a window this is the expected confusion
table, and every metric of it. It holds while P(label | score) is what it was on the holdout, so it sees a
change of the data and is blind to a change of the labels' meaning (concept drift).

References
----------
NannyML's documentation of CBPE; Guillory et al. (2021), Predicting with Confidence on Unseen
Distributions (difference of confidences), arXiv:2107.03315; Garg et al. (2022), Leveraging Unlabeled Data
to Predict Out-of-Distribution Performance (ATC), ICLR, arXiv:2201.04234.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.monitor.calibrate import Calibrator, Choice, Kind, chosen, fitted
from mlops_ci.core.monitor.delayed_labels import CERTAIN, CONFIDENCE, Miss, Transfer, learned
from mlops_ci.core.monitor.expected import METRICS, cells_of, values
from mlops_ci.core.monitor.periods import Carried, carried

Array = NDArray[Any]

_DRAWS = 400
LEAST_ROWS, LEAST_OF_A_CLASS = 200, 30
WORST_CALIBRATION, MOST_OUTSIDE = 0.05, 0.01


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a champion's holdout says of its scores: all that estimates rest on.

    Attributes
    ----------
    score, positive
        Of the holdout's rows, shape (n,); labels are 1 or 0.
    choice
        Which calibrators fit.
    calibrators
        Drawn by bootstrap over the holdout and over the kinds that fit about as well.
    best
        Fitted to the whole holdout.
    carried
        By metric, how far estimates of its periods were off; empty where its rows have no times.
    """

    score: Array
    positive: Array
    choice: Choice
    best: Calibrator
    calibrators: Sequence[Calibrator] = field(default_factory=tuple)
    carried: Mapping[str, Carried] = field(default_factory=dict)


def basis_of(
    score: Array,
    positive: Array,
    alarm: Array | None = None,
    period: Array | None = None,
    *,
    seed: int = 0,
    draws: int = _DRAWS,
) -> Basis:
    """Calibrate a champion's scores on its holdout, and learn how that carries over in time.

    Parameters
    ----------
    score, positive
        Scores of the positive class, and true labels as 1 or 0, shape (n,).
    alarm, period
        Whether the model called the row positive, and the row's period (`periods.periods_of`), shape (n,);
        None where the holdout's rows have no times: then nothing is learnt of what changes over time.
    """
    score, positive = score.astype(np.float64), positive.astype(np.float64)
    choice = chosen(score, positive, seed=seed)
    rng = np.random.default_rng([seed, 1])
    drawn = []
    for index in range(draws):
        kind: Kind = choice.kinds[index % len(choice.kinds)]
        weight = np.bincount(rng.integers(len(score), size=len(score)), minlength=len(score)).astype(float)
        drawn.append(fitted(kind, score, positive, weight))
    known: Mapping[str, Carried] = {}
    if alarm is not None and period is not None:
        known = carried(score, alarm.astype(bool), positive, period, choice.kinds[0], seed=seed)
    return Basis(
        score=score,
        positive=positive,
        choice=choice,
        best=fitted(choice.kinds[0], score, positive),
        calibrators=tuple(drawn),
        carried=known,
    )


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """One metric of one window, estimated without its labels.

    Attributes
    ----------
    value, lower, upper
        The estimate, and the interval that the metric will lie in once the labels are there.
    half
        Half the interval's width before it was widened.
    correction
        What the labels of earlier windows added to the estimate.
    transfer
        What the holdout's periods say of how far it will be off.
    doubts
        Why it is not to be trusted here; empty if it may be.
    """

    metric: str
    value: float
    lower: float
    upper: float
    half: float = 0.0
    correction: float = 0.0
    transfer: Transfer = field(default_factory=Transfer)
    doubts: tuple[str, ...] = ()

    def taught(self, misses: Sequence[Miss], confidence: float = CONFIDENCE) -> Estimated:
        """Return the bare estimate with what labels teach of it; `misses` are the oldest first."""
        if self.half <= CERTAIN:
            return self
        known = learned(misses, self.transfer, confidence)
        value = _inside(self.metric, self.value + known.correction)
        wide = known.widening * self.half
        return replace(
            self,
            value=value,
            lower=_inside(self.metric, value - wide),
            upper=_inside(self.metric, value + wide),
            correction=value - self.value,
        )

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against it but what no estimate can see."""
        return not self.doubts


def estimated(
    basis: Basis,
    score: Array,
    alarm: Array,
    metrics: Sequence[str] = METRICS,
    *,
    history: Mapping[str, Sequence[Miss]] | None = None,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimated]:
    """Estimate metrics of a window without labels.

    The interval holds the luck of the labels (each is drawn with its probability), of the holdout (a
    bootstrap), and the choice among calibrators that fit about as well; `learned` widens it by what the
    world did before, in earlier windows and in the holdout's periods.

    Parameters
    ----------
    score, alarm
        Scores of the positive class, and whether the model called the row positive, shape (n,).
    history
        By metric, how far off estimates of earlier windows were whose labels came, oldest first.
    """
    cells = cells_of(score, alarm)
    middle = values(cells, cells.rows * basis.best(cells.score))
    rng = np.random.default_rng([seed, 2])
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    whole = cells.rows.astype(np.int64)
    for calibrator in basis.calibrators:
        one = values(cells, rng.binomial(whole, calibrator(cells.score)).astype(np.float64))
        for name in metrics:
            drawn[name].append(one[name])
    doubts = doubts_of(basis, score)
    made = {}
    for name in metrics:
        value = middle[name]
        known = np.array([one for one in drawn[name] if one == one])  # noqa: PLR0124 (NaN)
        if value != value or len(known) < len(drawn[name]) / 2:  # noqa: PLR0124 (NaN)
            continue
        low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
        half = max((float(high) - float(low)) / 2, 1e-9)
        bare = Estimated(
            metric=name,
            value=value,
            lower=_inside(name, value - half),
            upper=_inside(name, value + half),
            half=half,
            transfer=_transfer(basis.carried.get(name), half, confidence),
            doubts=doubts,
        )
        made[name] = bare.taught((history or {}).get(name, ()), confidence)
    return made


def _transfer(known: Carried | None, half: float, confidence: float) -> Transfer:
    """Return the variance beyond chance in variances of chance, which `half` is some standard errors of."""
    from scipy.special import ndtri  # noqa: PLC0415

    if known is None:
        return Transfer()
    chance = half / float(ndtri((1 + confidence) / 2))
    return Transfer(periods=known.periods, excess=known.variance / chance**2)


def doubts_of(basis: Basis, score: Array) -> tuple[str, ...]:
    """Return why estimates from these scores are not to be trusted; empty if nothing speaks against it."""
    found = []
    choice = basis.choice
    rare = min(choice.positives, choice.rows - choice.positives)
    if choice.rows < LEAST_ROWS or rare < LEAST_OF_A_CLASS:
        found.append(
            f"the holdout is too small to calibrate on ({choice.rows:,} rows, {rare:,} of the rarer class)"
        )
    if choice.error > WORST_CALIBRATION:
        found.append(
            f"the score cannot be calibrated: on held-out rows it is {choice.error:.3f} off on average"
        )
    low, high = float(basis.score.min()), float(basis.score.max())
    outside = float(((score < low) | (score > high)).mean())
    if outside > MOST_OUTSIDE:
        found.append(
            f"{outside:.1%} of the scores lie outside the holdout's range, where nothing is known of them"
        )
    return tuple(found)


def _inside(metric: str, value: float) -> float:
    return max(value, 0.0) if metric == "log_loss" else min(max(value, 0.0), 1.0)
