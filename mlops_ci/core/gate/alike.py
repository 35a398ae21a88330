"""Two models that answer alike: which metrics that settles, and which can differ nevertheless."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlops_ci.core.evidence import differing
from mlops_ci.core.gate.estimate import UndefinedError
from mlops_ci.core.gate.judge import judge_pair
from mlops_ci.core.gate.metrics import UnknownMetricError, greater_is_better
from mlops_ci.core.gate.results import Results
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Finding, Outcome


def by_rows(rule: MetricPolicy, champion: Results, candidate: Results) -> bool:
    """Return whether a metric is computed from the rows of both evaluations."""
    return rule.source is None and champion.evaluation is not None and candidate.evaluation is not None


def can_differ(name: str, rule: MetricPolicy, champion: Results, candidate: Results) -> bool:
    """Return whether a metric differs between models whose predictions are the same.

    What the pipeline measures besides (a latency, a value per row) is no function of the predictions.
    """
    if rule.source is not None:
        before, after = (side.scalars.get(name) for side in (champion, candidate))
        return before is None or after is None or not np.array_equal(before, after)
    if rule.column is None:
        return False
    ours, theirs = (
        side.evaluation.columns.get(rule.column) if side.evaluation else None
        for side in (candidate, champion)
    )
    return ours is None or theirs is None or bool(differing(ours, theirs).any())


def unchanged_findings(champion: Results, candidate: Results, policy: Policy, why: str) -> list[Finding]:
    """Return the findings of two models that are one; they pass without statistics."""
    findings = []
    for name, rule in policy.metrics.items():
        value = _only_value(name, rule, champion, candidate, policy)
        findings.append(
            Finding(
                metric=name,
                outcome=Outcome.UNCHANGED,
                greater_is_better=_upwards(name, rule),
                champion=value,
                candidate=value,
                difference=None if value is None else 0.0,
                margin=rule.margin,
                n=len(candidate.evaluation) if candidate.evaluation is not None else 0,
                gated=rule.gate,
                message=f"{name} is unchanged. {why}",
            )
        )
    return findings


def _upwards(name: str, rule: MetricPolicy) -> bool:
    """Return the direction of a metric; upwards where nothing says."""
    try:
        return greater_is_better(name, rule)
    except UnknownMetricError:
        return True


def _only_value(
    name: str, rule: MetricPolicy, champion: Results, candidate: Results, policy: Policy
) -> float | None:
    """Return the value of a metric for two models that are one, where it can be had."""
    side = candidate if candidate.evaluation is not None else champion
    try:
        if by_rows(rule, side, side):
            judged = judge_pair(side, side, replace(policy, seed=0), [name], {})[0][name]
            return judged[0].finding.candidate
        values = side.scalars if name in side.scalars else champion.scalars
        return float(np.mean(values[name])) if name in values else None
    except (UnknownMetricError, UndefinedError):
        return None
