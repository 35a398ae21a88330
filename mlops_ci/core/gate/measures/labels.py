"""Metrics of true and predicted labels: F1, precision, balanced accuracy, Matthews' correlation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap, influence
from mlops_ci.core.gate.bootstrap_labels import Batched, batched_labels
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.linear import Linear, linear_estimate
from mlops_ci.core.gate.measures.base import (
    LEAST_OF_A_CLASS,
    Floats,
    Ints,
    Valued,
    level_of_linear,
    linear_of,
    method_name,
    need,
    silent_slack,
)
from mlops_ci.core.gate.pair import Pair, labels_of, positive_label
from mlops_ci.core.policy import MetricPolicy


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
        The same value of many tables of counts; see `bootstrap_labels.batched_labels`.
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


def labels_measure(rule: MetricPolicy, pair: Pair) -> Labels:
    """Build F1, precision, balanced accuracy or MCC on classes as whole numbers."""
    target = labels_of(pair.target)
    champion, candidate = (labels_of(side) for side in pair.both("prediction", "evaluation.prediction"))
    labels, codes = np.unique(np.concatenate([target, champion, candidate]), return_inverse=True)
    true, first, second = codes.reshape(3, -1)
    binary = rule.average == "binary" and rule.metric in {"precision", "f1"}
    if binary:
        label = positive_label(rule, target)
        true, first, second = ((side == label).astype(np.int64) for side in (target, champion, candidate))
        labels = np.array(["0", "1"])
    average = "binary" if binary else rule.average
    return Labels(
        target=true,
        champion=first,
        candidate=second,
        value=label_value(rule.metric, average),
        batched=batched_labels(rule.metric, average, len(labels)),
        design=pair.design,
    )


def label_value(metric: str, average: str) -> Callable[..., tuple[float, Floats]]:
    """Return the value and influence function of a metric of labels (see `measures.Labels`)."""
    if metric == "balanced_accuracy":
        return lambda target, said, weight, labels: influence.balanced_accuracy(target, said, weight)
    if metric == "matthews_corrcoef":
        return lambda target, said, weight, labels: influence.matthews_corrcoef(target, said, weight)
    if average == "binary":
        return partial(_of_positives, metric)
    return partial(influence.averaged, metric, average=average)


def _of_positives(metric: str, target: Ints, said: Ints, weight: Floats, labels: Ints) -> Valued:
    """Return precision or F1 of the class 1; where no row is of it, 0 for every model says nothing."""
    del labels
    if not (target == 1).any():
        raise UndefinedError("there is no positive row")
    return influence.class_scores(metric, target, said, weight, 1)
