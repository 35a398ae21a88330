"""The names of the built-in metrics, and in which direction each is better."""

from __future__ import annotations

# Names are scikit-learn's where it has the metric.
GREATER_IS_BETTER: dict[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "precision": True,
    "recall": True,
    "specificity": True,
    "false_positive_rate": False,
    "f1": True,
    "matthews_corrcoef": True,
    "log_loss": False,
    "brier_score": False,
    "roc_auc": True,
    "average_precision": True,
    "recall_at_fpr": True,
    "expected_calibration_error": False,
    "mean_absolute_error": False,
    "mean_squared_error": False,
    "root_mean_squared_error": False,
    "r2": True,
}

# These are in 0..1: no model loses more than 1.
SHARES = frozenset(
    {
        *("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "false_positive_rate", "f1"),
        *("roc_auc", "average_precision", "recall_at_fpr"),
    }
)

# A difference of these has no usable sampling distribution; they are shown and never gate.
REPORT_ONLY = frozenset({"expected_calibration_error"})
