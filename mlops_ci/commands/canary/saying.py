"""What a canary's verbs say: the state in words and numbers, and what is odd about the windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_ci.commands.canary import rates as rates_of
from mlops_ci.commands.moving import Mover
from mlops_ci.core.canary.decide import Decision, Outcome, Rule
from mlops_ci.core.canary.evidence import Evidence
from mlops_ci.core.canary.state import Canary
from mlops_ci.core.canary.windows import written
from mlops_ci.core.ledger import History
from mlops_ci.core.numbers import many, percent
from mlops_ci.core.report import Action, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError

HELD = 3


def report(  # noqa: PLR0913
    moving: Mover,
    history: History,
    canary: Canary | None,
    source: Source,
    *,
    verb: str,
    decision: Decision | None = None,
    evidence: Mapping[str, Evidence] | None = None,
    fresh: Sequence[Mapping[str, Any]] = (),
    notices: Sequence[Notice] = (),
    trouble: str = "",
    idle: bool = False,
    dry_run: bool = False,
) -> Report:
    """Return the report of a canary as it is now; without one, that there is none.

    With `idle` it was over before this look, which judged and did nothing.
    """
    name = moving.model
    details: dict[str, Any] = {
        "verb": verb,
        "ledger": {"address": moving.ledger.address, "head": history.head},
    }
    if canary is None:
        return Report(
            command="canary",
            model=name,
            headline=f"{name}: there is no canary",
            next_step="`mlops-ci promote` starts one where `canary` is set.",
            source=source,
            details=details,
        )
    shown = evidence if evidence is not None else canary.evidence
    outcome = decision.outcome.value if decision and dry_run else canary.outcome
    line, step = _wording(name, canary, outcome, trouble, dry_run=dry_run)
    windows = [*canary.windows, *(fresh if dry_run else ())]
    rates = [
        rates_of.rate(one, shown.get(one, Evidence()), canary.rule, windows) for one in _order(moving, canary)
    ]
    return Report(
        command="canary",
        model=name,
        verdict=None if idle else _verdict(outcome),
        exit_code=ServiceError.exit_code if trouble else 0 if idle else _exit_code(outcome, verb),
        headline=line,
        summary=_summary(canary, rates, windows),
        next_step=step,
        champion=ModelRef(version=canary.champion),
        candidate=ModelRef(version=canary.challenger, run_id=canary.begun.run_id),
        findings=tuple(rates_of.finding(one) for one in rates),
        alpha=canary.rule.alpha,
        notices=(*notices, *_warnings(trouble, decision)),
        actions=_actions(moving, canary, decision, dry_run=dry_run),
        source=source,
        details={
            **details,
            "decision": decision.outcome.value if decision else "",
            "promoted_version": canary.challenger if canary.outcome == Outcome.PROMOTE and not idle else None,
            "canary": _described(canary, windows),
            "rates": rates,
            "windows": windows[-rates_of.SHOWN :],
            "read": len(fresh),
        },
    )


def _warnings(trouble: str, decision: Decision | None) -> list[Notice]:
    said = []
    if trouble:
        said.append(Notice(text=f"The traffic is not what it should be: {trouble}", level="danger"))
    if decision is not None and decision.warning:
        said.append(Notice(text=f"The new version is {decision.warning}.", level="warning"))
    return said


def _order(moving: Mover, canary: Canary) -> list[str]:
    """Return the rates in the order of the settings: the ledger sorts them by name."""
    margins, rules = canary.rule.margins, moving.settings.canary
    return list(rules.rates) if rules is not None and set(rules.rates) == set(margins) else list(margins)


def _described(canary: Canary, windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rule = canary.rule
    return {
        "champion": canary.champion,
        "challenger": canary.challenger,
        "running": canary.running,
        "outcome": canary.outcome,
        "reason": canary.end.reason if canary.end else "",
        "share": canary.share,
        "step": canary.step,
        "steps": list(rule.steps),
        "windows": len(windows),
        "windows_of_step": sum(one["step"] == canary.step for one in windows),
        "min_windows": rule.min_windows,
        "began": canary.begun.time,
        "deadline": written(canary.deadline) if canary.deadline else "",
        "harm_needed": rule.harm_threshold,
        "safe_needed": rule.safety_threshold,
    }


def _verdict(outcome: str) -> Result | None:
    return {
        Outcome.ROLLBACK.value: Result.FAIL,
        Outcome.PROMOTE.value: Result.PASS,
        Outcome.INCONCLUSIVE.value: Result.INCONCLUSIVE,
    }.get(outcome)


def _exit_code(outcome: str, verb: str) -> int:
    """Return 1 for what was rolled back, 3 for what was not settled; looking at it later is no failure."""
    if verb != "look":
        return 0
    return {Outcome.ROLLBACK.value: 1, Outcome.INCONCLUSIVE.value: HELD}.get(outcome, 0)


def _wording(name: str, canary: Canary, outcome: str, trouble: str, *, dry_run: bool) -> tuple[str, str]:
    version, back = canary.challenger, canary.champion
    would = "would be " if dry_run else ""
    reason = canary.end.reason if canary.end else ""
    if trouble:
        return (
            f"{name}: the canary of version {version} is not served as decided",
            "Fix `promotion.deploy_command`; the next `mlops-ci canary look` tries again.",
        )
    if outcome == Outcome.ROLLBACK:
        because = f": {reason}" if reason else ""
        return (
            f"{name}: version {version} {would}rolled back{because}",
            f"All traffic is on version {back}. Revert the change that made version {version}.",
        )
    if outcome == Outcome.PROMOTE:
        return (
            f"{name}: version {version} {would or 'is '}the champion, its canary passed".replace(
                "be the", "be"
            ),
            "If it misbehaves, `mlops-ci rollback` goes back in seconds.",
        )
    if outcome == Outcome.INCONCLUSIVE:
        return (
            f"{name}: the canary of version {version} ended undecided, version {back} has all traffic",
            "Give it more traffic, time or outcomes (`canary.deadline`), then `mlops-ci canary start`.",
        )
    if outcome:
        because = f": {reason}" if reason else ""
        return f"{name}: the canary of version {version} was stopped{because}", ""
    if outcome == "" and canary.segments:
        share = percent(canary.share)
        return f"{name}: version {version} is a canary with {share} of the traffic", _NEXT
    return f"{name}: the canary of version {version} is being started", _NEXT


_NEXT = "`mlops-ci canary look` reads the next window and decides."


def _summary(canary: Canary, rates: Sequence[Mapping[str, Any]], windows: Sequence[Any]) -> str:
    if not windows:
        return "No window with outcomes of both versions was read yet: that proves nothing, either way."
    open_ones = [str(one["name"]) for one in rates if one["found"] in ("open", "worse, size open")]
    text = f"{many(len(windows), 'window')} read, against version {canary.champion} in the same windows."
    if canary.running and open_ones:
        text += f" Not settled yet: {', '.join(open_ones)}."
    return text


def _actions(
    moving: Mover, canary: Canary, decision: Decision | None, *, dry_run: bool
) -> tuple[Action, ...]:
    if decision is None or decision.outcome is Outcome.CONTINUE:
        return ()
    name = moving.model
    if decision.outcome is Outcome.STEP:
        step = canary.step + (1 if dry_run else 0)
        return (
            Action(kind="route", target=name, value=percent(canary.rule.steps[step]), applied=not dry_run),
        )
    challenger = Action(
        kind="drop_alias", target=f"{name}@{moving.settings.registry.challenger}", applied=not dry_run
    )
    if decision.outcome is Outcome.PROMOTE:
        target = f"{name}@{moving.alias}"
        moved = Action(kind="set_alias", target=target, value=canary.challenger, applied=not dry_run)
        return (moved, challenger)
    return (Action(kind="route", target=name, value="0%", applied=not dry_run), challenger)


def reason(decision: Decision, evidence: Mapping[str, Evidence], rule: Rule) -> str:
    """Return why a canary ends, for the ledger."""
    if decision.outcome is Outcome.PROMOTE:
        return decision.warning
    parts = []
    for name in decision.rates:
        one = rates_of.rate(name, evidence.get(name, Evidence()), rule)
        if decision.outcome is Outcome.ROLLBACK and one["champion"] is not None:
            parts.append(f"{name} {one['champion']:.2%} -> {one['challenger']:.2%} (E = {one['harm']:g})")
        else:
            parts.append(name)
    text = ", ".join(parts)
    return text if decision.outcome is Outcome.ROLLBACK else f"not settled by the deadline: {text}"
