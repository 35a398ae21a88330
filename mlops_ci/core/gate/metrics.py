"""The built-in metrics: the family of measures that each belongs to, and its direction."""

from __future__ import annotations

from typing import Literal

from mlops_ci.core.metric_names import GREATER_IS_BETTER
from mlops_ci.core.policy import MetricPolicy

Kind = Literal["share", "loss", "rank", "labels", "regression", "calibration"]


KIND: dict[str, Kind] = {
    "accuracy": "share",
    "recall": "share",
    "specificity": "share",
    "false_positive_rate": "share",
    "balanced_accuracy": "labels",
    "precision": "labels",
    "f1": "labels",
    "matthews_corrcoef": "labels",
    "log_loss": "loss",
    "brier_score": "loss",
    "mean_absolute_error": "loss",
    "mean_squared_error": "loss",
    "roc_auc": "rank",
    "average_precision": "rank",
    "recall_at_fpr": "rank",
    "expected_calibration_error": "calibration",
    "root_mean_squared_error": "regression",
    "r2": "regression",
}


class UnknownMetricError(ValueError):
    """A metric that cannot be computed as the policy asks; the message says what to change."""


def greater_is_better(name: str, policy: MetricPolicy) -> bool:
    """Return the direction: the policy's, or that of a known metric; it is never guessed from a name.

    Raises
    ------
    UnknownMetricError
        If neither says so.
    """
    if policy.greater_is_better is not None:
        return policy.greater_is_better
    if policy.metric not in GREATER_IS_BETTER:
        raise UnknownMetricError(f"{name} needs `greater_is_better`: nothing is guessed from a name")
    return GREATER_IS_BETTER[policy.metric]
