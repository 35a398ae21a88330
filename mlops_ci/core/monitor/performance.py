"""Performance in production where labels arrived: each metric of a window, compared with the holdout's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.formatting import decimals, fixed, signed, stated
from mlops_ci.core.gate.builders import measure_of
from mlops_ci.core.gate.decision import correct_family
from mlops_ci.core.gate.estimate import Level, Rules, UndefinedError
from mlops_ci.core.gate.judge import rules_of
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.pair import pair_of
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Finding, Outcome

Functions = Mapping[str, Callable[..., Any]]
METHOD = "MOVER of two independent samples"
_LEAST = 1e-6


def performance(
    holdout: Evaluation, window: Evaluation, policy: Policy, functions: Functions | None = None
) -> list[Finding]:
    """Compare a window's labelled rows with the champion's holdout, metric by metric.

    The two are different rows, so the interval of the difference is made of the two intervals of the
    levels (Newcombe's hybrid score interval, for any metric: MOVER). A loss beyond the margin is corrected
    by Holm over the metrics of the window.

    Returns
    -------
    One finding a metric of the policy that rows can give: `champion` is the holdout's value, `candidate` the
    window's. One that has no value here is `error` with a sentence.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, 873-890; Zou and Donner (2008), Statistics in Medicine 27,
    1693-1702.
    """
    found = [
        _one(name, rule, holdout, window, policy, functions or {})
        for name, rule in policy.metrics.items()
        if rule.source is None
    ]
    return [_told(one) for one in correct_family(found, policy.alpha)]


def _one(
    name: str,
    rule: MetricPolicy,
    holdout: Evaluation,
    window: Evaluation,
    policy: Policy,
    functions: Functions,
) -> Finding:
    try:
        rules = rules_of(name, rule, policy)
        before = level_of(name, rule, holdout, rules, functions)
        after = level_of(name, rule, window, rules, functions)
    except (UnknownMetricError, UndefinedError) as problem:
        return Finding(
            metric=name, outcome=Outcome.ERROR, gated=False, message=f"{name}: {problem}.", n=len(window)
        )
    margin = rules.margin * abs(before.value) if rules.relative else rules.margin
    low, high = difference(before, after, rules.sign, policy.alpha)
    doubt = before.doubt or after.doubt
    return Finding(
        metric=name,
        outcome=_outcome(low, high, margin, doubt),
        greater_is_better=rules.greater_is_better,
        champion=before.value,
        candidate=after.value,
        difference=rules.sign * (after.value - before.value),
        interval=(low, high),
        margin=margin,
        method=METHOD,
        n=after.n,
        pvalue=_pvalue(before, after, rules.sign, margin),
        gated=rule.gate,
        note=doubt,
    )


def level_of(
    name: str, rule: MetricPolicy, one: Evaluation, rules: Rules, functions: Functions | None = None
) -> Level:
    """Return the value of one metric on all rows of an evaluation, with its interval.

    Raises
    ------
    UnknownMetricError
        If the metric is unknown, or the rows lack what it needs.
    UndefinedError
        If it has no value there.
    """
    measure = measure_of(name, rule, pair_of(one, one, functions))
    return measure.level(np.arange(len(one)), rules)


def difference(before: Level, after: Level, sign: int, alpha: float) -> tuple[float, float]:
    """Return the one-sided 1 - alpha bounds of the difference of two levels; positive is better."""
    (l1, u1), (l2, u2) = after.interval(alpha), before.interval(alpha)
    apart = after.value - before.value
    low = apart - math.hypot(after.value - l1, u2 - before.value)
    high = apart + math.hypot(u1 - after.value, before.value - l2)
    return (low, high) if sign > 0 else (-high, -low)


def _outcome(low: float, high: float, margin: float, doubt: str) -> Outcome:
    if math.isnan(low) or math.isnan(high):
        return Outcome.ERROR
    if doubt:
        return Outcome.INCONCLUSIVE
    if low > 0:
        return Outcome.BETTER
    if low > -margin:
        return Outcome.NON_INFERIOR
    return Outcome.WORSE if high < -margin else Outcome.INCONCLUSIVE


def _pvalue(before: Level, after: Level, sign: int, margin: float) -> float:
    """Return the smallest error rate at which a loss beyond the margin is proven (1 where none is)."""

    def proven(alpha: float) -> bool:
        return difference(before, after, sign, alpha)[1] < -margin

    if not proven(0.5):
        return 1.0
    low, high = math.log(_LEAST), math.log(0.5)
    if proven(_LEAST):
        return _LEAST
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if proven(math.exp(middle)) else (middle, high)
    return math.exp(high)


def _told(one: Finding) -> Finding:
    if one.message or one.champion is None or one.candidate is None or one.interval is None:
        return one
    places = decimals(one)
    before, after = fixed(one.champion, places), fixed(one.candidate, places)
    words = {
        Outcome.WORSE: f"a proven loss, more than the accepted {stated(one.tolerance, places)}",
        Outcome.BETTER: "better than on the holdout",
        Outcome.NON_INFERIOR: "no worse than on the holdout, within the margin",
    }.get(one.outcome, one.note or "not settled by these rows")
    low, high = (signed(end, places) for end in one.interval)
    return replace(
        one,
        message=f"{one.metric} is {after} in production and was {before} on the holdout: {words}"
        f" (difference {low} to {high}, {one.n:,} labelled rows).",
    )
