"""Builds the measure of a metric from its name and two evaluations, or says which column is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlops_ci.core.gate.estimate import Measure
from mlops_ci.core.gate.measures.calibration import calibration_measure
from mlops_ci.core.gate.measures.columns import column_measure
from mlops_ci.core.gate.measures.custom import custom_measure
from mlops_ci.core.gate.measures.labels import labels_measure
from mlops_ci.core.gate.measures.loss import loss_measure
from mlops_ci.core.gate.measures.rankings import ranking_measure
from mlops_ci.core.gate.measures.regression import regression_measure
from mlops_ci.core.gate.measures.share import share_measure
from mlops_ci.core.gate.metrics import KIND, Kind, UnknownMetricError
from mlops_ci.core.gate.pair import Pair
from mlops_ci.core.policy import MetricPolicy


def measure_of(name: str, rule: MetricPolicy, pair: Pair) -> Measure:
    """Return the measure of one metric of a policy.

    Raises
    ------
    UnknownMetricError
        If the metric is not known, or the evaluations lack what it needs.
    """
    if rule.column is not None:
        return column_measure(rule, pair)
    if ":" in rule.metric:
        return custom_measure(name, rule, pair)
    if rule.metric not in KIND:
        raise UnknownMetricError(f"'{rule.metric}' is not a metric that mlops-ci knows")
    return BUILDERS[KIND[rule.metric]](rule, pair)


def _share(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build a share of rows; None for recall averaged over classes, which has no single denominator."""
    if rule.metric == "recall" and rule.average in {"macro", "weighted"}:
        return labels_measure(rule, pair)
    return share_measure(rule, pair)


def _labels(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build a metric of labels; with `micro` averaging, precision and F1 equal the accuracy."""
    if rule.metric in {"precision", "f1"} and rule.average == "micro":
        return share_measure(rule, pair)
    return labels_measure(rule, pair)


BUILDERS: Mapping[Kind, Callable[[MetricPolicy, Pair], Measure]] = {
    "share": _share,
    "labels": _labels,
    "loss": loss_measure,
    "rank": ranking_measure,
    "regression": regression_measure,
    "calibration": calibration_measure,
}
