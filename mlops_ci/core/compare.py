"""Compare a candidate with the champion: the one entry from evidence and policy to a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlops_ci.core.align import mismatch, same_predictions
from mlops_ci.core.decision import correct_family, decide, outcome_of
from mlops_ci.core.estimate import Estimate
from mlops_ci.core.evidence import Evaluation, canonical
from mlops_ci.core.measures import Measure, Rules, Share, UndefinedError
from mlops_ci.core.messages import sentence
from mlops_ci.core.metrics import KNOWN, UnknownMetricError, greater_is_better
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.power import minimum_detectable_loss, rows_needed
from mlops_ci.core.scalars import POINT_ONLY, missing, point_finding
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that is known of one model: its evaluation, and values from its metrics files or its run.

    Attributes
    ----------
    evaluation
        Per-row predictions, or None where only values are known.
    scalars
        Values by the metric's name in the policy.
    """

    evaluation: Evaluation | None = None
    scalars: Mapping[str, float] = field(default_factory=dict)


Evidence = Results | Evaluation | Mapping[str, float]


def compare(
    champion: Evidence,
    candidate: Evidence,
    policy: Policy,
    *,
    same_model: bool = False,
) -> Verdict:
    """Decide whether the candidate is worse than the champion on the same holdout.

    Parameters
    ----------
    champion, candidate
        An evaluation, values by metric name, or both as `Results`.
    policy
        Metrics with their margins, the error rate, and what to do when it is not settled.
    same_model
        True if both are the same bytes.

    Returns
    -------
    The verdict with all findings. Evidence that cannot be compared gives the verdict ``error``
    with a finding that says why; nothing is raised for it.
    """
    champion, candidate = as_results(champion), as_results(candidate)
    if same_model:
        return unchanged(champion, candidate, policy, "Champion and candidate are the same bytes.")
    if champion.evaluation is not None and candidate.evaluation is not None:
        problem = mismatch(champion.evaluation, candidate.evaluation)
        if problem:
            return incomparable(problem)
        if same_predictions(champion.evaluation, candidate.evaluation):
            rows = len(candidate.evaluation)
            return unchanged(
                champion, candidate, policy, f"Both models give the same prediction on all {rows:,} rows."
            )
    findings = [finding_of(name, champion, candidate, policy) for name in policy.metrics]
    drafts = correct_family([finding for finding, _ in findings], policy.alpha)
    told = [tell(draft, estimate, policy) for draft, (_, estimate) in zip(drafts, findings, strict=True)]
    return decide(told, policy)


def as_results(evidence: Evidence) -> Results:
    """Return evidence of any accepted form as `Results`."""
    if isinstance(evidence, Results):
        return evidence
    if isinstance(evidence, Evaluation):
        return Results(evaluation=evidence)
    return Results(scalars=evidence)


def finding_of(
    name: str, champion: Results, candidate: Results, policy: Policy
) -> tuple[Finding, Estimate | None]:
    """Return the finding of one metric on all rows, and the estimate it rests on."""
    rule = policy.metrics[name]
    if rule.source is not None or champion.evaluation is None or candidate.evaluation is None:
        return point_finding(name, rule, champion.scalars, candidate.scalars), None
    try:
        upwards = greater_is_better(name, rule)
        rules = Rules(
            greater_is_better=upwards, margin=rule.margin, relative=rule.relative, alpha=policy.alpha
        )
        measure = measure_of(name, rule, champion.evaluation, candidate.evaluation)
        estimate = measure.estimate(np.arange(len(candidate.evaluation)), rules)
    except (UnknownMetricError, UndefinedError) as problem:
        return missing(name, rule, str(problem)), None
    return as_finding(name, rule, rules, estimate), estimate


def measure_of(name: str, rule: MetricPolicy, champion: Evaluation, candidate: Evaluation) -> Measure:
    """Return the measure of a metric on two evaluations of the same rows."""
    if rule.metric != "accuracy":
        known = "is not known" if rule.metric not in KNOWN else "is not built yet"
        raise UnknownMetricError(f"the metric '{rule.metric}' {known}")
    if candidate.target is None or candidate.prediction is None or champion.prediction is None:
        raise UnknownMetricError(f"{name} needs labels and both models' predicted labels")
    target = canonical(candidate.target)
    return Share(
        counts=np.ones(len(target), dtype=bool),
        champion=canonical(champion.prediction) == target,
        candidate=canonical(candidate.prediction) == target,
    )


def as_finding(name: str, rule: MetricPolicy, rules: Rules, estimate: Estimate) -> Finding:
    """Return the finding that an estimate amounts to on its own, with what its rows could prove."""
    outcome = outcome_of(estimate)
    open_question = outcome is Outcome.INCONCLUSIVE
    return Finding(
        metric=name,
        outcome=outcome,
        greater_is_better=rules.greater_is_better,
        champion=estimate.champion,
        candidate=estimate.candidate,
        difference=estimate.difference,
        interval=(estimate.lower, estimate.upper),
        margin=estimate.margin,
        method=estimate.method,
        n=estimate.n,
        pvalue=estimate.pvalue,
        minimum_detectable_loss=minimum_detectable_loss(estimate.standard_error, rules.alpha),
        rows_needed=rows_needed(estimate.n, estimate.standard_error, estimate.margin, rules.alpha)
        if open_question
        else None,
        gated=rule.gate,
    )


def tell(finding: Finding, estimate: Estimate | None, policy: Policy) -> Finding:
    """Return the finding with its sentence, unless it has one."""
    if finding.message:
        return finding
    doubt = estimate.doubt if estimate else ""
    remark = estimate.remark if estimate else ""
    return replace(
        finding, message=sentence(finding, confidence=1 - 2 * policy.alpha, doubt=doubt, remark=remark)
    )


def incomparable(problem: str) -> Verdict:
    """Return the verdict of evidence that cannot be compared."""
    finding = Finding(
        metric="holdout",
        outcome=Outcome.ERROR,
        message=f"Nothing could be compared: {problem}.",
    )
    return Verdict(verdict=Result.ERROR, findings=(finding,))


def unchanged(champion: Results, candidate: Results, policy: Policy, why: str) -> Verdict:
    """Return the verdict of two models that are one; it passes without statistics."""
    findings = []
    for name in policy.metrics:
        finding, _ = finding_of(name, champion, candidate, policy)
        if finding.outcome is Outcome.ERROR:
            finding = Finding(metric=name, outcome=Outcome.UNCHANGED, gated=policy.metrics[name].gate)
        findings.append(
            replace(
                finding,
                outcome=Outcome.UNCHANGED,
                interval=None,
                pvalue=None,
                minimum_detectable_loss=None,
                rows_needed=None,
                method="" if finding.method != POINT_ONLY else POINT_ONLY,
                message=f"{name} is unchanged. {why}",
            )
        )
    return decide(findings, policy, notices=[why])


def compare_scalars(champion: Mapping[str, float], candidate: Mapping[str, float], policy: Policy) -> Verdict:
    """Compare two models of which only values are known; see `compare`."""
    return compare(Results(scalars=champion), Results(scalars=candidate), policy)


__all__: Sequence[str] = ["Evidence", "Results", "compare", "compare_scalars"]
