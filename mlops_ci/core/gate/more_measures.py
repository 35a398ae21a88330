"""Further measures: quantiles of a column, rankings of many classes, the user's own function."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap, influence
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.linear import Linear, level_of, linear_estimate
from mlops_ci.core.gate.measures import (
    LEAST_OF_A_CLASS,
    Valued,
    level_of_linear,
    linear_of,
    method_name,
    need,
    silent_slack,
)
from mlops_ci.core.gate.ranking import expected_calibration_error

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

#: Blocks of the jackknife of a function, and resamples of its bootstrap: each costs two calls.
JACKKNIFE_BLOCKS = 100
FUNCTION_RESAMPLES = 400
SHOWN_ONLY = "its estimate is biased upwards, so it is shown and not judged"


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A quantile of a per-row value (95th percentile of latency): linearised t and bootstrap."""

    champion: Floats
    candidate: Floats
    share: float
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the wider of the two intervals; see `Measure.estimate`."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        sides = [side[rows] for side in (self.champion, self.candidate)]
        resampled = None
        if self.design.simple:
            every = np.zeros(len(rows), dtype=bool)
            resampled = np.concatenate(
                [
                    bootstrap.resample_ranked(
                        (bootstrap.Ranked(side, every, exact=True),),
                        partial(bootstrap.quantile_of_blocks, order=np.unique(side)[::-1], level=self.share),
                        len(rows),
                        rules.seed,
                    )
                    for side in sides
                ],
                axis=1,
            )
        return linear_estimate(
            linear,
            rules,
            method=method_name("linearised quantile t and bootstrap", self.design),
            groups=self.design.groups(rows),
            resampled=resampled,
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's quantile; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)
        first, second = (
            influence.quantile(side[rows], weight, self.share) for side in (self.champion, self.candidate)
        )
        return linear_of(first, second, weight)


@dataclass(frozen=True, kw_only=True)
class ManyRankings:
    """A ranking metric of several classes, one against the rest: their mean, plain or by class share.

    Attributes
    ----------
    truth
        One-hot classes, shape (n, k).
    champion, candidate
        Scores, shape (n, k).
    """

    truth: Bools
    champion: Floats
    candidate: Floats
    value: Callable[[Bools, Floats, Floats], Valued]
    weighted: bool
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the influence-function t interval; see `Measure.estimate`."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        smallest = int(self.truth[rows].sum(axis=0).min())
        found = linear_estimate(
            linear,
            rules,
            method=method_name("influence-function t", self.design),
            groups=self.design.groups(rows),
            slack=silent_slack(len(rows), rules.alpha, len(rows) / smallest),
            tail="rank",
        )
        if smallest >= LEAST_OF_A_CLASS:
            return found
        return replace(found, doubt=f"{smallest} rows of the rarest class are too few to prove anything")

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design, tail="rank")

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        truth, weight = self.truth[rows], self.design.weights(rows)
        if not truth.any(axis=0).all():
            raise UndefinedError("a class does not occur")
        first, second = (self._mean(truth, side[rows], weight) for side in (self.champion, self.candidate))
        return linear_of(first, second, weight)

    def _mean(self, truth: Bools, score: Floats, weight: Floats) -> Valued:
        total, parts = 0.0, np.zeros(len(truth))
        for k in range(truth.shape[1]):
            value, part = self.value(truth[:, k], score[:, k], weight)
            share = influence.mean(truth[:, k].astype(np.float64), weight)
            factor = share if self.weighted else 1 / truth.shape[1]
            total, parts = total + factor * value, parts + factor * part
            if self.weighted:
                parts = parts + (truth[:, k] - share) * value
        return total, parts


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


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Expected calibration error: both values, and no interval, for its estimate is biased."""

    positive: Bools
    champion: Floats
    candidate: Floats
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return both values with bounds that prove nothing; see `Measure.estimate`."""
        first, second = self._values(rows)
        return Estimate(
            champion=first,
            candidate=second,
            difference=rules.sign * (second - first),
            lower=-math.inf,
            upper=math.inf,
            margin=rules.margin * first if rules.relative else rules.margin,
            pvalue=1.0,
            standard_error=0.0,
            better=False,
            method="reported, not judged",
            n=len(rows),
            doubt=SHOWN_ONLY,
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        value = self._values(rows)[1]
        return Level(
            value=value, error=math.inf, n=len(rows), method="reported, not judged", doubt=SHOWN_ONLY
        )

    def _values(self, rows: Array) -> tuple[float, float]:
        rows = self.design.live(rows)
        need(rows, 1)
        weight = self.design.weights(rows)
        first, second = (
            expected_calibration_error(self.positive[rows], side[rows], weight)
            for side in (self.champion, self.candidate)
        )
        return first, second
