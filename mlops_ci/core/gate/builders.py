"""From a metric's name and two evaluations to its measure, with one clear error for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.evidence import Array, Evaluation, canonical
from mlops_ci.core.gate import bootstrap, influence, ranking
from mlops_ci.core.gate.batched import batched_labels
from mlops_ci.core.gate.design import Design, design_of
from mlops_ci.core.gate.estimate import Measure
from mlops_ci.core.gate.measures import Labels, Loss, Ranking, Regression
from mlops_ci.core.gate.metrics import KIND, UnknownMetricError
from mlops_ci.core.gate.more_measures import Calibration, Custom, ManyRankings, Quantile
from mlops_ci.core.gate.shares import Share
from mlops_ci.core.policy import MetricPolicy

Floats = NDArray[np.floating[Any]]
#: Largest log loss of one row, in nats: a score below 0.00005 counts as 0.00005.
LOG_LOSS_CLIP = 10.0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two evaluations of the same rows, and what is worked out from them once for all metrics."""

    champion: Evaluation
    candidate: Evaluation
    design: Design = field(default_factory=Design)
    custom: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def target(self) -> Array:
        """True labels or values; the candidate's where both have them (they are equal)."""
        target = self.candidate.target if self.candidate.target is not None else self.champion.target
        if target is None:
            raise UnknownMetricError("there are no true labels (evaluation.target)")
        return target

    def both(self, part: str, key: str) -> tuple[Array, Array]:
        """Return a part of both evaluations, or say which settings key would give it."""
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


def measure_of(name: str, rule: MetricPolicy, pair: Pair) -> Measure:
    """Return the measure of one metric of a policy.

    Raises
    ------
    UnknownMetricError
        If the metric is not known, or the evaluations lack what it needs.
    """
    if rule.column is not None:
        return _column(rule, pair)
    if ":" in rule.metric:
        return _custom(name, rule, pair)
    kind = KIND.get(rule.metric)
    if kind is None:
        raise UnknownMetricError(f"'{rule.metric}' is not a metric that mlops-ci knows")
    if kind == "share":
        return _share(rule, pair)
    if kind == "labels":
        return _labels(rule, pair)
    if kind == "rank":
        return _ranking(rule, pair)
    return _loss(rule, pair) if kind == "loss" else _regression(rule, pair)


def _canonical(values: Array) -> Array:
    """Return labels as text, each distinct value converted once."""
    if values.dtype.kind in "biu":
        distinct, places = np.unique(values, return_inverse=True)
        return np.asarray(canonical(distinct)[places])
    return canonical(values)


def _positive_label(rule: MetricPolicy, target: Array) -> str:
    """Return the positive label: the one stated, or the greater of two (1 of 0 and 1)."""
    if rule.positive is not None:
        return str(canonical(np.asarray([rule.positive]))[0])
    labels = np.unique(target)
    if set(labels.tolist()) <= {"0", "1"}:
        return "1"
    if len(labels) != 2:
        shown = ", ".join(labels[:4]) + (", ..." if len(labels) > 4 else "")
        raise UnknownMetricError(
            f"its labels are {shown}: say which one is `positive`, or how classes are averaged "
            "(`average: macro`, `micro` or `weighted`)"
        )
    return str(labels[1])


def _positive(rule: MetricPolicy, target: Array) -> NDArray[np.bool_]:
    """Return which rows are positive."""
    return np.asarray(target == _positive_label(rule, target))


def _share(rule: MetricPolicy, pair: Pair) -> Measure:
    target = _canonical(pair.target)
    champion, candidate = (_canonical(side) for side in pair.both("prediction", "evaluation.prediction"))
    many = rule.average in {"macro", "weighted"}
    if rule.metric == "recall" and many:
        return _labels(rule, pair)
    if rule.metric == "accuracy" or rule.average == "micro":
        return Share(
            counts=np.ones(len(target), dtype=bool),
            champion=champion == target,
            candidate=candidate == target,
            design=pair.design,
        )
    positive = _positive(rule, target)
    label = _positive_label(rule, target)
    first, second = champion == label, candidate == label
    if rule.metric == "recall":
        return Share(counts=positive, champion=first, candidate=second, design=pair.design, of="positive row")
    if rule.metric == "specificity":
        first, second = ~first, ~second
    return Share(counts=~positive, champion=first, candidate=second, design=pair.design, of="negative row")


def _labels(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build F1, precision, balanced accuracy or MCC on classes as whole numbers."""
    target = _canonical(pair.target)
    champion, candidate = (_canonical(side) for side in pair.both("prediction", "evaluation.prediction"))
    if rule.metric in {"precision", "f1"} and rule.average == "micro":
        return _share(rule, pair)
    labels, codes = np.unique(np.concatenate([target, champion, candidate]), return_inverse=True)
    true, first, second = codes.reshape(3, -1)
    binary = rule.average == "binary" and rule.metric in {"precision", "f1"}
    if binary:
        label = _positive_label(rule, target)
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
        return lambda target, said, weight, labels: influence.class_scores(metric, target, said, weight, 1)
    return partial(influence.averaged, metric, average=average)


def _probabilities(rule: MetricPolicy, pair: Pair) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return the one-hot truth and both models' scores, each of shape (n, k); k is 1 for two classes."""
    target = _canonical(pair.target)
    sides = []
    truth: NDArray[np.bool_] | None = None
    for evaluation, score in zip(
        (pair.champion, pair.candidate), pair.both("score", "evaluation.score"), strict=True
    ):
        values: Floats = np.asarray(score, dtype=np.float64)
        if values.ndim == 2 and values.shape[1] > 2:
            names = canonical(np.asarray(evaluation.score_labels))
            unknown = np.setdiff1d(target, names)
            if len(unknown):
                raise UnknownMetricError(f"there is no score column of the class '{unknown[0]}'")
            order = np.argsort(names)
            values, hot = values[:, order], target[:, None] == names[order][None, :]
        else:
            label = _positive_label(rule, target)
            hot, values = (target == label)[:, None], _positive_column(label, evaluation, values)[:, None]
        if truth is not None and truth.shape != hot.shape:
            raise UnknownMetricError("champion and candidate score different classes")
        truth = hot
        sides.append(values)
    if truth is None:
        raise UnknownMetricError("there is no score")
    return truth, sides[0], sides[1]


def _positive_column(label: str, evaluation: Evaluation, values: Floats) -> Floats:
    """Return the score of the positive class from one column, or from the one of two that is named so."""
    if values.ndim == 1:
        return values
    names = canonical(np.asarray(evaluation.score_labels)).tolist() if evaluation.score_labels else []
    return np.asarray(values[:, names.index(label) if label in names else values.shape[1] - 1])


def _loss(rule: MetricPolicy, pair: Pair) -> Measure:
    if rule.metric in {"mean_absolute_error", "mean_squared_error"}:
        target, first, second = _numbers(pair)
        power = 1 if rule.metric == "mean_absolute_error" else 2
        clip = np.inf if rule.clip is None else rule.clip
        return Loss(
            champion=np.minimum(np.abs(first - target) ** power, clip),
            candidate=np.minimum(np.abs(second - target) ** power, clip),
            design=pair.design,
        )
    truth, first, second = _probabilities(rule, pair)
    for side, values in (("champion", first), ("candidate", second)):
        if values.min() < 0 or values.max() > 1:
            raise UnknownMetricError(f"the {side}'s scores are not probabilities (they leave 0 to 1)")
    loss = _log_loss if rule.metric == "log_loss" else _brier
    clip = LOG_LOSS_CLIP if rule.clip is None else rule.clip
    return Loss(champion=loss(truth, first, clip), candidate=loss(truth, second, clip), design=pair.design)


def _log_loss(truth: NDArray[np.bool_], score: Floats, clip: float) -> Floats:
    """Return minus the logarithm of what was said of the truth, at most `clip` nats."""
    if truth.shape[1] == 1:
        said = np.where(truth[:, 0], score[:, 0], 1 - score[:, 0])
    else:
        said = (score * truth).sum(axis=1) / score.sum(axis=1)
    return np.asarray(-np.log(np.maximum(said, np.exp(-clip))))


def _brier(truth: NDArray[np.bool_], score: Floats, clip: float) -> Floats:
    """Return the squared distance of what was said and what is; of all classes where there are many."""
    return np.asarray(np.minimum(((score - truth) ** 2).sum(axis=1), clip))


def _ranking(rule: MetricPolicy, pair: Pair) -> Measure:
    truth, first, second = _probabilities(rule, pair)
    blocks: Callable[[Floats, Floats], Floats] | None = None
    value: Callable[[NDArray[np.bool_], Floats, Floats], tuple[float, Floats]] = ranking.roc_auc
    if rule.metric == "average_precision":
        value, blocks = ranking.average_precision, bootstrap.ap_of_blocks
    if rule.metric == "recall_at_fpr":
        if rule.fpr is None or not 0 < rule.fpr < 1:
            raise UnknownMetricError("it needs `fpr`, the false positive rate to hold, between 0 and 1")
        value = partial(ranking.recall_at_fpr, fpr=rule.fpr)
        blocks = partial(bootstrap.recall_of_blocks, fpr=rule.fpr)
    if rule.metric == "expected_calibration_error":
        return Calibration(
            positive=truth[:, 0], champion=first[:, 0], candidate=second[:, 0], design=pair.design
        )
    if truth.shape[1] == 1:
        return Ranking(
            positive=truth[:, 0],
            champion=first[:, 0],
            candidate=second[:, 0],
            value=value,
            blocks=blocks,
            design=pair.design,
        )
    return ManyRankings(
        truth=truth,
        champion=first,
        candidate=second,
        value=value,
        weighted=rule.average == "weighted",
        design=pair.design,
    )


def _numbers(pair: Pair) -> tuple[Floats, Floats, Floats]:
    """Return true and predicted values as numbers."""
    parts = (pair.target, *pair.both("prediction", "evaluation.prediction"))
    try:
        target, first, second = (np.asarray(part, dtype=np.float64) for part in parts)
    except (ValueError, TypeError):
        raise UnknownMetricError("it needs numbers, and the labels or predictions are text") from None
    return target, first, second


def _regression(rule: MetricPolicy, pair: Pair) -> Measure:
    target, first, second = _numbers(pair)
    square_root = rule.metric == "root_mean_squared_error"
    return Regression(
        target=target,
        champion=first,
        candidate=second,
        value=influence.root_mean_squared_error if square_root else influence.r2,
        of_means=_rmse_of_means if square_root else _r2_of_means,
        design=pair.design,
    )


def _rmse_of_means(error: Floats, target: Floats, squared: Floats) -> Floats:
    del target, squared
    return np.sqrt(np.maximum(error, 0))


def _r2_of_means(error: Floats, target: Floats, squared: Floats) -> Floats:
    spread = squared - target**2
    return np.asarray(1 - np.divide(error, spread, out=np.full_like(error, np.nan), where=spread > 0))


def _column(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build a metric of a per-row column: its mean, or one of its quantiles."""
    column = rule.column or ""
    sides = []
    for side, evaluation in (("champion", pair.champion), ("candidate", pair.candidate)):
        if column not in evaluation.columns:
            raise UnknownMetricError(f"the {side}'s evaluation has no column '{column}'")
        try:
            values = np.asarray(evaluation.columns[column], dtype=np.float64)
        except (ValueError, TypeError):
            raise UnknownMetricError(f"the column '{column}' holds text, not numbers") from None
        if not np.isfinite(values).all():
            row = evaluation.id[int(np.argmax(~np.isfinite(values)))]
            raise UnknownMetricError(f"the {side}'s column '{column}' is missing in row '{row}'")
        sides.append(values)
    first, second = sides
    if rule.aggregate == "mean":
        if set(np.unique(first)) | set(np.unique(second)) <= {0.0, 1.0}:
            return Share(
                counts=np.ones(len(first), dtype=bool),
                champion=first == 1,
                candidate=second == 1,
                design=pair.design,
            )
        clip = np.inf if rule.clip is None else rule.clip
        return Loss(
            champion=np.clip(first, -clip, clip), candidate=np.clip(second, -clip, clip), design=pair.design
        )
    kind, _, level = rule.aggregate.partition(":")
    if kind != "quantile" or not 0 < float(level or 0) < 1:
        raise UnknownMetricError(f"aggregate '{rule.aggregate}' is neither `mean` nor `quantile:0.95`")
    return Quantile(champion=first, candidate=second, share=float(level), design=pair.design)


def _custom(name: str, rule: MetricPolicy, pair: Pair) -> Measure:
    function = pair.custom.get(name, pair.custom.get(rule.metric))
    if function is None:
        raise UnknownMetricError(f"the function '{rule.metric}' was not handed over")
    part = "prediction" if pair.candidate.prediction is not None else "score"
    first, second = pair.both(part, f"evaluation.{part}")
    return Custom(target=pair.target, champion=first, candidate=second, function=function, design=pair.design)
