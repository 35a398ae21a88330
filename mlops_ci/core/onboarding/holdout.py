"""Checks whether the holdout has enough rows to settle the margins of the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.gate.power import rows_for_disagreement
from mlops_ci.core.onboarding.checks import Check, failed, ok, warning
from mlops_ci.core.onboarding.metrics import DISAGREEMENT
from mlops_ci.core.policy import MetricPolicy, Policy

_SUBJECT = "holdout"
_OF_ROWS = frozenset({"accuracy"})
# Of rates, only rows of one class count.
_OF_POSITIVES = frozenset({"recall"})
_OF_NEGATIVES = frozenset({"specificity", "false_positive_rate"})
FEWEST_GROUPS = 20


def check_holdout(rows: Evaluation, policy: Policy, champion: Evaluation | None = None) -> Iterator[Check]:
    """Yield a check per gated rate of the policy: whether these rows can settle its margin.

    Parameters
    ----------
    rows
        The candidate's or the champion's evaluation.
    champion
        The champion's, where both are known: how often the two disagree is then measured.
    """
    gated = {
        name: rule for name, rule in policy.metrics.items() if rule.gate and rule.margin and not rule.relative
    }
    share = _disagreement(rows, champion)
    if rows.group is not None and (groups := len(np.unique(rows.group))) < FEWEST_GROUPS:
        yield failed(
            _SUBJECT,
            f"there are {groups} groups: below {FEWEST_GROUPS} every check is inconclusive at best",
            "Add rows of further groups, or set `evaluation.group` to a finer unit.",
        )
    for name, rule in gated.items():
        n = _relevant(rule, rows)
        if n is not None:
            yield _settles(name, rule.margin, n, share, policy.alpha)


def _settles(name: str, margin: float, n: int, share: float | None, alpha: float) -> Check:
    """Check whether `n` rows settle a margin, given the share of rows where two models disagree."""
    basis = (
        f"measured: they disagree on {share:.1%}"
        if share is not None
        else f"if two models disagree on {DISAGREEMENT:.0%}"
    )
    # with no disagreement at all, what remains is the fewest rows that any interval needs
    needed = rows_for_disagreement(margin, DISAGREEMENT if share is None else share, alpha)
    fewest = rows_for_disagreement(margin, 0.0, alpha)
    remedy = f"Take {needed:,} rows or more, or accept a margin of {_margin_for(n, share, alpha):.2g}."
    if n < fewest:
        return failed(
            _SUBJECT,
            f"{name}: with {n:,} rows, a margin of {margin:g} can never be proven: "
            f"it takes {fewest:,} rows even where two models never differ",
            remedy,
        )
    if n < needed:
        return warning(
            _SUBJECT,
            f"{name}: {n:,} rows are few for a margin of {margin:g}: "
            f"an equal model is often inconclusive ({basis})",
            remedy,
        )
    return ok(_SUBJECT, f"{name}: {n:,} rows settle a margin of {margin:g} ({basis}; {needed:,} needed)")


def _relevant(rule: MetricPolicy, rows: Evaluation) -> int | None:
    """Return the number of rows that a rate is computed on; None for other metrics."""
    if rule.metric in _OF_ROWS:
        return len(rows)
    if rows.target is None or rule.metric not in _OF_POSITIVES | _OF_NEGATIVES:
        return None
    labels: Any = np.unique(rows.target)
    if len(labels) != 2:
        return None
    positive = next((label for label in labels if str(label) == rule.positive), labels[-1])
    return int(np.sum((rows.target == positive) == (rule.metric in _OF_POSITIVES)))


def _disagreement(one: Evaluation, other: Evaluation | None) -> float | None:
    """Return the share of rows where exactly one of two models is right; None if that is not known."""
    if other is None or one.prediction is None or other.prediction is None or one.target is None:
        return None
    if len(one) != len(other) or not np.array_equal(one.id, other.id):
        return None
    right = one.prediction == one.target, other.prediction == one.target
    share = float(np.mean(right[0] != right[1]))
    return share or None


def _margin_for(rows: int, share: float | None, alpha: float) -> float:
    disagreement = DISAGREEMENT if share is None else share
    steps = (round(step * 0.005, 3) for step in range(1, 100))
    return next(
        (margin for margin in steps if rows_for_disagreement(margin, disagreement, alpha) <= rows), 0.5
    )


def counted(checks: Mapping[str, int]) -> str:
    """Return counts by state, in words."""
    return ", ".join(f"{count} {state}" for state, count in checks.items() if count)
