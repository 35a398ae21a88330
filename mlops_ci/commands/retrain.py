"""`retrain`: decide from the monitoring records whether to train again, and trigger it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mlops_ci.commands.champion import ChampionMover, champion_mover
from mlops_ci.commands.tools import Tools
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.lineage import Stage
from mlops_ci.core.report import Action, Report, Source
from mlops_ci.core.retrain import EVENT, Decision, Situation, decide
from mlops_ci.errors import ConflictError, EvidenceError, MlopsCiError, UncertainError
from mlops_ci.settings import Settings

TRIES = 50


@dataclass(frozen=True, kw_only=True)
class _Done:
    """A decision, and the entry that claims its trigger, if any."""

    decision: Decision
    history: History
    claim: Entry | None = None
    said: str = ""


def retrain(
    settings: Settings,
    tools: Tools,
    source: Source,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Report:
    """Decide by the policy whether to train again, and trigger it once, also under concurrent runs.

    The claim is written to the ledger first, with compare-and-set; who wins starts the training and
    confirms it, everyone else reads the claim and does nothing. A claim whose start failed is withdrawn.

    Parameters
    ----------
    now
        As of when; None takes the clock.

    Raises
    ------
    EvidenceError
        If nothing is in production.
    ServiceError
        If what is to be started fails; the claim is withdrawn, so that the next run tries again.
    UncertainError
        If its answer was lost; the claim stays, so that nothing is started twice.
    """
    mover = champion_mover(settings, tools)
    champion = mover.registry.champion(settings.registry.model, settings.registry.champion)
    if champion is None or champion.ref.version is None:
        raise EvidenceError(
            f"nothing is in production: '{settings.registry.model}' has no version with the alias"
            f" '{settings.registry.champion}'",
            remedy="take it in with `mlops-ci adopt`, or promote a candidate",
        )
    data = _data(settings, tools)
    done = _decided(mover, champion.ref.version, data, now, source, dry_run=dry_run)
    report = _report(settings, done, source)
    if done.claim is None:
        return replace(report, champion=champion.ref)
    return replace(_started(mover, report, done, source), champion=champion.ref)


def _data(settings: Settings, tools: Tools) -> dict[str, str]:
    """Return the checksums of the data that a training would read now."""
    stages: list[Stage] = list(tools.pipeline().describe(settings.pipeline.targets).stages)
    return {dep.path: dep.version for stage in stages for dep in stage.deps if dep.kind == "data"}


def _decided(
    mover: ChampionMover,
    champion: str,
    data: Mapping[str, str],
    now: datetime | None,
    source: Source,
    *,
    dry_run: bool,
) -> _Done:
    """Decide on the present history, and claim the trigger on exactly that history."""
    settings = mover.settings
    for _ in range(TRIES):
        history = mover.read()
        situation = _situation(mover, history, champion, data)
        decision = decide(history, settings.retrain.policy, situation, now or mover.tools.now())
        if not decision.trigger or dry_run:
            return _Done(decision=decision, history=history)
        claim = _claim(mover, decision, situation, source)
        if now is not None:
            claim = replace(claim, time=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        try:
            return _Done(decision=decision, history=mover.ledger.append(history, claim), claim=claim)
        except ConflictError:
            continue  # someone wrote meanwhile, perhaps this very trigger: read, decide again
    raise ConflictError("the ledger", "it changes faster than we can write", remedy="Run this again.")


def _situation(mover: ChampionMover, history: History, champion: str, data: Mapping[str, str]) -> Situation:
    made = mover.state(history).decision
    return Situation(
        model=mover.model,
        champion=champion,
        environment=mover.environment,
        data=data,
        champion_data=made.data if made is not None and made.to_version == champion else {},
        brings_data=mover.settings.retrain.brings_data,
    )


def _claim(mover: ChampionMover, decision: Decision, situation: Situation, source: Source) -> Entry:
    """Return the entry that claims this trigger: whoever appends it first starts the training."""
    retrain = mover.settings.retrain
    return mover.entry(
        EVENT,
        "recorded",
        source,
        from_version=situation.champion,
        reason=decision.reason,
        data=dict(situation.data),
        details={
            "key": decision.key,
            "windows": list(decision.windows),
            "columns": list(decision.columns),
            "until": decision.until,
            "trigger": retrain.command or retrain.trigger,
        },
    )


def _started(mover: ChampionMover, report: Report, done: _Done, source: Source) -> Report:
    """Start the claimed training, and record whether that succeeded."""
    claim = done.claim
    assert claim is not None  # noqa: S101
    values = {
        "model": mover.model,
        "champion": claim.from_version or "",
        "key": str(claim.details["key"]),
        "claim": claim.nonce,
        "reason": claim.reason,
    }
    try:
        said = _start(mover, values)
    except UncertainError as error:
        # It may run: a second training is worse than one that someone starts by hand, so the claim stays.
        _write(mover, "recorded", claim, source, detail=f"no answer: {error.problem}"[:300])
        raise UncertainError(
            error.service,
            f"{error.problem.removeprefix(f'{error.service}: ')}: whether the training started is not known",
            remedy="Look whether it runs, and start it by hand if not: this reason does not start it again.",
        ) from None
    except MlopsCiError as error:
        _write(mover, "abandoned", claim, source, ok=False, detail=error.problem[:300])
        raise
    _write(mover, "recorded", claim, source, ok=True, detail=said[:300])
    actions = [replace(one, applied=True) for one in report.actions]
    return replace(
        report, actions=actions, summary=f"{report.summary} Started: {said}.".strip(), details=report.details
    )


def _start(mover: ChampionMover, values: Mapping[str, str]) -> str:
    settings, tools = mover.settings, mover.tools
    if settings.retrain.command is None:
        return tools.forge.dispatch(settings.retrain.trigger, values)
    if tools.operate is None:
        raise EvidenceError("`retrain.command` cannot be run here", remedy="run it from the command line")
    variables = {f"MLOPS_CI_{key.upper()}": value for key, value in values.items()}
    tools.operate(settings.retrain.command, variables)
    return f"`{settings.retrain.command}`"


def _write(mover: ChampionMover, phase: Any, claim: Entry, source: Source, **values: Any) -> None:
    for _ in range(TRIES):
        entry = mover.entry(EVENT, phase, source, intent=claim.nonce, **values)
        try:
            mover.ledger.append(mover.read(), replace(entry, time=claim.time))
        except ConflictError:
            continue
        return
    raise ConflictError("the ledger", "it changes faster than we can write", remedy="Run this again.")


def _report(settings: Settings, done: _Done, source: Source) -> Report:
    model, decision = settings.registry.model, done.decision
    target = settings.retrain.command or settings.retrain.trigger
    action = Action(kind="start_retraining", target=target, value=decision.key[:12])
    state = (
        "training again" if done.claim else "would train again" if decision.trigger else "not training again"
    )
    return Report(
        command="retrain",
        model=model,
        headline=f"{model}: {state}: {decision.reason}",
        summary=_summary(decision),
        next_step=_next(decision, settings),
        actions=(action,) if decision.trigger else (),
        source=source,
        details={
            "why": decision.why,
            "trigger": decision.trigger,
            "started": done.claim is not None,
            "key": decision.key,
            "windows": list(decision.windows),
            "columns": list(decision.columns),
            "until": decision.until,
            "claim": done.claim.nonce if done.claim else None,
            "earlier": [
                {
                    "time": entry.time,
                    "reason": entry.reason,
                    "champion": entry.from_version,
                    "key": str(entry.details.get("key", ""))[:12],
                }
                for entry in done.history.entries
                if entry.event == EVENT and entry.phase == "recorded" and entry.intent is None
            ][-10:],
        },
    )


def _summary(decision: Decision) -> str:
    if not decision.windows:
        return ""
    named = f" Drifted: {', '.join(decision.columns[:8])}." if decision.columns else ""
    first, last = (decision.windows[place].split("/")[place] for place in (0, -1))
    many = f"{len(decision.windows)} window{'s' if len(decision.windows) != 1 else ''}"
    return f"It rests on {many}, from {first[:16]} to {last[:16]} UTC.{named}"


def _next(decision: Decision, settings: Settings) -> str:
    if decision.trigger:
        return "What it trains goes through the same gate as every change."
    if decision.why == "no windows":
        return "Run `mlops-ci monitor` first: it judges production's windows."
    if decision.why == "unchanged data":
        path = settings.retrain.paths[0] if settings.retrain.paths else "PATH"
        return f"Put newer data there, and run `mlops-ci data update {path}`."
    return ""
