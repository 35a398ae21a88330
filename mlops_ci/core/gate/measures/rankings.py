"""Metrics of how rows are ranked: area under the ROC curve, average precision, recall at an alarm rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap, influence, ranking
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Measure, Rules, UndefinedError
from mlops_ci.core.gate.linear import Linear, linear_estimate
from mlops_ci.core.gate.measures.base import (
    LEAST_OF_A_CLASS,
    Bools,
    Floats,
    Valued,
    in_steps,
    level_of_linear,
    linear_of,
    method_name,
    need,
    silent_slack,
)
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.pair import Pair, probabilities
from mlops_ci.core.gate.standard_error import Tail
from mlops_ci.core.policy import MetricPolicy

#: By metric, see `Ranking.tail`.
TAILS: dict[str, Tail] = {"roc_auc": "area", "average_precision": "rank", "recall_at_fpr": "threshold"}


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A metric of how positives and negatives are ranked (ROC AUC, average precision).

    Average precision and recall at a false positive rate are judged by their influence-function t alone:
    a percentile bootstrap beside it costs power and is not what keeps the error rates (see
    docs/benchmarks/gate_quality.md). Only a threshold among tied scores, where recall moves in steps,
    has both.

    Attributes
    ----------
    positive
        Shape (n,).
    champion, candidate
        Scores, shape (n,).
    value
        From positives, scores and weights to value and influence function.
    blocks
        The metric of resampled rows by block (see `bootstrap.resample_ranked`) for scores with many ties,
        or None for no bootstrap.
    tail
        `area` for DeLong's components, which carry their own correction for few rows of a class; `rank` for
        average precision; `threshold` for recall at a false positive rate.
    """

    positive: Bools
    champion: Floats
    candidate: Floats
    value: Callable[[Bools, Floats, Floats], Valued]
    blocks: Callable[[Floats, Floats], Floats] | None
    design: Design
    tail: Tail = "rank"

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return DeLong's interval, the influence-function t, or the wider of that and the bootstrap."""
        rows = self.design.live(rows)
        linear = self._linear(rows)
        positive, champion, candidate = self.positive[rows], self.champion[rows], self.candidate[rows]
        smaller = min(int(positive.sum()), int((~positive).sum()))
        resampled = None
        plain = "DeLong" if self.tail == "area" else "influence-function t"
        if self.blocks is not None and self.design.simple and in_steps(champion, candidate):
            values = linear.champion, linear.candidate
            resampled = self._resampled(self.blocks, positive, (champion, candidate), values, rules)
            plain += " and bootstrap"
        found = linear_estimate(
            linear,
            rules,
            method=method_name(plain, self.design),
            groups=self.design.groups(rows),
            resampled=resampled,
            slack=silent_slack(len(rows), rules.alpha, len(rows) / smaller),
            tail=self.tail,
        )
        if smaller >= LEAST_OF_A_CLASS:
            return found
        rarer = "positive" if positive.sum() == smaller else "negative"
        return replace(found, doubt=f"{smaller} {rarer} rows are too few to prove anything")

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design, tail=self.tail)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)
        first, second = (
            self.value(self.positive[rows], side[rows], weight) for side in (self.champion, self.candidate)
        )
        return linear_of(first, second, weight, lost=0 if self.tail == "area" else 1)

    def _resampled(
        self,
        blocks: Callable[[Floats, Floats], Floats],
        positive: Bools,
        scores: tuple[Floats, Floats],
        values: tuple[float, float],
        rules: Rules,
    ) -> Floats:
        sides = tuple(bootstrap.Ranked(score, positive) for score in scores)
        drawn = bootstrap.resample_ranked(sides, blocks, len(positive), rules.seed)
        # Blocks of neighbouring scores move the value a little; what they say about its spread stays.
        whole = np.ones((len(positive), 8), dtype=np.uint8)
        shift = [value - blocks(*side.sums(whole))[0] for value, side in zip(values, sides, strict=True)]
        return np.asarray(drawn + np.array(shift), dtype=np.float64)


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


def ranking_measure(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build a metric of rankings, of two classes or of many."""
    truth, first, second = probabilities(rule, pair)
    blocks: Callable[[Floats, Floats], Floats] | None = None
    value: Callable[[Bools, Floats, Floats], tuple[float, Floats]] = ranking.roc_auc
    if rule.metric == "average_precision":
        value = ranking.average_precision
    if rule.metric == "recall_at_fpr":
        if rule.fpr is None or not 0 < rule.fpr < 1:
            raise UnknownMetricError("it needs `fpr`, the false positive rate to hold, between 0 and 1")
        value = partial(ranking.recall_at_fpr, fpr=rule.fpr)
        blocks = partial(bootstrap.recall_of_blocks, fpr=rule.fpr)
    if truth.shape[1] == 1:
        return Ranking(
            positive=truth[:, 0],
            champion=first[:, 0],
            candidate=second[:, 0],
            value=value,
            blocks=blocks,
            design=pair.design,
            tail=TAILS[rule.metric],
        )
    return ManyRankings(
        truth=truth,
        champion=first,
        candidate=second,
        value=value,
        weighted=rule.average == "weighted",
        design=pair.design,
    )
