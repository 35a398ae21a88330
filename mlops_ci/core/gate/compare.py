"""Compares a candidate with the champion: the entry point from evidence and policy to a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlops_ci.core.gate.align import mismatch, not_finite, same_predictions
from mlops_ci.core.gate.alike import by_rows, can_differ, unchanged_findings
from mlops_ci.core.gate.decision import decide
from mlops_ci.core.gate.draft import Draft, draft_limits, draft_of, findings_of, missing, with_sentence
from mlops_ci.core.gate.judge import judge_pair, rules_of
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.results import Context, Evidence, Results, as_results
from mlops_ci.core.gate.reuse import allowance
from mlops_ci.core.gate.scalars import (
    POINT_ONLY,
    MissingValueError,
    beyond,
    point,
    scalar_estimate,
    scalar_level,
)
from mlops_ci.core.policy import Policy
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict


def compare(champion: Evidence, candidate: Evidence, policy: Policy, **context: Any) -> Verdict:
    """Decide whether the candidate is worse than the champion on the same holdout.

    Parameters
    ----------
    champion, candidate
        An evaluation, values by metric name, or both as `Results`.
    policy
        Metrics with their margins, the error rate, and what to do when it is not settled.
    **context
        Fields of `Context`: `same_model`, `uses`, `promotions`, `reference`, `functions`.

    Returns
    -------
    The verdict with all findings. Evidence that cannot be compared gives the verdict ``error``
    with a finding that says why; nothing is raised for it.
    """
    around = Context(**context)
    champion, candidate = as_results(champion), as_results(candidate)
    if around.same_model:
        why = "Champion and candidate are the same bytes."
        return decide(unchanged_findings(champion, candidate, policy, why), policy, notices=[why])
    for side, results in (("champion", champion), ("candidate", candidate)):
        flaw = results.evaluation and not_finite(results.evaluation)
        if flaw:
            return incomparable(f"the {side}'s {flaw}")
    if champion.evaluation is not None and candidate.evaluation is not None:
        problem = mismatch(champion.evaluation, candidate.evaluation)
        if problem:
            return incomparable(problem)
        if same_predictions(champion.evaluation, candidate.evaluation):
            rows = len(candidate.evaluation)
            why = f"Both models give the same prediction on all {rows:,} rows."
            return _same_answers(champion, candidate, policy, around, why)
    return _judged(champion, candidate, policy, around)


def _same_answers(
    champion: Results, candidate: Results, policy: Policy, around: Context, why: str
) -> Verdict:
    """Judge models that answer alike by what is no function of their answers."""
    rules = policy.metrics
    apart = {name: rule for name, rule in rules.items() if can_differ(name, rule, champion, candidate)}
    alike = {name: rule for name, rule in rules.items() if name not in apart}
    settled = unchanged_findings(champion, candidate, replace(policy, metrics=alike), why)
    if not apart:
        return decide(settled, policy, notices=[why])
    return _judged(champion, candidate, replace(policy, metrics=apart), around, settled, [why])


def _judged(
    champion: Results,
    candidate: Results,
    policy: Policy,
    around: Context,
    settled: Sequence[Finding] = (),
    known: Sequence[str] = (),
) -> Verdict:
    """Judge the metrics of a policy; `settled` are findings that need no statistics, `known` notices."""
    allowed = allowance(policy.alpha, policy.strict, around.uses, around.promotions)
    if allowed.spent:
        return replace(incomparable("this holdout is used up"), notices=allowed.notices)
    alpha, said = allowed.alpha, [*known, *allowed.notices]
    policy = replace(policy, alpha=alpha)
    overall: list[Draft] = []
    paired = [name for name in policy.metrics if by_rows(policy.metrics[name], champion, candidate)]
    judged, sliced, gaps, notes = judge_pair(champion, candidate, policy, paired, around.functions)
    said += notes
    for name in policy.metrics:
        overall += judged[name] if name in judged else scalar_drafts(name, champion, candidate, policy)
    overall += _since_reference(candidate, policy, around)
    findings = [*settled, *findings_of(overall, alpha), *findings_of(sliced, alpha)]
    findings += [with_sentence(draft.finding, draft, alpha) for draft in gaps]
    verdict = decide(findings, policy, notices=said)
    return one_bit(verdict) if policy.strict and policy.strict.adaptivity == "full" else verdict


def scalar_drafts(name: str, champion: Results, candidate: Results, policy: Policy) -> list[Draft]:
    """Return the drafts of a metric of which no rows are known: against the champion, and its limits."""
    rule = policy.metrics[name]
    if rule.minimum is None and rule.maximum is None:
        return [scalar_draft(name, champion, candidate, policy)]
    # As with rows: without a margin only the limits judge.
    shown = replace(rule, gate=rule.gate and rule.margin > 0)
    against = scalar_draft(name, champion, candidate, replace(policy, metrics={name: shown}))
    try:
        rules = rules_of(name, rule, policy)
        return [against, *draft_limits(name, rule, rules, scalar_level(name, candidate.values()))]
    except (UnknownMetricError, MissingValueError) as problem:
        return [against, missing(name, rule, str(problem))]


def scalar_draft(name: str, champion: Results, candidate: Results, policy: Policy) -> Draft:
    """Return the draft of a metric without rows.

    Two bare numbers are compared with the margin and never `better`; they fail beyond it only where the
    policy says so (`on_point: fail`), for a bare difference cannot be told from chance.
    """
    rule = policy.metrics[name]
    try:
        rules = rules_of(name, rule, policy)
        estimate = scalar_estimate(name, champion.values(), candidate.values(), rules)
        if estimate is not None:
            return draft_of(name, rule, rules, estimate)
        before, after, difference, margin = point(name, champion.values(), candidate.values(), rules)
    except (UnknownMetricError, MissingValueError) as problem:
        return missing(name, rule, str(problem))
    outcome = Outcome.INCONCLUSIVE
    if beyond(difference, margin) and rule.on_point == "fail":
        outcome = Outcome.WORSE
    return Draft(
        finding=Finding(
            metric=name,
            outcome=outcome,
            greater_is_better=rules.greater_is_better,
            champion=before,
            candidate=after,
            difference=difference,
            margin=margin,
            method=POINT_ONLY,
            gated=rule.gate,
        )
    )


def _since_reference(candidate: Results, policy: Policy, around: Context) -> list[Draft]:
    """Return drafts of the loss since the fixed reference champion, for metrics with a bounded total loss."""
    drafts = []
    for name, bound in policy.max_total_loss.items():
        if name not in policy.metrics:
            continue
        rule = replace(policy.metrics[name], margin=bound, relative=False, minimum=None, maximum=None)
        if around.reference is None:
            continue
        reference = as_results(around.reference)
        narrow = replace(policy, metrics={name: replace(rule, slices=())})
        if reference.evaluation is not None and candidate.evaluation is not None and rule.source is None:
            problem = mismatch(reference.evaluation, candidate.evaluation)
            if problem:
                drafts.append(missing(name, rule, f"against the reference champion, {problem}"))
                continue
            found = judge_pair(reference, candidate, narrow, [name], around.functions)[0][name]
        else:
            found = [scalar_draft(name, reference, candidate, narrow)]
        drafts += [replace(one, finding=replace(one.finding, versus="reference")) for one in found]
    return drafts


def one_bit(verdict: Verdict) -> Verdict:
    """Return a verdict that only says pass or fail, so that each use of the holdout leaks one bit."""
    if verdict.verdict is Result.ERROR:
        return verdict
    passed = verdict.verdict is Result.PASS
    return Verdict(
        verdict=Result.PASS if passed else Result.FAIL,
        findings=tuple(
            Finding(
                metric=finding.metric,
                outcome=Outcome.NON_INFERIOR if passed else Outcome.INCONCLUSIVE,
                greater_is_better=finding.greater_is_better,
                margin=finding.margin,
                method="withheld (gate.strict.adaptivity: full)",
                n=finding.n,
                message=f"{finding.metric}: {'passed' if passed else 'not passed'}; numbers are withheld.",
            )
            for finding in verdict.findings
            if finding.slice is None and finding.gated
        ),
        notices=(*[note for note in verdict.notices if note.startswith("Use ")],),
    )


def incomparable(problem: str) -> Verdict:
    """Return the verdict for evidence that cannot be compared."""
    finding = Finding(
        metric="holdout", outcome=Outcome.ERROR, message=f"Nothing could be compared: {problem}."
    )
    return Verdict(verdict=Result.ERROR, findings=(finding,))


def compare_scalars(
    champion: Mapping[str, float | Sequence[float]],
    candidate: Mapping[str, float | Sequence[float]],
    policy: Policy,
    **context: Any,
) -> Verdict:
    """Compare two models by scalar values only; see `compare`."""
    return compare(Results(scalars=champion), Results(scalars=candidate), policy, **context)


__all__ = ["Context", "Evidence", "Results", "compare", "compare_scalars"]
