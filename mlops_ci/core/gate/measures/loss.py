"""The mean of a loss that every row has: log loss, Brier score, absolute and squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.linear import Linear, linear_estimate
from mlops_ci.core.gate.measures.base import (
    Bools,
    Floats,
    Valued,
    level_of_linear,
    linear_of,
    method_name,
    need,
    silent_slack,
)
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.pair import Pair, numbers, probabilities
from mlops_ci.core.policy import MetricPolicy

#: Largest log loss of one row, in nats: a score below 0.00005 counts as 0.00005.
LOG_LOSS_CLIP = 10.0


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The mean of a loss (or gain) that every row has: paired t.

    Attributes
    ----------
    champion, candidate
        Per-row values, shape (n,).
    """

    champion: Floats
    candidate: Floats
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the paired t interval; see `Measure.estimate`."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        both = np.concatenate([self.champion[rows], self.candidate[rows]])
        return linear_estimate(
            linear,
            rules,
            method=method_name("paired t", self.design),
            groups=self.design.groups(rows),
            slack=silent_slack(len(rows), rules.alpha, float(np.ptp(both))),
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's mean; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)

        def side(values: Floats) -> Valued:
            value = float((values[rows] * weight).sum() / weight.sum())
            return value, values[rows] - value

        return linear_of(side(self.champion), side(self.candidate), weight)


def loss_measure(rule: MetricPolicy, pair: Pair) -> Loss:
    """Build the mean of a per-row loss of predictions or of scores."""
    if rule.metric in {"mean_absolute_error", "mean_squared_error"}:
        target, first, second = numbers(pair)
        power = 1 if rule.metric == "mean_absolute_error" else 2
        clip = np.inf if rule.clip is None else rule.clip
        return Loss(
            champion=np.minimum(np.abs(first - target) ** power, clip),
            candidate=np.minimum(np.abs(second - target) ** power, clip),
            design=pair.design,
        )
    truth, first, second = probabilities(rule, pair)
    for side, values in (("champion", first), ("candidate", second)):
        if values.min() < 0 or values.max() > 1:
            raise UnknownMetricError(f"the {side}'s scores are not probabilities (they leave 0 to 1)")
    loss = _log_loss if rule.metric == "log_loss" else _brier
    clip = LOG_LOSS_CLIP if rule.clip is None else rule.clip
    return Loss(champion=loss(truth, first, clip), candidate=loss(truth, second, clip), design=pair.design)


def _log_loss(truth: Bools, score: Floats, clip: float) -> Floats:
    """Return minus the logarithm of the probability of the true class, at most `clip` nats."""
    if truth.shape[1] == 1:
        said = np.where(truth[:, 0], score[:, 0], 1 - score[:, 0])
    else:
        said = (score * truth).sum(axis=1) / score.sum(axis=1)
    return np.asarray(-np.log(np.maximum(said, np.exp(-clip))))


def _brier(truth: Bools, score: Floats, clip: float) -> Floats:
    """Return the squared error of the probabilities, summed over classes if there are more than two."""
    return np.asarray(np.minimum(((score - truth) ** 2).sum(axis=1), clip))
