"""Judging a candidate: the comparison that its evidence allows, and what the policy adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlops_ci.adapters.ports import Champion, Evidence, Registry
from mlops_ci.commands.drift import options_of
from mlops_ci.commands.matching import Matched, answers_otherwise, match, own_evaluation
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.gate.compare import Results, compare
from mlops_ci.core.report import Notice
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.settings import Settings, policy_of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict, and what it was reached on; `versions` are the newest of the model, newest first."""

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
    """Compare with the champion in the way that its evidence allows."""
    name, policy = settings.registry.model, policy_of(settings)
    champion = registry.champion(name, settings.registry.champion)
    versions = registry.history(name)
    said = [Notice(text=text) for text in manifest.notices]
    holdout: dict[str, Any] = {}
    if candidate is not None:
        holdout = _holdout(registry, name, candidate, versions)
    if champion is None:
        verdict = hold(_without_champion(settings), approvals)
        said += [Notice(text=text, level="warning") for text in verdict.notices]
        alone = Matched(champion=None, candidate=candidate) if candidate is not None else None
        return Judged(verdict=verdict, holdout=holdout, notices=said, reasons=approvals, matched=alone)
    reasons = list(approvals)
    same = manifest.model_digest is not None and champion.ref.digest == manifest.model_digest
    mine, theirs = Results(scalars=manifest.metrics), Results(scalars=champion.metrics)
    matched = None
    if candidate is not None and not same:
        matched = match(settings, tools, registry, champion, candidate)
        mine = replace(mine, evaluation=matched.candidate)
        theirs = replace(theirs, evaluation=matched.champion)
        holdout |= {"n": len(matched.candidate), "matched": matched.how}
        reasons += matched.approvals
        said += matched.notices
    if candidate is not None and same:
        # Kept as the champion's own once it is promoted, it is what later candidates are compared with.
        reasons += answers_otherwise(tools, registry, champion, candidate)
    own = {name: metric.metric for name, metric in policy.metrics.items() if ":" in metric.metric}
    functions = tools.functions(own.values())
    verdict = compare(
        theirs,
        mine,
        policy,
        same_model=same,
        uses=holdout.get("uses", 0),
        promotions=holdout.get("promotions"),
        reference=_reference(settings, tools, registry) if policy.max_total_loss else None,
        functions={name: functions[reference] for name, reference in own.items()},
    )
    verdict = hold(verdict, reasons)
    said += [Notice(text=text, level="warning") for text in verdict.notices]
    return Judged(
        verdict=verdict,
        champion=champion,
        holdout=holdout,
        notices=said,
        reasons=reasons,
        matched=matched,
        versions=versions,
    )


def _holdout(
    registry: Registry, model: str, candidate: Evaluation, versions: Sequence[Champion]
) -> dict[str, Any]:
    """Return the holdout's identity, and how often it was used: each use lets some luck through."""
    digest = holdout_digest(candidate)
    uses = registry.holdout_uses(model, digest, excluding=evaluation_digest(candidate))
    promotions = sum(version.tags.get(tags.HOLDOUT_DIGEST) == digest for version in versions)
    return {"digest": digest, "n": len(candidate), "uses": uses, "promotions": promotions}


def _reference(settings: Settings, tools: Tools, registry: Registry) -> Results | None:
    """Return the fixed reference champion: the version with the alias `reference`."""
    reference = registry.champion(settings.registry.model, settings.registry.reference)
    if reference is None:
        return None
    evaluation = own_evaluation(tools, registry, reference)
    return Results(scalars=reference.metrics, evaluation=evaluation)


def _without_champion(settings: Settings) -> Verdict:
    action = settings.gate.on_no_champion
    text = (
        f"No version of '{settings.registry.model}' has the alias '{settings.registry.champion}'."
        " The first promotion sets it; for a model that is in production already, `mlops-ci adopt` does."
    )
    if action == "pass":
        return Verdict(verdict=Result.PASS, notices=(text,))
    held, blocked = action == "approve", action == "block"
    return Verdict(verdict=Result.INCONCLUSIVE, notices=(text,), held=held, blocked=blocked)


def hold(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """Hold a verdict that would merge for approval, where there are reasons that numbers cannot settle."""
    return verdict.on_hold() if reasons else verdict


def drift_of(settings: Settings, tools: Tools, evidence: Evidence) -> DriftReport | None:
    """Compare the profiles of the two data sets that the settings name; None where they name none."""
    profiles = evidence.manifest.profiles
    if settings.gate.on_drift == "ignore" or not {"reference", "current"} <= set(profiles):
        return None
    sides = [str(evidence.places[profiles[side]]) for side in ("reference", "current")]
    return tools.drift(*sides, **options_of(settings) | {"multivariate": False})  # profiles have no rows
