"""A pair of evaluations of the same rows, and the labels, numbers and probabilities read from both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array, Evaluation, canonical
from mlops_ci.core.gate.design import Design, design_of
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.policy import MetricPolicy

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two evaluations of the same rows, with values that all metrics share, computed once."""

    champion: Evaluation
    candidate: Evaluation
    design: Design = field(default_factory=Design)
    custom: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def target(self) -> Array:
        """True labels or values; the candidate's if both have them (they are equal)."""
        target = self.candidate.target if self.candidate.target is not None else self.champion.target
        if target is None:
            raise UnknownMetricError("there are no true labels (evaluation.target)")
        return target

    def both(self, part: str, key: str) -> tuple[Array, Array]:
        """Return an array of both evaluations; an error names the settings key that would provide it."""
        sides = getattr(self.champion, part), getattr(self.candidate, part)
        for name, side in zip(("champion", "candidate"), sides, strict=True):
            if side is None:
                raise UnknownMetricError(f"the {name}'s evaluation has no {part} ({key})")
        return sides


def pair_of(
    champion: Evaluation, candidate: Evaluation, custom: Mapping[str, Callable[..., Any]] | None = None
) -> Pair:
    """Return the pair of two evaluations that are known to match."""
    return Pair(
        champion=champion,
        candidate=candidate,
        design=design_of(champion, candidate),
        custom=custom or {},
    )


def labels_of(values: Array) -> Array:
    """Return labels as text; each distinct value is converted once."""
    if values.dtype.kind in "biuf":
        distinct, places = np.unique(values, return_inverse=True)
        return np.asarray(canonical(distinct)[places])
    return canonical(values)


def positive_label(rule: MetricPolicy, target: Array) -> str:
    """Return the positive label: the one stated, or the greater of two (1 of 0 and 1).

    A stated one may be missing from a holdout of one class (for false alarms alone), and not where two
    or more others occur: of a label that no row has, every rate is 0 for both models.
    """
    labels = np.unique(target)
    if rule.positive is not None:
        stated = str(canonical(np.asarray([rule.positive]))[0])
        if len(labels) > 1 and stated not in labels:
            raise UnknownMetricError(
                f"no row has the `positive` label '{stated}'; the labels are {_some(labels)}"
            )
        return stated
    if set(labels.tolist()) <= {"0", "1"}:
        return "1"
    if len(labels) != 2:
        raise UnknownMetricError(
            f"its labels are {_some(labels)}: say which one is `positive`, or how classes are averaged "
            "(`average: macro`, `micro` or `weighted`)"
        )
    return str(labels[1])


def _some(labels: Array) -> str:
    return ", ".join(labels[:4]) + (", ..." if len(labels) > 4 else "")


def probabilities(rule: MetricPolicy, pair: Pair) -> tuple[Bools, Floats, Floats]:
    """Return the one-hot truth and both models' scores, each of shape (n, k); k is 1 for two classes.

    The classes are those that either model scores; of one that it does not know, a model says 0.
    """
    target = labels_of(pair.target)
    sides = []
    truth: Bools | None = None
    classes = np.unique(canonical(np.asarray([*pair.champion.score_labels, *pair.candidate.score_labels])))
    for evaluation, score in zip(
        (pair.champion, pair.candidate), pair.both("score", "evaluation.score"), strict=True
    ):
        values: Floats = np.asarray(score, dtype=np.float64)
        if values.ndim == 2 and values.shape[1] > 2:
            names = canonical(np.asarray(evaluation.score_labels))
            unknown = np.setdiff1d(target, names)
            if len(unknown):
                raise UnknownMetricError(f"there is no score column of the class '{unknown[0]}'")
            spread: Floats = np.zeros((len(values), len(classes)))
            spread[:, np.searchsorted(classes, names)] = values
            values, hot = spread, target[:, None] == classes[None, :]
        else:
            label = positive_label(rule, target)
            hot, values = (target == label)[:, None], _positive_column(label, evaluation, values)[:, None]
        if truth is not None and truth.shape != hot.shape:
            raise UnknownMetricError("champion and candidate score different classes")
        truth = hot
        sides.append(values)
    if truth is None:
        raise UnknownMetricError("there is no score")
    return truth, sides[0], sides[1]


def _positive_column(label: str, evaluation: Evaluation, values: Floats) -> Floats:
    """Return the score of the positive class, from the only column or from the one named after that class."""
    if values.ndim == 1:
        return values
    names = canonical(np.asarray(evaluation.score_labels)).tolist() if evaluation.score_labels else []
    return np.asarray(values[:, names.index(label) if label in names else values.shape[1] - 1])


def numbers(pair: Pair) -> tuple[Floats, Floats, Floats]:
    """Return true and predicted values as numbers."""
    parts = (pair.target, *pair.both("prediction", "evaluation.prediction"))
    try:
        target, first, second = (np.asarray(part, dtype=np.float64) for part in parts)
    except (ValueError, TypeError):
        raise UnknownMetricError("it needs numbers, and the labels or predictions are text") from None
    return target, first, second
