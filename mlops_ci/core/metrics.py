"""The metrics that the gate knows: their direction, and what each one needs from an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_ci.core.policy import MetricPolicy

Kind = Literal["share", "loss", "rank", "labels", "regression"]


@dataclass(frozen=True, kw_only=True)
class Known:
    """One metric by its scikit-learn name: whether greater is better, and the family it belongs to."""

    greater_is_better: bool
    kind: Kind
    gate: bool = True


KNOWN: dict[str, Known] = {
    "accuracy": Known(greater_is_better=True, kind="share"),
    "recall": Known(greater_is_better=True, kind="share"),
    "specificity": Known(greater_is_better=True, kind="share"),
    "false_positive_rate": Known(greater_is_better=False, kind="share"),
    "balanced_accuracy": Known(greater_is_better=True, kind="labels"),
    "precision": Known(greater_is_better=True, kind="labels"),
    "f1": Known(greater_is_better=True, kind="labels"),
    "matthews_corrcoef": Known(greater_is_better=True, kind="labels"),
    "log_loss": Known(greater_is_better=False, kind="loss"),
    "brier_score": Known(greater_is_better=False, kind="loss"),
    "roc_auc": Known(greater_is_better=True, kind="rank"),
    "average_precision": Known(greater_is_better=True, kind="rank"),
    "recall_at_fpr": Known(greater_is_better=True, kind="rank"),
    "expected_calibration_error": Known(greater_is_better=False, kind="rank", gate=False),
    "mean_absolute_error": Known(greater_is_better=False, kind="loss"),
    "mean_squared_error": Known(greater_is_better=False, kind="loss"),
    "root_mean_squared_error": Known(greater_is_better=False, kind="regression"),
    "r2": Known(greater_is_better=True, kind="regression"),
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
    known = KNOWN.get(policy.metric)
    if known is None:
        raise UnknownMetricError(f"{name} needs `greater_is_better`: nothing is guessed from a name")
    return known.greater_is_better
