"""The reports of `promote` where it starts a canary instead, or finds one running."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.commands.canary import transitions
from mlops_ci.commands.candidates import RecordedCandidate
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.core.canary.state import latest
from mlops_ci.core.formatting import percent
from mlops_ci.core.ledger import History
from mlops_ci.core.report import Action, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError
from mlops_ci.settings import CanarySettings

HELD = 3


def running(
    mover: ChampionMover, history: History, found: RecordedCandidate, source: Source, *, dry_run: bool
) -> Report | None:
    """Return the report if a canary of this or another candidate is running, else None."""
    canary = latest(history, mover.environment)
    champion = mover.state(history).champion
    over = canary is None or not canary.running or canary.champion != champion
    if mover.settings.canary is None or canary is None or over:
        return None
    mine = found.digest is not None and canary.begun.digests.get("model") == found.digest
    begun = mine and canary.open is not None and not dry_run
    trouble = transitions.finish(mover, history)[1] if begun else ""
    share = percent(canary.share)
    line = f"{mover.model}: version {canary.challenger} is a canary already, with {share} of the traffic"
    step = "`mlops-ci canary look` decides about it."
    if not mine:
        line = f"{mover.model}: not promoted, the canary of version {canary.challenger} is running"
        step = "Run this again when it is over; `mlops-ci canary stop` ends it now."
    return Report(
        command="promote",
        model=mover.model,
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


def planned(mover: ChampionMover, told: Report, settings: CanarySettings) -> Report:
    """Turn the dry-run report of a promotion into that of the canary that would start."""
    if told.exit_code:
        return told
    line = f"{mover.model}: would start as a canary with {percent(settings.steps[0])} of the traffic"
    return replace(told, headline=line, actions=_actions(mover, "", settings, applied=False))


def started(mover: ChampionMover, told: Report, settings: CanarySettings, trouble: str) -> Report:
    """Turn the report of a promotion into that of the canary that was started."""
    version = (told.candidate.version if told.candidate else "") or ""
    share = percent(settings.steps[0])
    line = f"{mover.model}: version {version} is a canary with {share} of the traffic"
    step = "`mlops-ci canary look`, on a schedule, rolls it back or makes it the champion."
    if trouble:
        line = f"{mover.model}: version {version} is a canary, but gets no traffic yet"
        step = "Fix `promotion.deploy_command`; the next `mlops-ci canary look` tries again."
    return replace(
        told,
        exit_code=ServiceError.exit_code if trouble else 0,
        headline=line,
        next_step=step,
        notices=(*told.notices, _danger(trouble)) if trouble else told.notices,
        actions=_actions(mover, version, settings, applied=True),
        details={
            **told.details,
            "promoted_version": None,
            "canary": {"challenger": version, "share": settings.steps[0], "steps": list(settings.steps)},
        },
    )


def _danger(trouble: str) -> Notice:
    return Notice(text=f"The traffic is not what it should be: {trouble}", level="danger")


def _actions(
    mover: ChampionMover, version: str, settings: CanarySettings, *, applied: bool
) -> tuple[Action, ...]:
    name, alias = mover.model, mover.settings.registry.challenger
    found = [
        Action(kind="create_version", target=name, applied=applied),
        Action(kind="set_alias", target=f"{name}@{alias}", value=version, applied=applied),
    ]
    if mover.settings.promotion.deploy_command:
        found.append(Action(kind="route", target=name, value=percent(settings.steps[0]), applied=applied))
    return tuple(found)
