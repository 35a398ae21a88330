"""Judging a candidate: the comparison that its evidence allows, and what the policy adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlops_ci.adapters.ports import Champion, Evidence, Registry
from mlops_ci.commands.drift import options_of
from mlops_ci.commands.matching import Matched, answers_differ, match, own_evaluation
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.gate.compare import Results, compare
from mlops_ci.core.gate.limits import limits_alone
from mlops_ci.core.report import Notice
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.settings import Settings, policy_of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict and its inputs; `versions` are the model's latest versions, newest first."""

    verdict: Verdict
    champion: Champion | None = None
    holdout: dict[str, Any] = field(default_factory=dict)
    notices: Sequence[Notice] = ()
    reasons: Sequence[str] = ()
    matched: Matched | None = None
    versions: Sequence[Champion] = ()


def judge(
    settings: Settings,
    tools: Tools,
    registry: Registry,
    manifest: Manifest,
    candidate: Evaluation | None,
    approvals: Sequence[str],
) -> Judged:
    """Compare with the champion: by rows if both have them, else by scalars.

    Parameters
    ----------
    candidate
        The candidate's evaluation; None if the evidence has scalars only.
    approvals
        Why this change needs someone's approval, whatever the numbers say.
    """
    name = settings.registry.model
    champion = registry.champion(name, settings.registry.champion)
    versions = registry.history(name)
    notices = [Notice(text=text) for text in manifest.notices]
    holdout = {} if candidate is None else _holdout(registry, name, candidate, versions)
    if champion is None:
        verdict = hold(_candidate_alone(settings, tools, manifest, candidate), approvals)
        return Judged(
            verdict=verdict,
            holdout=holdout,
            notices=[*notices, *_warnings(verdict)],
            reasons=approvals,
            matched=Matched(champion=None, candidate=candidate) if candidate is not None else None,
        )
    reasons = list(approvals)
    reference, missing = _reference(settings, tools, registry)
    notices += missing
    same = manifest.model_digest is not None and champion.ref.digest == manifest.model_digest
    matched = None
    if candidate is not None and not same:
        matched = match(settings, tools, registry, champion, candidate)
        holdout |= {"n": len(matched.candidate), "matched": matched.how}
        reasons += matched.approvals
        notices += matched.notices
    if candidate is not None and same:
        # Kept as the champion's own once it is promoted, it is what later candidates are compared with.
        reasons += answers_differ(tools, registry, champion, candidate)
    verdict = _compared(
        settings,
        tools,
        Results(scalars=champion.metrics, evaluation=matched.champion if matched else None),
        Results(scalars=manifest.metrics, evaluation=matched.candidate if matched else None),
        holdout,
        reference=reference,
        same_model=same,
    )
    verdict = hold(verdict, reasons)
    return Judged(
        verdict=verdict,
        champion=champion,
        holdout=holdout,
        notices=[*notices, *_warnings(verdict)],
        reasons=reasons,
        matched=matched,
        versions=versions,
    )


def _candidate_alone(
    settings: Settings, tools: Tools, manifest: Manifest, candidate: Evaluation | None
) -> Verdict:
    """Return the verdict while there is no champion: the absolute limits are all that can be checked."""
    results = Results(evaluation=candidate, scalars=manifest.metrics)
    alone = limits_alone(results, policy_of(settings), _own_functions(settings, tools))
    return _without_champion(settings, alone)


def _compared(
    settings: Settings,
    tools: Tools,
    champion: Results,
    candidate: Results,
    holdout: Mapping[str, Any],
    *,
    reference: Results | None,
    same_model: bool,
) -> Verdict:
    return compare(
        champion,
        candidate,
        policy_of(settings),
        same_model=same_model,
        uses=holdout.get("uses", 0),
        promotions=holdout.get("promotions"),
        reference=reference,
        functions=_own_functions(settings, tools),
    )


def _own_functions(settings: Settings, tools: Tools) -> dict[str, Callable[..., float]]:
    """Return the policy's functions `package.module:function`, by the metric's name."""
    own = {
        name: metric.metric for name, metric in policy_of(settings).metrics.items() if ":" in metric.metric
    }
    functions = tools.functions(own.values())
    return {name: functions[path] for name, path in own.items()}


def _warnings(verdict: Verdict) -> list[Notice]:
    return [Notice(text=text, level="warning") for text in verdict.notices]


def _holdout(
    registry: Registry, model: str, candidate: Evaluation, versions: Sequence[Champion]
) -> dict[str, Any]:
    """Return the holdout's identity, and how often it was used: reuse makes false passes likelier."""
    digest = holdout_digest(candidate)
    uses = registry.holdout_uses(model, digest, excluding=evaluation_digest(candidate))
    promotions = sum(version.tags.get(tags.HOLDOUT_DIGEST) == digest for version in versions)
    return {"digest": digest, "n": len(candidate), "uses": uses, "promotions": promotions}


def _reference(settings: Settings, tools: Tools, registry: Registry) -> tuple[Results | None, list[Notice]]:
    """Return the version with the alias `reference`, if the total loss is bounded; and notices."""
    if not policy_of(settings).max_total_loss:
        return None, []
    alias = settings.registry.reference
    reference = registry.champion(settings.registry.model, alias)
    if reference is None:
        text = f"`gate.max_total_loss` bounds nothing yet: no version has the alias '{alias}'."
        return None, [Notice(text=text, level="warning")]
    evaluation = own_evaluation(tools, registry, reference)
    return Results(scalars=reference.metrics, evaluation=evaluation), []


def _without_champion(settings: Settings, alone: Verdict | None) -> Verdict:
    """Return what the policy says while nothing is in production; absolute limits hold there too."""
    action = settings.gate.on_no_champion
    text = (
        f"No version of '{settings.registry.model}' has the alias '{settings.registry.champion}'."
        " The first promotion sets it; for a model that is in production already, `mlops-ci adopt` does."
    )
    held, blocked = action == "approve", action == "block"
    result = Result.PASS if action == "pass" else Result.INCONCLUSIVE
    verdict = Verdict(verdict=result, notices=(text,), held=held, blocked=blocked)
    if alone is None:
        return verdict
    if alone.verdict is Result.PASS:
        return replace(verdict, findings=alone.findings)
    return replace(
        alone,
        notices=(text, *alone.notices),
        held=alone.held or held,
        blocked=alone.blocked or blocked,
    )


def hold(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """Hold a passing verdict for approval if there are reasons that numbers cannot settle."""
    return verdict.on_hold() if reasons else verdict


def drift_of(settings: Settings, tools: Tools, evidence: Evidence) -> DriftReport | None:
    """Compare the profiles of the two data sets that the settings name; None if they name none."""
    profiles = evidence.manifest.profiles
    if settings.gate.on_drift == "ignore" or not {"reference", "current"} <= set(profiles):
        return None
    sides = [str(evidence.places[profiles[side]]) for side in ("reference", "current")]
    return tools.drift(*sides, **options_of(settings) | {"multivariate": False})  # profiles have no rows
