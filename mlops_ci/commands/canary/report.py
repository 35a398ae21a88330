"""The report of `canary look`, `status` and `stop`: the state of a canary in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlops_ci.commands.canary import rates as rates_of
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.core.canary.decide import Decision, Outcome, Rule
from mlops_ci.core.canary.evidence import Evidence
from mlops_ci.core.canary.outcomes import Seen
from mlops_ci.core.canary.state import Canary
from mlops_ci.core.canary.windows import Window, written
from mlops_ci.core.formatting import many, percent
from mlops_ci.core.ledger import History
from mlops_ci.core.report import Action, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError

HELD = 3


@dataclass(kw_only=True)
class LookResult:
    """What one look read, window by window, and what it decided on that evidence."""

    evidence: dict[str, Evidence]
    decision: Decision
    seen: list[tuple[Window, Seen]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[Window, Seen]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def canary_report(  # noqa: PLR0913
    mover: ChampionMover,
    history: History,
    canary: Canary | None,
    source: Source,
    *,
    verb: str,
    found: LookResult | None = None,
    trouble: str = "",
    idle: bool = False,
    dry_run: bool = False,
) -> Report:
    """Return the report of a canary as it stands, or one that says that there is none.

    Parameters
    ----------
    verb
        Which of `canary`'s verbs reports: only `look` exits with the outcome of the canary.
    found
        What this look read and decided; None if the verb decides nothing and the ledger is all there is.
    trouble
        What went wrong with the traffic; empty if nothing did.
    idle
        Whether the canary was over before this look, which therefore passes no verdict.
    """
    base = Report(
        command="canary",
        model=mover.model,
        source=source,
        details={"verb": verb, "ledger": {"address": mover.ledger.address, "head": history.head}},
    )
    if canary is None:
        return replace(
            base,
            headline=f"{mover.model}: there is no canary",
            next_step="`mlops-ci promote` starts one where `canary` is set.",
        )
    decision, fresh = (found.decision, found.records) if found else (None, [])
    outcome = decision.outcome.value if decision and dry_run else canary.outcome
    windows = [*canary.windows, *(fresh if dry_run else ())]
    rates = _rates(mover, canary, found.evidence if found else canary.evidence, windows)
    headline, next_step = _wording(mover.model, canary, outcome, trouble, dry_run=dry_run)
    promoted = canary.outcome == Outcome.PROMOTE and not idle
    return replace(
        base,
        verdict=None if idle else _verdict(outcome),
        exit_code=ServiceError.exit_code if trouble else 0 if idle else _exit_code(outcome, verb),
        headline=headline,
        summary=_summary(canary, rates, windows),
        next_step=next_step,
        champion=ModelRef(version=canary.champion),
        candidate=ModelRef(version=canary.challenger, run_id=canary.begun.run_id),
        findings=tuple(rates_of.finding(one) for one in rates),
        alpha=canary.rule.alpha,
        notices=(*(found.notices if found else ()), *_warnings(trouble, decision)),
        actions=_actions(mover, canary, decision, dry_run=dry_run),
        details={
            **base.details,
            "decision": decision.outcome.value if decision else "",
            "promoted_version": canary.challenger if promoted else None,
            "canary": _described(canary, windows),
            "rates": rates,
            "windows": windows[-rates_of.SHOWN :],
            "read": len(fresh),
        },
    )


def _warnings(trouble: str, decision: Decision | None) -> list[Notice]:
    notices = []
    if trouble:
        notices.append(Notice(text=f"The traffic is not what it should be: {trouble}", level="danger"))
    if decision is not None and decision.warning:
        notices.append(Notice(text=f"The new version is {decision.warning}.", level="warning"))
    return notices


def _rates(
    mover: ChampionMover,
    canary: Canary,
    evidence: Mapping[str, Evidence],
    windows: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return each rate in numbers, in the order of the settings: the ledger sorts them by name."""
    margins, rules = canary.rule.margins, mover.settings.canary
    names = rules.rates if rules is not None and set(rules.rates) == set(margins) else margins
    return [rates_of.rate(name, evidence.get(name, Evidence()), canary.rule, windows) for name in names]


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
    reason = str(canary.end.details.get("why") or canary.end.reason) if canary.end else ""
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
    mover: ChampionMover, canary: Canary, decision: Decision | None, *, dry_run: bool
) -> tuple[Action, ...]:
    if decision is None or decision.outcome is Outcome.CONTINUE:
        return ()
    name = mover.model
    if decision.outcome is Outcome.STEP:
        step = canary.step + (1 if dry_run else 0)
        return (
            Action(kind="route", target=name, value=percent(canary.rule.steps[step]), applied=not dry_run),
        )
    challenger = Action(
        kind="drop_alias", target=f"{name}@{mover.settings.registry.challenger}", applied=not dry_run
    )
    if decision.outcome is Outcome.PROMOTE:
        target = f"{name}@{mover.alias}"
        moved = Action(kind="set_alias", target=target, value=canary.challenger, applied=not dry_run)
        return (moved, challenger)
    return (Action(kind="route", target=name, value="0%", applied=not dry_run), challenger)


def end_reason(decision: Decision, evidence: Mapping[str, Evidence], rule: Rule) -> str:
    """Return the reason why a canary ends, for the ledger."""
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
