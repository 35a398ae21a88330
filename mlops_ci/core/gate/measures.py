"""Measures: one metric of both models, row by row, from which the estimate of any subset follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap
from mlops_ci.core.gate.batched import Batched
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.linear import Linear, Tail, level_of, linear_estimate

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Valued = tuple[float, Floats]
#: Rows of the rarer class below which a ranking proves nothing.
LEAST_OF_A_CLASS = 5


def linear_of(champion: Valued, candidate: Valued, weight: Floats, *, lost: int = 1) -> Linear:
    """Return values and influence functions as contributions of rows.

    Weights sum to n; `lost` degrees of freedom went into the mean of the influence functions.
    """
    n = len(weight)
    scale = weight / np.sqrt(n * max(n - lost, 1))
    return Linear(
        champion=champion[0],
        candidate=candidate[0],
        champion_parts=champion[1] * scale,
        candidate_parts=candidate[1] * scale,
        n=n,
    )


def method_name(plain: str, design: Design) -> str:
    """Name the method, which groups and weights change."""
    if design.group is not None:
        return f"{plain}, cluster t"
    return f"{plain}, weighted" if design.weight is not None else plain


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
            tail="mean",
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's mean; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design, tail="mean")

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)

        def side(values: Floats) -> Valued:
            value = float((values[rows] * weight).sum() / weight.sum())
            return value, values[rows] - value

        return linear_of(side(self.champion), side(self.candidate), weight)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A metric of true and predicted labels (F1, precision, MCC): influence-function t and bootstrap.

    Attributes
    ----------
    target, champion, candidate
        Class of each row as a whole number, shape (n,).
    value
        From target, predicted, weights and the classes at hand to value and influence function.
    batched
        The same value of many tables of counts; see `batched.batched_labels`.
    """

    target: Ints
    champion: Ints
    candidate: Ints
    value: Callable[..., Valued]
    batched: Batched
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the wider of the influence-function t and the bootstrap; see `Measure.estimate`."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        target, champion, candidate = self.target[rows], self.champion[rows], self.candidate[rows]
        rarest = int(np.unique(target, return_counts=True)[1].min())
        found = linear_estimate(
            linear,
            rules,
            method=method_name("influence-function t and bootstrap", self.design),
            groups=self.design.groups(rows),
            resampled=self._resampled(target, champion, candidate, rules) if self.design.simple else None,
            slack=silent_slack(len(rows), rules.alpha, len(rows) / rarest),
        )
        if rarest >= LEAST_OF_A_CLASS:
            return found
        return replace(found, doubt=f"{rarest} rows of the rarest class are too few to prove anything")

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        target, champion, candidate = self.target[rows], self.champion[rows], self.candidate[rows]
        weight = self.design.weights(rows)
        labels = np.unique(np.concatenate([np.unique(part) for part in (target, champion, candidate)]))
        first, second = (self.value(target, said, weight, labels) for said in (champion, candidate))
        return linear_of(first, second, weight)

    def _resampled(self, target: Ints, champion: Ints, candidate: Ints, rules: Rules) -> Floats:
        """Resample the table of true and both predicted labels: the same as resampling its rows.

        The cells are put in an order that does not depend on which model is called the champion, so
        that swapping the models mirrors the interval.
        """
        differ = np.flatnonzero(champion != candidate)
        if len(differ) and champion[differ[0]] > candidate[differ[0]]:
            return self._resampled(target, candidate, champion, rules)[:, ::-1]
        k = int(max(target.max(), champion.max(), candidate.max())) + 1
        codes, counts = np.unique((target * k + champion) * k + candidate, return_counts=True)
        true, first, second = codes // k**2, codes // k % k, codes % k

        def both(drawn: Floats) -> Floats:
            return np.stack([self.batched(true, said, drawn) for said in (first, second)], axis=1)

        return np.asarray(bootstrap.resample_counts(counts, both, rules.seed), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A metric of how positives and negatives are ranked (ROC AUC, average precision).

    Attributes
    ----------
    positive
        Shape (n,).
    champion, candidate
        Scores, shape (n,).
    value
        From positives, scores and weights to value and influence function.
    blocks
        The metric of resampled rows by block (see `bootstrap.resample_ranked`); None for DeLong.
    """

    positive: Bools
    champion: Floats
    candidate: Floats
    value: Callable[[Bools, Floats, Floats], Valued]
    blocks: Callable[[Floats, Floats], Floats] | None
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return DeLong's interval, or the wider of influence-function t and bootstrap."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        positive, champion, candidate = self.positive[rows], self.champion[rows], self.candidate[rows]
        smaller = min(int(positive.sum()), int((~positive).sum()))
        resampled = None
        if self.blocks is not None and self.design.simple:
            values = linear.champion, linear.candidate
            resampled = self._resampled(positive, champion, candidate, values, rules)
        plain = "DeLong" if self.blocks is None else "influence-function t and bootstrap"
        found = linear_estimate(
            linear,
            rules,
            method=method_name(plain, self.design),
            groups=self.design.groups(rows),
            resampled=resampled,
            slack=silent_slack(len(rows), rules.alpha, len(rows) / smaller),
            tail="rank",
        )
        if smaller >= LEAST_OF_A_CLASS:
            return found
        rarer = "positive" if positive.sum() == smaller else "negative"
        return replace(found, doubt=f"{smaller} {rarer} rows are too few to prove anything")

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design, tail="rank")

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)
        first, second = (
            self.value(self.positive[rows], side[rows], weight) for side in (self.champion, self.candidate)
        )
        # DeLong's components carry their own correction for few rows of a class.
        return linear_of(first, second, weight, lost=0 if self.blocks is None else 1)

    def _resampled(
        self, positive: Bools, champion: Floats, candidate: Floats, values: tuple[float, float], rules: Rules
    ) -> Floats:
        blocks = self.blocks or bootstrap.ap_of_blocks
        sides = (bootstrap.Ranked(champion, positive), bootstrap.Ranked(candidate, positive))
        drawn = bootstrap.resample_ranked(sides, blocks, len(positive), rules.seed)
        # Blocks of neighbouring scores move the value a little; what they say about its spread stays.
        whole = np.ones((len(positive), 8), dtype=np.uint8)
        shift = [value - blocks(*side.sums(whole))[0] for value, side in zip(values, sides, strict=True)]
        return np.asarray(drawn + np.array(shift), dtype=np.float64)


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
    """

    target: Floats
    champion: Floats
    candidate: Floats
    value: Callable[[Floats, Floats, Floats], Valued]
    of_means: Callable[[Floats, Floats, Floats], Floats]
    design: Design

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
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design)

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


def level_of_linear(linear: Linear, rows: Array, design: Design, *, tail: Tail = "smooth") -> Level:
    """Return the candidate's own value with its spread."""
    return level_of(linear.candidate, linear.candidate_parts, design.groups(rows), tail=tail)


def silent_slack(n: int, alpha: float, leverage: float) -> float:
    """Return how far apart two models may be of which no row tells a difference.

    With no such row among n, at most about -ln(alpha) / n of all rows tell one (the rule of three), and
    one row in n moves the metric by no more than `leverage` / n.
    """
    return float(-np.log(alpha) / n * leverage)


def need(rows: Array, least: int) -> None:
    """Refuse too few rows.

    Raises
    ------
    UndefinedError
        If there are fewer than `least`.
    """
    if len(rows) < least:
        raise UndefinedError(f"{len(rows)} row{'s' if len(rows) != 1 else ''} cannot show it")
