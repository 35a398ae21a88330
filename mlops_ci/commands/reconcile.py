"""`reconcile`: find differences between ledger, registry and deployment, and repair the safe ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlops_ci.commands.canary.reconcile import reconcile_canary
from mlops_ci.commands.candidates import decide_again, find_candidate
from mlops_ci.commands.champion import ChampionMover, champion_mover
from mlops_ci.commands.deployment import deploy
from mlops_ci.commands.tools import Tools
from mlops_ci.core.canary.state import canaries
from mlops_ci.core.ledger import History
from mlops_ci.core.ledger_state import clock_ran_back, moves
from mlops_ci.core.report import Action, Notice, Report, Source
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError
from mlops_ci.settings import Settings

HandMoved = Literal["report", "restore", "accept"]
HELD = 3


@dataclass(kw_only=True)
class _Findings:
    """The findings so far; the exit code is the gravest."""

    notices: list[Notice] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    code: int = 0

    def say(
        self, text: str, *, code: int = 0, level: Literal["note", "warning", "danger"] = "warning"
    ) -> None:
        self.notices.append(Notice(text=text, level=level))
        self.code = self.code or code


def reconcile(
    settings: Settings,
    tools: Tools,
    source: Source,
    *,
    hand_moved: HandMoved = "report",
    merged: bool = True,
    dry_run: bool = False,
) -> Report:
    """Compare ledger, registry and deployment, and repair differences.

    A change that was begun is finished, or withdrawn where its version is gone; `previous` is set; a
    deployment that never ended is run again. What a person did by hand is reported, and only on
    request undone (``restore``) or written into the ledger (``accept``).

    Parameters
    ----------
    merged
        Look whether the checked-out commit was merged and never promoted.
    """
    mover = champion_mover(settings, tools)
    found = _Findings()
    history = mover.read()
    history = _anchored(mover, history, source, hand_moved, found, dry_run=dry_run)
    history = _finished(mover, history, found, dry_run=dry_run)
    history = _by_hand(mover, history, source, hand_moved, found, dry_run=dry_run)
    history = _previous_and_deployed(mover, history, found, dry_run=dry_run)
    history = _canary(mover, history, found, dry_run=dry_run)
    if clock_ran_back(history):
        found.say(
            "The times in the ledger run backwards: a clock was wrong. Its order still holds.", level="note"
        )
    if merged and not found.code:
        _never_promoted(settings, tools, mover, history, source, found)
    return _report(mover, history, source, found)


def _anchored(
    mover: ChampionMover,
    history: History,
    source: Source,
    hand_moved: HandMoved,
    found: _Findings,
    *,
    dry_run: bool,
) -> History:
    """Check that the history still has the lines that promoted the champion."""
    named = mover.registry.aliases(mover.model).get(mover.alias)
    version = mover.state(history).champion or named
    try:
        for one in {version, named} - {None}:
            mover.check_anchor(history, one)
    except EvidenceError as error:
        if hand_moved != "accept" or named is None:
            found.say(f"{error.problem}. {error.remedy}", code=EvidenceError.exit_code, level="danger")
            return history
        return _accept(mover, history, source, named, found, dry_run=dry_run)
    return history


def _finished(mover: ChampionMover, history: History, found: _Findings, *, dry_run: bool) -> History:
    state = mover.state(history)
    if state.open is None or found.code:
        return history
    target = f"{mover.model}@{mover.alias}"
    if not dry_run:
        history = mover.apply_decision(history)
    now = mover.state(history)
    found.say(
        f"The {state.open.event} to version {state.champion} of {state.open.time} was cut short"
        + (
            f"; it was withdrawn, the champion is version {now.champion}."
            if now.champion != state.champion
            else "."
        )
    )
    kind = "finish" if now.champion == state.champion else "withdraw"
    found.actions.append(Action(kind=kind, target=target, value=now.champion or "", applied=not dry_run))
    return history


def _by_hand(
    mover: ChampionMover,
    history: History,
    source: Source,
    hand_moved: HandMoved,
    found: _Findings,
    *,
    dry_run: bool,
) -> History:
    """Report an alias that was moved by hand; restore or accept it if asked to."""
    if found.code or (dry_run and mover.state(history).open is not None):
        return history
    moved = mover.moved_by_hand()
    if moved is None:
        return history
    named, state = moved
    target = f"{mover.model}@{mover.alias}"
    text = f"The alias names {named}, by the ledger the champion is version {state.champion}: moved by hand."
    if hand_moved == "report":
        found.say(f"{text} Nothing was changed.", code=HELD, level="danger")
        return history
    found.say(text)
    if hand_moved == "accept":
        version = mover.registry.aliases(mover.model).get(mover.alias)
        if version is None:
            found.say("There is no alias to accept.", code=HELD, level="danger")
            return history
        return _accept(mover, history, source, version, found, dry_run=dry_run)
    found.actions.append(
        Action(kind="set_alias", target=target, value=state.champion or "", applied=not dry_run)
    )
    return history if dry_run else mover.apply_decision(mover.read())


def _accept(
    mover: ChampionMover, history: History, source: Source, version: str, found: _Findings, *, dry_run: bool
) -> History:
    target = f"{mover.model}@{mover.alias}"
    found.actions.append(Action(kind="accept", target=target, value=version, applied=not dry_run))
    if dry_run:
        return history
    entry = mover.adoption_entry(version, source, "moved by hand, accepted")
    return mover.apply_decision(mover.ledger.append(history, entry))


def _previous_and_deployed(
    mover: ChampionMover, history: History, found: _Findings, *, dry_run: bool
) -> History:
    state = mover.state(history)
    if found.code or state.champion is None:
        return history
    alias = mover.settings.promotion.previous
    there = state.previous and mover.registry.version(mover.model, state.previous) is not None
    if there and mover.registry.aliases(mover.model).get(alias) != state.previous:
        found.say(f"The alias '{alias}' did not name version {state.previous}.", level="note")
        target = f"{mover.model}@{alias}"
        found.actions.append(
            Action(kind="set_alias", target=target, value=state.previous or "", applied=not dry_run)
        )
        if not dry_run:
            history = mover.apply_decision(history)
    promotion = mover.settings.promotion
    pending = state.deployed is None or state.deployed.ok is False
    began = state.decision is not None and state.decision.event != "adopt"
    if began and pending and promotion.deploy_command and mover.tools.operate:
        found.say(f"The deployment of version {state.champion} never succeeded.")
        found.actions.append(
            Action(kind="deploy", target=mover.model, value=state.champion, applied=not dry_run)
        )
        if not dry_run:
            history, trouble = deploy(mover, history)
            if trouble:
                found.say(f"It failed again: {trouble}", code=ServiceError.exit_code, level="danger")
    return history


def _canary(mover: ChampionMover, history: History, found: _Findings, *, dry_run: bool) -> History:
    """Reconcile the canary, and report what was done."""
    if found.code:
        return history
    mended = reconcile_canary(mover, history, dry_run=dry_run)
    for text in mended.said:
        found.say(text)
    found.actions += mended.actions
    if mended.trouble:
        found.say(f"It failed again: {mended.trouble}", code=ServiceError.exit_code, level="danger")
    return mended.history


def _never_promoted(
    settings: Settings, tools: Tools, mover: ChampionMover, history: History, source: Source, found: _Findings
) -> None:
    """Report that the checked-out commit's candidate passed and was never promoted."""
    try:
        candidate = find_candidate(settings, tools, mover.registry, source)
        here = [entry for entry in moves(history.entries) if entry.environment == mover.environment]
        known = {entry.digests.get("model") for entry in here}
        known |= {one.begun.digests.get("model") for one in canaries(history, mover.environment)}
        if candidate.digest in known:
            return
        judged, _, _ = decide_again(settings, tools, mover.registry, candidate)
    except EvidenceError as error:
        found.say(
            f"Whether commit {source.head[:12]} was promoted cannot be told: {error.problem}", level="note"
        )
        return
    except ConflictError:
        return
    if judged.verdict.exit_code == 0 or (candidate.judgement.approval and judged.verdict.exit_code == HELD):
        text = (
            f"Commit {source.head[:12]} is merged, its candidate (run {candidate.record.ref.run_id}) passes,"
            " and it was never promoted. Run `mlops-ci promote`."
        )
        found.say(text, code=HELD)


def _report(mover: ChampionMover, history: History, source: Source, found: _Findings) -> Report:
    name, state = mover.model, mover.state(history)
    if found.code == HELD:
        line, step = f"{name}: someone has to decide", _STEP
    elif found.code:
        line, step = f"{name}: could not be brought together", "Do what is said above, then run this again."
    elif found.actions:
        done = all(action.applied for action in found.actions)
        line, step = f"{name}: {'repaired' if done else 'would be repaired'}", ""
    elif state.champion is None:
        line, step = f"{name}: nothing was ever promoted", ""
    else:
        line, step = f"{name}: ledger and registry agree, version {state.champion} is the champion", ""
    return Report(
        command="reconcile",
        model=name,
        exit_code=found.code,
        headline=line,
        next_step=step,
        notices=tuple(found.notices),
        actions=tuple(found.actions),
        source=source,
        details={
            "champion": state.champion,
            "previous": state.previous,
            "entries": len(history.entries),
            "ledger": {"address": mover.ledger.address, "head": history.head},
        },
    )


_STEP = (
    "An alias that was moved by hand: `mlops-ci reconcile --restore` puts it back, `--accept` keeps it."
    " A merged commit: `mlops-ci promote`."
)
