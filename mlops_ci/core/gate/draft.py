"""Drafts: findings before the correction for multiple tests and before their sentence is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_ci.core.gate.decision import correct_family, outcome_of
from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.messages import sentence
from mlops_ci.core.gate.power import minimum_detectable_loss, rows_needed
from mlops_ci.core.policy import MetricPolicy
from mlops_ci.core.verdict import Finding, Outcome

#: More rows than this are no advice.
MOST_ROWS = 10**8


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A finding without its adjusted p-value and its sentence, with the inputs of the sentence."""

    finding: Finding
    doubt: str = ""


def draft_of(
    name: str, rule: MetricPolicy, rules: Rules, estimate: Estimate, *, part: str | None = None
) -> Draft:
    """Return the draft of an estimate, with the power of its rows."""
    outcome = outcome_of(estimate)
    needed = rows_to_settle(estimate, rules.alpha) if outcome is Outcome.INCONCLUSIVE else None
    finding = Finding(
        metric=name,
        slice=part,
        outcome=outcome,
        greater_is_better=rules.greater_is_better,
        champion=estimate.champion,
        candidate=estimate.candidate,
        difference=estimate.difference,
        interval=(estimate.lower, estimate.upper) if math.isfinite(estimate.lower) else None,
        margin=estimate.margin,
        method=estimate.method,
        n=estimate.n,
        # Where too little evidence forbids a proof, there is no p-value to go by either.
        pvalue=1.0 if estimate.doubt else estimate.pvalue,
        minimum_detectable_loss=minimum_detectable_loss(estimate.standard_error, rules.alpha),
        rows_needed=needed,
        gated=rule.gate,
        note=estimate.remark,
    )
    return Draft(finding=finding, doubt=estimate.doubt)


def rows_to_settle(estimate: Estimate, alpha: float) -> int | None:
    """Return about how many rows would settle an inconclusive result, or None if unknown.

    As many as prove that an equal candidate is within the margin; where there already are that many,
    as many as tell the loss that was measured from the margin.
    """
    for distance in (estimate.margin, abs(estimate.difference + estimate.margin)):
        needed = rows_needed(estimate.n, estimate.standard_error, distance, alpha)
        if needed is not None and estimate.n < needed < MOST_ROWS:
            return needed
    return None


def draft_limits(name: str, rule: MetricPolicy, rules: Rules, level: Level) -> list[Draft]:
    """Return the drafts of the absolute limits on the candidate."""
    drafts = []
    for limit, upwards in ((rule.minimum, True), (rule.maximum, False)):
        if limit is None:
            continue
        low, high = level.interval(rules.alpha)
        difference = level.value - limit if upwards else limit - level.value
        ends = (low - limit, high - limit) if upwards else (limit - high, limit - low)
        outcome = Outcome.INCONCLUSIVE
        if not level.doubt and ends[0] >= 0:
            outcome = Outcome.NON_INFERIOR
        elif not level.doubt and ends[1] < 0:
            outcome = Outcome.WORSE
        bare = level.bounds is None
        if bare and rule.on_point == "fail" and difference < 0:
            outcome = Outcome.WORSE
        finding = Finding(
            metric=name,
            outcome=outcome,
            greater_is_better=rules.greater_is_better,
            candidate=level.value,
            difference=difference,
            interval=None if bare else ends,
            margin=0.0,
            method=level.method,
            n=level.n,
            pvalue=None if bare else 1.0 if level.doubt else _pvalue_of(level, limit, upwards),
            minimum_detectable_loss=None if bare else minimum_detectable_loss(level.error, rules.alpha),
            versus="limit",
            limit=limit,
            gated=rule.gate,
        )
        drafts.append(Draft(finding=finding, doubt=level.doubt))
    return drafts


def _pvalue_of(level: Level, limit: float, upwards: bool) -> float:
    """Return the error rate at which the bound just reaches the limit, by bisection of its logarithm."""
    low, high = -60.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        ends = level.interval(min(2.0**middle, 0.999999))
        broken = ends[1] < limit if upwards else ends[0] > limit
        low, high = (low, middle) if broken else (middle, high)
    return float(2.0**high)


def missing(name: str, rule: MetricPolicy, why: str, *, part: str | None = None) -> Draft:
    """Return the draft of a metric that could not be compared: an error, which never passes."""
    return Draft(
        finding=Finding(
            metric=name,
            slice=part,
            outcome=Outcome.ERROR,
            greater_is_better=rule.greater_is_better is not False,
            margin=rule.margin,
            gated=rule.gate,
            message=f"{name} could not be compared: {why}.",
        )
    )


def findings_of(family: Sequence[Draft], alpha: float) -> list[Finding]:
    """Return the findings of one family of drafts: corrected for their number, each with its sentence."""
    corrected = correct_family([draft.finding for draft in family], alpha)
    return [with_sentence(finding, draft, alpha) for finding, draft in zip(corrected, family, strict=True)]


def with_sentence(finding: Finding, draft: Draft, alpha: float) -> Finding:
    """Return the finding with its sentence, unless it has one."""
    if finding.message:
        return finding
    text = sentence(finding, confidence=1 - 2 * alpha, doubt=draft.doubt)
    return replace(finding, message=text)
