"""Evidence of two numbers, without rows: what may still be said, and what may not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mlops_ci.core.metrics import UnknownMetricError, greater_is_better
from mlops_ci.core.policy import MetricPolicy
from mlops_ci.core.verdict import Finding, Outcome

POINT_ONLY = "point only"


def point_finding(
    name: str, policy: MetricPolicy, champion: Mapping[str, float], candidate: Mapping[str, float]
) -> Finding:
    """Return the finding of two bare numbers: compared with the margin, and never `better`.

    It fails beyond the margin only where the policy says so (`on_point: fail`): a bare difference
    cannot be told from chance.
    """
    try:
        upwards = greater_is_better(name, policy)
    except UnknownMetricError as problem:
        return missing(name, policy, str(problem))
    for side, values in (("champion", champion), ("candidate", candidate)):
        if name not in values:
            return missing(name, policy, f"the {side} has no value of it")
        if not math.isfinite(values[name]):
            return missing(name, policy, f"the {side}'s value is {values[name]}")
    before, after = float(champion[name]), float(candidate[name])
    difference = (after - before) if upwards else (before - after)
    margin = policy.margin * abs(before) if policy.relative else policy.margin
    beyond = difference < -margin and not math.isclose(difference, -margin, rel_tol=1e-9, abs_tol=1e-12)
    return Finding(
        metric=name,
        outcome=Outcome.WORSE if beyond and policy.on_point == "fail" else Outcome.INCONCLUSIVE,
        greater_is_better=upwards,
        champion=before,
        candidate=after,
        difference=difference,
        margin=margin,
        method=POINT_ONLY,
        gated=policy.gate,
    )


def missing(name: str, policy: MetricPolicy, why: str) -> Finding:
    """Return the finding of a metric that could not be compared; unknown never passes."""
    return Finding(
        metric=name,
        outcome=Outcome.ERROR,
        greater_is_better=policy.greater_is_better is not False,
        margin=policy.margin,
        gated=policy.gate,
        message=f"{name} could not be compared: {why}.",
    )
