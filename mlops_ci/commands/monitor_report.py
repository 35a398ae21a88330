"""The report of `monitor`: the alarms in words, the next step, and the issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlops_ci.adapters.ports import Champion
from mlops_ci.adapters.ports.monitoring import Seen
from mlops_ci.core.monitor.record import WORDS, Alarm, Watched, alarms, false_alarm_rate
from mlops_ci.core.monitor.windows import length_of, written
from mlops_ci.core.report import Action, Notice, Report, Source, plain
from mlops_ci.settings import Settings


@dataclass(frozen=True)
class MonitorRun:
    """What one run saw: the windows judged now, and all recorded ones."""

    champion: Champion
    now: datetime
    seen: Seen
    records: Sequence[Watched]
    fresh: Sequence[Watched]
    drift: dict[str, Any] | None
    notices: Sequence[Notice]


def stale(settings: Settings, now: datetime, newest: datetime | None) -> timedelta | None:
    """Return the age of the newest row if it is too old; None if it is fresh."""
    own = settings.monitor
    limit = length_of(own.freshness) if own.freshness else 2 * length_of(own.window) + length_of(own.delay)
    age = now - newest if newest is not None else timedelta.max
    return age if age > limit else None


def monitor_report(settings: Settings, told: MonitorRun, source: Source, *, dry_run: bool) -> Report:
    """Return the report of a monitoring run."""
    model, version = settings.registry.model, told.champion.ref.version or ""
    rule = settings.monitor.alarm.rule
    found = alarms(told.records, rule, champion=version)
    active = [one for one in found if one.active]
    age = stale(settings, told.now, told.seen.newest)
    words = [one.words for one in active] + ([WORDS["stale"]] if age else [])
    last = told.records[-settings.monitor.lookback :]
    action = _issue(settings, model, words, dry_run=dry_run)
    return Report(
        command="monitor",
        model=model,
        headline=_headline(model, version, words, told),
        summary=_summary(active, age, told),
        next_step=_next(words),
        champion=told.champion.ref,
        drift=told.drift,
        notices=tuple(told.notices),
        actions=(action,) if action else (),
        source=source,
        details={
            "as_of": written(told.now),
            "newest": written(told.seen.newest) if told.seen.newest else None,
            "alarms": plain(found),
            "stale": bool(age),
            "rule": {"k": rule.k, "n": rule.n, "false_alarms": false_alarm_rate(rule, settings.gate.alpha)},
            "judged": [one.window for one in told.fresh],
            "windows": [_filled(one) for one in last],
            "metrics": _metrics(settings, last),
            "issue": {"title": f"{model}: {', '.join(words)}" if words else "", "open": bool(words)},
        },
    )


def _filled(one: Watched) -> dict[str, Any]:
    made = plain(one)
    assert isinstance(made, dict)  # noqa: S101
    return made


def _metrics(settings: Settings, records: Sequence[Watched]) -> list[str]:
    shown = {name for one in records for name in (*one.performance, *one.estimates)}
    return [name for name in settings.metrics if name in shown]


def _issue(settings: Settings, model: str, words: Sequence[str], *, dry_run: bool) -> Action | None:
    if not settings.monitor.issue:
        return None
    kind = "open_issue" if words else "close_issue"
    return Action(kind=kind, target=model, value=", ".join(words), applied=not dry_run)


def _headline(model: str, version: str, words: Sequence[str], told: MonitorRun) -> str:
    if words:
        return f"{model}: production of version {version} needs a look: {', '.join(words)}"
    if not told.records:
        return f"{model}: no window of production is complete yet"
    return f"{model}: production of version {version} is as it should be"


def _summary(active: Sequence[Alarm], age: timedelta | None, told: MonitorRun) -> str:
    said = [f"{one.words[0].upper()}{one.words[1:]} in {one.hits} of {one.of} windows." for one in active]
    if age:
        newest = written(told.seen.newest) if told.seen.newest else "never"
        said.append(f"The newest row is of {newest}.")
    many = len(told.fresh)
    said.append(f"{many} window{'' if many == 1 else 's'} judged now, {len(told.records)} in all.")
    return " ".join(said)


def _next(words: Sequence[str]) -> str:
    if WORDS["loss"] in words:
        return "`mlops-ci retrain` decides whether to train again; to go back: `mlops-ci rollback`."
    if WORDS["stale"] in words:
        return "Find out why no rows arrive: what is not seen cannot be watched."
    return (
        "Look at the columns that moved; labels of these windows would tell what it costs." if words else ""
    )
