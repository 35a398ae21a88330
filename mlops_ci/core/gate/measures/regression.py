"""Metrics of errors and spread of numbers: root mean squared error and R2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap, influence
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.linear import Linear, linear_estimate
from mlops_ci.core.gate.measures.base import Floats, Valued, level_of_linear, linear_of, method_name, need
from mlops_ci.core.gate.pair import Pair, numbers
from mlops_ci.core.gate.standard_error import Tail
from mlops_ci.core.policy import MetricPolicy


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A metric of errors and spread (RMSE, R2): influence-function t and bootstrap of sums.

    Attributes
    ----------
    target, champion, candidate
        True and predicted values, shape (n,).
    value
        From target, predicted and weights to value and influence function.
    of_means
        From the means of squared error, target and squared target, each of shape (B,), to the value.
    tail
        What kind of metric it is (see `spread_of`).
    """

    target: Floats
    champion: Floats
    candidate: Floats
    value: Callable[[Floats, Floats, Floats], Valued]
    of_means: Callable[[Floats, Floats, Floats], Floats]
    design: Design
    tail: Tail = "smooth"

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the wider of the influence-function t and the bootstrap; see `Measure.estimate`."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        target, champion, candidate = self.target[rows], self.champion[rows], self.candidate[rows]
        return linear_estimate(
            linear,
            rules,
            method=method_name("influence-function t and bootstrap", self.design),
            groups=self.design.groups(rows),
            resampled=self._resampled(target, champion, candidate, rules) if self.design.simple else None,
            tail=self.tail,
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design, tail=self.tail)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight, target = self.design.weights(rows), self.target[rows]
        first, second = (self.value(target, side[rows], weight) for side in (self.champion, self.candidate))
        return linear_of(first, second, weight)

    def _resampled(self, target: Floats, champion: Floats, candidate: Floats, rules: Rules) -> Floats:
        centred = target - target.mean()
        columns = np.stack([(champion - target) ** 2, (candidate - target) ** 2, centred, centred**2], axis=1)

        def both(means: Floats) -> Floats:
            return np.stack([self.of_means(means[:, i], means[:, 2], means[:, 3]) for i in (0, 1)], axis=1)

        return np.asarray(bootstrap.resample_sums(columns, both, rules.seed), dtype=np.float64)


def regression_measure(rule: MetricPolicy, pair: Pair) -> Regression:
    """Build RMSE or R2."""
    target, first, second = numbers(pair)
    square_root = rule.metric == "root_mean_squared_error"
    return Regression(
        target=target,
        champion=first,
        candidate=second,
        value=influence.root_mean_squared_error if square_root else influence.r2,
        of_means=_rmse_of_means if square_root else _r2_of_means,
        design=pair.design,
        tail="smooth" if square_root else "ratio",
    )


def _rmse_of_means(error: Floats, target: Floats, squared: Floats) -> Floats:
    del target, squared
    return np.sqrt(np.maximum(error, 0))


def _r2_of_means(error: Floats, target: Floats, squared: Floats) -> Floats:
    spread = squared - target**2
    return np.asarray(1 - np.divide(error, spread, out=np.full_like(error, np.nan), where=spread > 0))
