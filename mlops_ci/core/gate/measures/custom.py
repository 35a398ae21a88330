"""The user's own function of true and predicted values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.linear import Linear, level_of, linear_estimate
from mlops_ci.core.gate.measures.base import method_name, need, silent_slack
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.pair import Pair
from mlops_ci.core.policy import MetricPolicy

#: Blocks of the jackknife of a function, and resamples of its bootstrap: each costs two calls.
JACKKNIFE_BLOCKS = 100
FUNCTION_RESAMPLES = 400


@dataclass(frozen=True, kw_only=True)
class Custom:
    """The user's own function of true and predicted values: delete-a-block jackknife t and bootstrap.

    Attributes
    ----------
    function
        Called as ``function(y_true, y_pred)``, with ``sample_weight`` where rows have weights.
    """

    target: Array
    champion: Array
    candidate: Array
    function: Callable[..., Any]
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the wider of the two intervals; see `Measure.estimate`.

        References
        ----------
        Shao and Tu (1995), The Jackknife and Bootstrap, section 2.3 (blocks of rows left out).
        """
        rows = self.design.live(rows)
        linear = self._linear(rows)
        count = len(linear.champion_parts)
        resampled = None
        if self.design.simple:
            rng = np.random.default_rng([rules.seed, len(rows)])
            resampled = np.array(
                [self._values(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(FUNCTION_RESAMPLES)]
            )
        return linear_estimate(
            linear,
            rules,
            method=method_name("block jackknife t and bootstrap", self.design),
            groups=np.arange(count) if self.design.group is not None else None,
            resampled=resampled,
            slack=silent_slack(len(rows), rules.alpha, float(len(rows))),
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        linear = self._linear(self.design.live(rows))
        return level_of(linear.candidate, linear.candidate_parts, None)

    def _linear(self, rows: Array) -> Linear:
        """Return both values and the contributions of blocks of rows."""
        need(rows, 2)
        values, blocks = self._values(rows), self._blocks(rows)
        count = int(blocks.max()) + 1
        left_out = np.array([self._values(rows[blocks != block]) for block in range(count)])
        parts = math.sqrt((count - 1) / count) * (left_out.mean(axis=0) - left_out)
        return Linear(
            champion=values[0],
            candidate=values[1],
            champion_parts=parts[:, 0],
            candidate_parts=parts[:, 1],
            n=len(rows),
        )

    def _blocks(self, rows: Array) -> NDArray[np.int64]:
        """Return the block of each row: whole groups together, else every hundredth row."""
        groups = self.design.groups(rows)
        if groups is None:
            return np.arange(len(rows)) % JACKKNIFE_BLOCKS
        return np.asarray(np.unique(groups, return_inverse=True)[1] % JACKKNIFE_BLOCKS)

    def _values(self, rows: Array) -> tuple[float, float]:
        more = {}
        if self.design.weight is not None:
            if "sample_weight" not in inspect.signature(self.function).parameters:
                raise UndefinedError("the function takes no `sample_weight`, and the rows have weights")
            more = {"sample_weight": self.design.weight[rows]}
        first, second = (
            float(self.function(self.target[rows], side[rows], **more))
            for side in (self.champion, self.candidate)
        )
        return first, second


def custom_measure(name: str, rule: MetricPolicy, pair: Pair) -> Custom:
    """Build the measure of a function that the caller handed over."""
    function = pair.custom.get(name, pair.custom.get(rule.metric))
    if function is None:
        raise UnknownMetricError(f"the function '{rule.metric}' was not handed over")
    part = "prediction" if pair.candidate.prediction is not None else "score"
    first, second = pair.both(part, f"evaluation.{part}")
    return Custom(target=pair.target, champion=first, candidate=second, function=function, design=pair.design)
