"""A candidate alone: its absolute limits, where nothing is in production to compare it with."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.gate.align import not_finite
from mlops_ci.core.gate.alike import by_rows
from mlops_ci.core.gate.compare import incomparable, scalar_drafts
from mlops_ci.core.gate.decision import decide
from mlops_ci.core.gate.draft import Draft, findings_of
from mlops_ci.core.gate.judge import judge_pair
from mlops_ci.core.gate.results import Functions, Results
from mlops_ci.core.policy import Policy
from mlops_ci.core.verdict import Outcome, Verdict


def limits_alone(candidate: Results, policy: Policy, functions: Functions) -> Verdict | None:
    """Return the verdict on `minimum` and `maximum` of a policy's gated metrics; None where it has none."""
    limited = {
        name: replace(rule, margin=0.0, slices=())
        for name, rule in policy.metrics.items()
        if rule.gate and (rule.minimum is not None or rule.maximum is not None)
    }
    if not limited:
        return None
    flaw = candidate.evaluation and not_finite(candidate.evaluation)
    if flaw:
        return incomparable(f"the candidate's {flaw}")
    narrow = replace(policy, metrics=limited)
    paired = [name for name, rule in limited.items() if by_rows(rule, candidate, candidate)]
    judged = judge_pair(candidate, candidate, narrow, paired, functions)[0]
    drafts: list[Draft] = []
    for name in limited:
        found = judged[name] if name in judged else scalar_drafts(name, candidate, candidate, narrow)
        drafts += [one for one in found if one.finding.versus == "limit" or _unknown(one)]
    return decide(findings_of(drafts, policy.alpha), policy)


def _unknown(draft: Draft) -> bool:
    return draft.finding.outcome is Outcome.ERROR
