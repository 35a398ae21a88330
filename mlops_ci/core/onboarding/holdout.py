"""Whether a gate would ever be conclusive: the rows of the holdout against the margins of the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.gate.power import rows_for_disagreement
from mlops_ci.core.onboarding.checks import Check, failed, ok, warning
from mlops_ci.core.onboarding.proposal import DISAGREEMENT
from mlops_ci.core.policy import MetricPolicy, Policy

_SUBJECT = "holdout"
_OF_ROWS = frozenset({"accuracy"})
# Of rates, only rows of one class count.
_OF_POSITIVES = frozenset({"recall"})
_OF_NEGATIVES = frozenset({"specificity", "false_positive_rate"})
FEWEST_GROUPS = 20


def judge(rows: Evaluation, policy: Policy, champion: Evaluation | None = None) -> Iterator[Check]:
    """Yield whether each gated rate of the policy can be settled by these rows.

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
    basis = (
        f"measured: they disagree on {share:.1%}"
        if share is not None
        else f"if two models disagree on {DISAGREEMENT:.0%}"
    )
    if rows.group is not None and (groups := len(np.unique(rows.group))) < FEWEST_GROUPS:
        yield failed(
            _SUBJECT,
            f"there are {groups} groups: below {FEWEST_GROUPS} every check is inconclusive at best",
            "Add rows of further groups, or set `evaluation.group` to a finer unit.",
        )
    for name, rule in gated.items():
        n = _relevant(rule, rows)
        if n is None:
            continue
        # with no disagreement at all, what remains is the fewest rows that any interval needs
        needed = rows_for_disagreement(rule.margin, DISAGREEMENT if share is None else share, policy.alpha)
        fewest = rows_for_disagreement(rule.margin, 0.0, policy.alpha)
        remedy = (
            f"Take {needed:,} rows or more, or accept a margin of {_margin_for(n, share, policy.alpha):.2g}."
        )
        if n < fewest:
            yield failed(
                _SUBJECT,
                f"{name}: with {n:,} rows, a margin of {rule.margin:g} can never be proven: "
                f"it takes {fewest:,} rows even where two models never differ",
                remedy,
            )
        elif n < needed:
            yield warning(
                _SUBJECT,
                f"{name}: {n:,} rows are few for a margin of {rule.margin:g}: "
                f"an equal model is often inconclusive ({basis})",
                remedy,
            )
        else:
            yield ok(
                _SUBJECT,
                f"{name}: {n:,} rows settle a margin of {rule.margin:g} ({basis}; {needed:,} needed)",
            )


def _relevant(rule: MetricPolicy, rows: Evaluation) -> int | None:
    """Return the rows that a rate rests on; None for what is no rate."""
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
    """Return the share of rows where exactly one of two models is right; None where that is not known."""
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
    """Return counts by state as words."""
    return ", ".join(f"{count} {state}" for state, count in checks.items() if count)
