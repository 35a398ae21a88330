"""A canary's transitions (start, step, end): traffic, the challenger's alias, the champion.

Each act is an intent in the ledger, then its effects, then a line that says they are there. All effects can
be repeated, so a writer that dies leaves nothing half done that the next look or `reconcile` does not finish.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_ci.commands.champion import TRIES, ChampionMover
from mlops_ci.commands.deployment import deploy, deploy_variables
from mlops_ci.core.canary.decide import Outcome, Rule
from mlops_ci.core.canary.state import EVENT, Canary, latest
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.report import Source, plain
from mlops_ci.errors import ConflictError, MlopsCiError

STOP = "stop"


def begin(mover: ChampionMover, history: History, intent: Entry, rule: Rule) -> tuple[History, str]:
    """Start a canary of what would be promoted; return the history, and a problem with the traffic if any.

    Raises
    ------
    ConflictError
        If the history has grown meanwhile; nothing was begun.
    """
    details = {"act": "start", "share": rule.steps[0], "step": 0, "rule": plain(rule)}
    entry = replace(intent, event=EVENT, phase="intent", details={**intent.details, **details})
    return finish(mover, mover.ledger.append(history, entry))


def step(mover: ChampionMover, history: History, canary: Canary, source: Source) -> tuple[History, str]:
    """Give the challenger the next share of the traffic."""
    number = canary.step + 1
    details = {"act": "step", "share": canary.rule.steps[number], "step": number}
    return _act(mover, history, canary, source, details)


def end(
    mover: ChampionMover,
    history: History,
    canary: Canary,
    source: Source,
    outcome: str,
    *,
    reason: str = "",
) -> tuple[History, str]:
    """End the canary: promote the challenger, or give all traffic back to the champion."""
    return _act(mover, history, canary, source, {"act": "end", "outcome": outcome}, reason=reason)


def _act(
    mover: ChampionMover,
    history: History,
    canary: Canary,
    source: Source,
    details: Mapping[str, Any],
    *,
    reason: str = "",
) -> tuple[History, str]:
    entry = mover.entry(
        EVENT,
        "intent",
        source,
        from_version=canary.champion,
        to_version=canary.challenger,
        reason=reason,
        details={"canary": canary.begun.nonce, **details},
    )
    return finish(mover, mover.ledger.append(history, entry))


def finish(mover: ChampionMover, history: History) -> tuple[History, str]:
    """Carry out the open transition, if there is one; return the history, and a problem if any.

    What is wrong is a deployment that failed: the act stays open, and is tried again by the next one.
    """
    canary = latest(history, mover.environment)
    if canary is None or canary.open is None:
        return history, ""
    details = canary.open.details
    if details["act"] == "end":
        return _ended(mover, history, canary)
    if details["act"] == "start":
        alias = mover.settings.registry.challenger
        if mover.registry.aliases(mover.model).get(alias) != canary.challenger:
            mover.registry.set_alias(mover.model, alias, canary.challenger)
    routed = (canary.champion, canary.challenger, float(details["share"]))
    trouble = route(mover, history, *routed)
    if trouble:
        return history, trouble
    return _as_decided(mover, _committed(mover, history, canary), routed)


def _as_decided(
    mover: ChampionMover, history: History, routed: tuple[str, str, float]
) -> tuple[History, str]:
    """Route again what others decided meanwhile: a slow deployment has undone their work."""
    now, champion = latest(history, mover.environment), mover.state(history).champion
    if now is None:
        return history, ""
    if now.open is not None:
        return finish(mover, history)
    wanted = (now.champion, now.challenger, now.share)
    if not now.share or champion not in (None, now.champion):
        wanted = (champion or now.champion, "", 0.0)
    return history, "" if wanted == routed else route(mover, history, *wanted)


def _ended(mover: ChampionMover, history: History, canary: Canary) -> tuple[History, str]:
    state = mover.state(history)
    said: dict[str, Any] = {}
    if canary.outcome == Outcome.PROMOTE and state.champion in (canary.champion, canary.challenger):
        history, trouble = _promoted(mover, history, canary)
        if mover.state(history).champion == canary.champion:
            said = {"outcome": STOP, "why": f"version {canary.challenger} was deleted before it was champion"}
    else:
        if canary.outcome == Outcome.PROMOTE:
            # Someone moved the champion after the decision: it was about another one.
            said = {"outcome": STOP, "why": f"version {state.champion} became champion meanwhile"}
        # Traffic first: it is what hurts.
        trouble = route(mover, history, state.champion or canary.champion, "", 0.0)
    if trouble:
        return history, trouble
    alias = mover.settings.registry.challenger
    if mover.registry.aliases(mover.model).get(alias) == canary.challenger:
        mover.registry.drop_alias(mover.model, alias)
    return _committed(mover, history, canary, said), ""


def _promoted(mover: ChampionMover, history: History, canary: Canary) -> tuple[History, str]:
    """Make the challenger the champion as `promote` does, with the digests recorded when it began."""
    if mover.state(history).champion == canary.champion:
        reason = f"canary passed{': ' + canary.end.reason if canary.end and canary.end.reason else ''}"
        entry = replace(
            canary.begun,
            event="promote",
            nonce=secrets.token_hex(16),
            time=mover.entry(EVENT, "intent").time,
            reason=reason,
            details={
                **{name: canary.begun.details[name] for name in ("from",) if name in canary.begun.details},
                "canary": canary.begun.nonce,
            },
            previous="",
        )
        try:
            history = mover.ledger.append(history, entry)
        except ConflictError:
            return finish(mover, mover.read())
    return deploy(mover, mover.apply_decision(history))


def _committed(
    mover: ChampionMover, history: History, canary: Canary, said: Mapping[str, Any] | None = None
) -> History:
    """Record that the open transition took effect, unless another process has."""
    act = canary.open
    assert act is not None  # noqa: S101 (the callers looked)
    entry = mover.entry(
        EVENT,
        "committed",
        intent=act.nonce,
        to_version=canary.challenger,
        details={"canary": canary.begun.nonce, "act": act.details["act"], **(said or {})},
    )
    for _ in range(TRIES):
        now = latest(history, mover.environment)
        if now is None or now.open is None or now.open.nonce != act.nonce:
            return history
        try:
            return mover.ledger.append(history, entry)
        except ConflictError:
            history = mover.read()
    raise ConflictError("the ledger", f"the history of '{mover.model}' changes too fast to write")


def route(mover: ChampionMover, history: History, champion: str, challenger: str, share: float) -> str:
    """Run the team's deployment with a share of the traffic; return the problem, or an empty string."""
    command, operate = mover.settings.promotion.deploy_command, mover.tools.operate
    if not command or operate is None:
        return ""
    variables = deploy_variables(mover, history, EVENT, champion, challenger, share)
    try:
        operate(command, variables)
    except MlopsCiError as error:
        return error.problem
    return ""
