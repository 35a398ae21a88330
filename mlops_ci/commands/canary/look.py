"""`canary look`: read the windows that are due, decide by all evidence, and do what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_ci.commands.canary import data_quality, transitions
from mlops_ci.commands.canary.report import LookResult, canary_report, end_reason
from mlops_ci.commands.champion import TRIES, ChampionMover, champion_mover
from mlops_ci.commands.tools import Tools
from mlops_ci.core.canary.decide import Outcome, decide
from mlops_ci.core.canary.evidence import Evidence
from mlops_ci.core.canary.outcomes import Outcomes, Seen, read
from mlops_ci.core.canary.reading import BadOutcomeError, outcomes
from mlops_ci.core.canary.state import EVENT, Canary, latest
from mlops_ci.core.canary.windows import Window, unread, windows, written
from mlops_ci.core.ledger import History
from mlops_ci.core.report import Notice, Report, Source
from mlops_ci.errors import ConflictError, EvidenceError, UsageError
from mlops_ci.settings import CanarySettings, Settings

YEAR = 366 * 86400
# How many windows that were read are looked at again, for rows that came late.
LATE = 24


def look(settings: Settings, tools: Tools, source: Source, *, dry_run: bool = False) -> Report:
    """Read the windows that are due, decide, and act.

    A window is read once, by its name, whoever looks and however often; one without rows of both
    versions waits for them. Windows need not come in their order. Where the canary was over before, the
    report tells how, and passes no verdict.

    Raises
    ------
    UsageError
        If no canary is set up, or its rates are not those that the running one began with.
    EvidenceError
        If the outcomes cannot be read: nothing is decided then, before the deadline.
    ConflictError
        If others kept writing to the ledger.
    """
    rules = required(settings)
    mover = champion_mover(settings, tools)
    idle = True
    for _ in range(TRIES):
        history = mover.verified_history(finish=not dry_run)
        canary = latest(history, mover.environment)
        # What ended in an earlier look was reported by that one: a schedule must not fail of it for ever.
        idle = idle and not (canary and canary.running)
        trouble = ""
        if not dry_run:
            history, trouble = transitions.finish(mover, history)
        canary = latest(history, mover.environment)
        if canary is None or not canary.running or trouble:
            return canary_report(mover, history, canary, source, verb="look", idle=idle, trouble=trouble)
        if set(rules.rates) != set(canary.rule.margins):
            raise UsageError(
                f"the canary of version {canary.challenger} began with the rates"
                f" {', '.join(canary.rule.margins)}, `canary.rates` now names {', '.join(rules.rates)}",
                remedy="put them back, or `mlops-ci canary stop` and start again",
            )
        try:
            return _looked(mover, history, canary, rules, source, dry_run=dry_run)
        except ConflictError:
            tools.console.info("Someone else wrote to the ledger: looking again.")
    raise ConflictError("the ledger", f"others keep writing to the history of '{settings.registry.model}'")


def required(settings: Settings) -> CanarySettings:
    """Return the canary's settings; raise a UsageError if there are none."""
    if settings.canary is None:
        raise UsageError(
            f"no canary is set up for '{settings.registry.model}'",
            remedy="add `canary:` with `outcomes` and `rates` to mlops-ci.yaml; see docs/canary.md",
        )
    return settings.canary


def _looked(
    mover: ChampionMover,
    history: History,
    canary: Canary,
    rules: CanarySettings,
    source: Source,
    *,
    dry_run: bool,
) -> Report:
    champion = mover.state(history).champion
    if champion != canary.champion:
        why = f"version {champion} became champion: the canary was about version {canary.champion}"
        trouble = ""
        if not dry_run:
            history, trouble = transitions.end(mover, history, canary, source, transitions.STOP, reason=why)
        return _after(mover, history, source, canary, None, trouble, dry_run=dry_run)
    found = examine(mover, canary, rules)
    if found.records and not dry_run:
        history = mover.ledger.append(history, _entry(mover, canary, found, source))
    trouble = ""
    if not dry_run:
        history, trouble = _act(mover, history, canary, found, source)
    return _after(mover, history, source, canary, found, trouble, dry_run=dry_run)


def examine(mover: ChampionMover, canary: Canary, rules: CanarySettings) -> LookResult:
    """Read the windows that are due and decide, without changing anything."""
    rule, now = canary.rule, mover.tools.now().timestamp()
    end = canary.deadline
    overdue = end is not None and now >= end + rule.label_age
    until = now if end is None else min(now, end + rule.label_age)
    everything = windows(canary.begun.nonce, canary.segments, rule, until)
    due = unread(everything, canary.read)
    # What the last look decided, where a dead job did not do it: it is done before anything else is read.
    decided = decide(canary.evidence, rule, step=canary.step, windows=canary.windows_of_step)
    found = LookResult(evidence=dict(canary.evidence), decision=decided)
    if decided.outcome is not Outcome.CONTINUE:
        return found
    try:
        rows = _rows(mover, canary, rules, everything, due)
    except EvidenceError as error:
        if not overdue:
            raise
        # Nothing new can be proven: the challenger does not keep its traffic for that.
        text = f"The deadline is over, and the outcomes cannot be read: {error.problem}"
        found.notices.append(Notice(text=text, level="danger"))
        counted = canary.windows_of_step
        found.decision = decide(canary.evidence, rule, step=canary.step, windows=counted, overdue=True)
        return found
    unmet = sorted(name for name in rows.unmet if not canary.evidence.get(name, Evidence()).n0)
    if unmet:
        # A misspelt label makes every prediction right: the windows stay unread until it shows once.
        found.notices += data_quality.of_labels(unmet, rules)
        due = []
    counted = canary.windows_of_step
    for window in due:
        seen, after = read(window, rows, (canary.champion, canary.challenger), rule.margins, found.evidence)
        if not seen.both:
            found.skipped.append((window, seen))
            continue
        found.evidence = after
        found.seen.append((window, seen))
        found.records.append(_record(window, seen, after))
        counted += window.step == canary.step
        found.decision = decide(after, rule, step=canary.step, windows=counted)
        if found.decision.outcome is not Outcome.CONTINUE:
            return _said(found, canary, rows, now)
    found.decision = decide(found.evidence, rule, step=canary.step, windows=counted, overdue=overdue)
    return _said(found, canary, rows, now)


def _said(found: LookResult, canary: Canary, rows: Outcomes, now: float) -> LookResult:
    found.notices += data_quality.of_windows(found.seen, found.skipped, canary)
    found.notices += data_quality.of_rows(rows, canary, now, LATE)
    return found


def _rows(
    mover: ChampionMover,
    canary: Canary,
    rules: CanarySettings,
    everything: Sequence[Window],
    due: Sequence[Window],
) -> Outcomes:
    """Read the rows of the windows that are due, and of the latest that were read, for late rows."""
    reading = rules.reading
    watched = [one for one in everything if one.name in canary.read][-LATE:]
    starts = [one.start for one in (*due, *watched)] or [mover.tools.now().timestamp()]
    # A unit counts once a canary: whether it is new shows only from the start.
    since = canary.segments[0].since if rules.unit and canary.segments else min(starts)
    until = mover.tools.now().timestamp() + YEAR
    try:
        return outcomes(mover.tools.traffic().columns(reading, since, until), reading)
    except BadOutcomeError as error:
        raise EvidenceError(
            str(error), remedy="correct `canary.rates` in mlops-ci.yaml, or what writes the outcomes"
        ) from error


def _record(window: Window, seen: Seen, after: Mapping[str, Evidence]) -> dict[str, Any]:
    return {
        "name": window.name,
        "start": written(window.start),
        "end": written(window.end),
        "share": window.share,
        "step": window.step,
        "rows": [seen.champion, seen.challenger, seen.other],
        "rates": {name: [round(number, 6) for number in counts] for name, counts in seen.counts.items()},
        "log_harm": {name: round(float(one.log_harm), 4) for name, one in after.items()},
        "log_safe": {name: round(float(one.log_safe), 4) for name, one in after.items()},
    }


def _entry(mover: ChampionMover, canary: Canary, found: LookResult, source: Source) -> Any:
    return mover.entry(
        EVENT,
        "recorded",
        source,
        from_version=canary.champion,
        to_version=canary.challenger,
        details={
            "canary": canary.begun.nonce,
            "act": "look",
            "windows": found.records,
            "evidence": {name: one.plain() for name, one in found.evidence.items()},
            "decision": found.decision.outcome.value,
        },
    )


def _act(
    mover: ChampionMover, history: History, canary: Canary, found: LookResult, source: Source
) -> tuple[History, str]:
    """Carry out the decision."""
    if found.decision.outcome is Outcome.CONTINUE:
        return history, ""
    # As the ledger has it: whoever carries the act out reads it from there.
    now = latest(history, mover.environment) or canary
    if found.decision.outcome is Outcome.STEP:
        return transitions.step(mover, history, now, source)
    reason = end_reason(found.decision, found.evidence, canary.rule)
    return transitions.end(mover, history, now, source, found.decision.outcome.value, reason=reason)


def _after(
    mover: ChampionMover,
    history: History,
    source: Source,
    canary: Canary,
    found: LookResult | None,
    trouble: str,
    *,
    dry_run: bool,
) -> Report:
    now = latest(history, mover.environment) or canary
    return canary_report(
        mover,
        history,
        now,
        source,
        verb="look",
        found=found,
        trouble=trouble,
        dry_run=dry_run,
    )
