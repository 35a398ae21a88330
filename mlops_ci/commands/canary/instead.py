"""What `promote` says where a canary is started instead, or one is in the way."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.commands.canary import acts
from mlops_ci.commands.candidates import Found
from mlops_ci.commands.moving import Mover
from mlops_ci.core.canary.state import latest
from mlops_ci.core.ledger import History
from mlops_ci.core.numbers import percent
from mlops_ci.core.report import Action, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError
from mlops_ci.settings import CanarySettings

HELD = 3


def running(moving: Mover, history: History, found: Found, source: Source, *, dry_run: bool) -> Report | None:
    """Return what to say where a canary runs: it is this one, or this one has to wait; else None."""
    canary = latest(history, moving.environment)
    champion = moving.state(history).champion
    over = canary is None or not canary.running or canary.champion != champion
    if moving.settings.canary is None or canary is None or over:
        return None
    mine = found.digest is not None and canary.begun.digests.get("model") == found.digest
    begun = mine and canary.open is not None and not dry_run
    trouble = acts.finish(moving, history)[1] if begun else ""
    share = percent(canary.share)
    line = f"{moving.model}: version {canary.challenger} is a canary already, with {share} of the traffic"
    step = "`mlops-ci canary look` decides about it."
    if not mine:
        line = f"{moving.model}: not promoted, the canary of version {canary.challenger} is running"
        step = "Run this again when it is over; `mlops-ci canary stop` ends it now."
    return Report(
        command="promote",
        model=moving.model,
        verdict=Result.PASS if mine else None,
        exit_code=ServiceError.exit_code if trouble else 0 if mine else HELD,
        headline=line,
        next_step=step,
        candidate=found.record.ref,
        lineage=found.judgement.manifest.lineage,
        notices=(_danger(trouble),) if trouble else (),
        source=source,
        details={"promoted_version": None, "canary": {"challenger": canary.challenger}},
    )


def planned(moving: Mover, told: Report, settings: CanarySettings) -> Report:
    """Turn the report of a promotion that would be into that of a canary that would be."""
    if told.exit_code:
        return told
    line = f"{moving.model}: would start as a canary with {percent(settings.steps[0])} of the traffic"
    return replace(told, headline=line, actions=_actions(moving, "", settings, applied=False))


def started(moving: Mover, told: Report, settings: CanarySettings, trouble: str) -> Report:
    """Turn the report of a promotion into that of a canary that was started."""
    version = (told.candidate.version if told.candidate else "") or ""
    share = percent(settings.steps[0])
    line = f"{moving.model}: version {version} is a canary with {share} of the traffic"
    step = "`mlops-ci canary look`, on a schedule, rolls it back or makes it the champion."
    if trouble:
        line = f"{moving.model}: version {version} is a canary, but gets no traffic yet"
        step = "Fix `promotion.deploy_command`; the next `mlops-ci canary look` tries again."
    return replace(
        told,
        exit_code=ServiceError.exit_code if trouble else 0,
        headline=line,
        next_step=step,
        notices=(*told.notices, _danger(trouble)) if trouble else told.notices,
        actions=_actions(moving, version, settings, applied=True),
        details={
            **told.details,
            "promoted_version": None,
            "canary": {"challenger": version, "share": settings.steps[0], "steps": list(settings.steps)},
        },
    )


def _danger(trouble: str) -> Notice:
    return Notice(text=f"The traffic is not what it should be: {trouble}", level="danger")


def _actions(moving: Mover, version: str, settings: CanarySettings, *, applied: bool) -> tuple[Action, ...]:
    name, alias = moving.model, moving.settings.registry.challenger
    found = [
        Action(kind="create_version", target=name, applied=applied),
        Action(kind="set_alias", target=f"{name}@{alias}", value=version, applied=applied),
    ]
    if moving.settings.promotion.deploy_command:
        found.append(Action(kind="route", target=name, value=percent(settings.steps[0]), applied=applied))
    return tuple(found)
