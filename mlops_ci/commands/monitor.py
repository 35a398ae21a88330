"""`monitor`: production, window by window, beside what the champion was trained and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mlops_ci.adapters.ports import Champion, Registry
from mlops_ci.adapters.ports.monitoring import Asked, Production, Seen, Slice, Trends
from mlops_ci.commands.matching import own_evaluation
from mlops_ci.commands.moving import Mover, mover
from mlops_ci.commands.tools import Tools
from mlops_ci.commands.watching import Judge, judge_of
from mlops_ci.core.ledger import History
from mlops_ci.core.monitor.record import (
    EVENT,
    WORDS,
    Alarm,
    Watched,
    alarms,
    false_alarm_rate,
    usual_rows,
    watched,
)
from mlops_ci.core.monitor.windows import length_of, read_time, written
from mlops_ci.core.report import Action, Notice, Report, Source, plain
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError, UsageError
from mlops_ci.settings import Settings

TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What monitoring works with beside the tools of every verb.

    Attributes
    ----------
    production
        Reads production's rows.
    trends
        Keeps a history of numbers; None keeps none.
    now
        As of when; None takes the clock. Windows that end later are not due.
    """

    production: Production
    trends: Trends | None = None
    now: datetime | None = None


def monitor(
    settings: Settings, tools: Tools, watch: Watch, source: Source, *, dry_run: bool = False
) -> Report:
    """Judge the windows of production that are due and were not judged yet, and say what they mean together.

    A window is known by its name, the champion and the digest of its rows: the same rows are never judged
    twice, late rows and late labels revise their window, and one that was judged with an earlier champion
    stays as it was judged.

    Raises
    ------
    UsageError
        If the settings name no production data.
    EvidenceError
        If nothing is in production, or the data cannot be read.
    """
    if not settings.monitor.files:
        raise UsageError(
            "there is nothing to watch: `monitor.data` is not set",
            remedy="name production's rows in mlops-ci.yaml: monitor: {data: 'data/production/*.parquet'}",
        )
    moving = mover(settings, tools)
    champion = moving.registry.champion(settings.registry.model, settings.registry.champion)
    if champion is None or champion.ref.version is None:
        raise EvidenceError(
            f"nothing is in production: '{settings.registry.model}' has no version with the alias"
            f" '{settings.registry.champion}'",
            remedy="take it in with `mlops-ci adopt`, or promote a candidate",
        )
    now = watch.now or tools.now()
    seen = watch.production.read(_asked(settings, champion, now), tools.scratch / "production")
    history = moving.read()
    judge = judge_of(settings, tools, champion, own_evaluation(tools, moving.registry, champion))
    before = watched(history, moving.environment)
    fresh, drift = _judged(settings, judge, seen.slices, before, champion.ref.version)
    if fresh and not dry_run:
        history = _kept(moving, fresh, source)
    records = _merged(watched(history, moving.environment), fresh)
    notices = [*judge.notices, *_notices(settings, seen, moving.registry, champion)]
    if not dry_run:
        notices += _logged(settings, watch, records, champion.ref.version)
    return _report(
        settings, _Told(champion, now, seen, records, fresh, drift, notices), source, dry_run=dry_run
    )


def _asked(settings: Settings, champion: Champion, now: datetime) -> Asked:
    own = settings.monitor
    return Asked(
        files=own.files,
        labels=own.label_files,
        time=own.time,
        id=settings.evaluation.id,
        target=settings.evaluation.target,
        version=own.version,
        serving=champion.ref.version or "",
        now=now,
        length=length_of(own.window),
        delay=length_of(own.delay),
        most=own.lookback,
    )


def _judged(
    settings: Settings, judge: Judge, slices: Sequence[Slice], before: Sequence[Watched], champion: str
) -> tuple[list[Watched], dict[str, Any] | None]:
    """Judge what is new; return the records, and the drift comparison of the newest of them."""
    known = {one.window: one for one in before}
    fresh: list[Watched] = []
    drift = None
    for one in slices:
        there = known.get(one.window.name)
        if there is not None and (there.champion != champion or there.digest == one.digest):
            continue
        past = [*known.values(), *fresh]
        made, found = judge.window(one, sorted(past, key=lambda record: record.start))
        known[made.window] = made
        fresh.append(_volume(settings, made, sorted(past, key=lambda record: record.start)))
        drift = found or drift
    return fresh, drift


def _volume(settings: Settings, made: Watched, past: Sequence[Watched]) -> Watched:
    """Add whether the number of rows is unusual; a window without any always is."""
    usual = usual_rows([one for one in past if one.window != made.window], made.start)
    if usual is None and made.rows:
        return made
    share = settings.monitor.volume
    odd = not made.rows or (usual is not None and not usual * share <= made.rows <= usual / share)
    return replace(made, known=(*made.known, "volume"), raised=(*made.raised, *(["volume"] if odd else [])))


def _kept(moving: Mover, fresh: Sequence[Watched], source: Source) -> History:
    """Write the new judgements into the ledger, once: of two runs at the same time one finds them there."""
    for _ in range(TRIES):
        history = moving.read()
        there = {(one.window, one.champion, one.digest) for one in watched(history, moving.environment)}
        new = [one for one in fresh if (one.window, one.champion, one.digest) not in there]
        if not new:
            return history
        details = {"windows": [one.to_dict() for one in new]}
        try:
            return moving.ledger.append(history, moving.entry(EVENT, "recorded", source, details=details))
        except ConflictError:
            continue
    raise ConflictError("the ledger", "it changes faster than we can write", remedy="Run this again.")


def _merged(kept: Sequence[Watched], fresh: Sequence[Watched]) -> list[Watched]:
    every = {one.window: one for one in [*kept, *fresh]}
    return sorted(every.values(), key=lambda one: (one.start, one.end))


def _notices(settings: Settings, seen: Seen, registry: Registry, champion: Champion) -> list[Notice]:
    """Say what was left out of the windows, and why."""
    said = []
    if seen.future:
        text = (
            f"{seen.future:,} rows have a time in the future and were left out: a clock is wrong, or"
            f" `{settings.monitor.time}` is not in UTC."
        )
        said.append(Notice(text=text, level="warning"))
    if seen.undated:
        text = f"{seen.undated:,} rows have no time in `{settings.monitor.time}` and were left out."
        said.append(Notice(text=text, level="warning"))
    twice = sum(one.twice for one in seen.slices)
    if twice:
        said.append(Notice(text=f"{twice:,} rows came more than once and were counted once."))
    others: dict[str, int] = {}
    for one in seen.slices:
        for version, rows in one.others.items():
            others[version] = others.get(version, 0) + rows
    for version, rows in sorted(others.items()):
        known = version and registry.version(settings.registry.model, version) is not None
        if known:
            said.append(Notice(text=f"{rows:,} rows were answered by version {version} and left out."))
        else:
            text = (
                f"{rows:,} rows name the version '{version:.40}', which the registry does not have; they were"
                " left out. Who serves it?"
            )
            said.append(Notice(text=text, level="warning"))
    return said


def _logged(settings: Settings, watch: Watch, records: Sequence[Watched], champion: str) -> list[Notice]:
    """Write the last windows' numbers for people to look at; without them nothing is lost."""
    if watch.trends is None:
        return []
    points = [
        (one.number, read_time(one.end), _numbers(one))
        for one in records[-settings.monitor.lookback :]
        if one.champion == champion
    ]
    try:
        watch.trends.log(settings.registry.model, points)
    except ServiceError as problem:
        return [Notice(text=f"The history in MLflow was not written: {problem.problem}", level="warning")]
    return []


def _numbers(one: Watched) -> dict[str, float]:
    made = {"rows": float(one.rows), "labels": float(one.labels), "champion": _number(one.champion)}
    made |= {signal: float(signal in one.raised) for signal in one.known}
    made |= {f"{name}.measured": found["value"] for name, found in one.performance.items()}
    made |= {f"{name}.estimated": found["value"] for name, found in one.estimates.items()}
    return {key: float(value) for key, value in made.items() if value is not None}


def _number(version: str) -> float:
    return float(version) if version.isdigit() else float("nan")


@dataclass(frozen=True)
class _Told:
    champion: Champion
    now: datetime
    seen: Seen
    records: Sequence[Watched]
    fresh: Sequence[Watched]
    drift: dict[str, Any] | None
    notices: Sequence[Notice]


def stale(settings: Settings, now: datetime, newest: datetime | None) -> timedelta | None:
    """Return how old the newest row is where that is too old; None where it is fresh."""
    own = settings.monitor
    limit = length_of(own.freshness) if own.freshness else 2 * length_of(own.window) + length_of(own.delay)
    age = now - newest if newest is not None else timedelta.max
    return age if age > limit else None


def _report(settings: Settings, told: _Told, source: Source, *, dry_run: bool) -> Report:
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


def _headline(model: str, version: str, words: Sequence[str], told: _Told) -> str:
    if words:
        return f"{model}: production of version {version} needs a look: {', '.join(words)}"
    if not told.records:
        return f"{model}: no window of production is complete yet"
    return f"{model}: production of version {version} is as it should be"


def _summary(active: Sequence[Alarm], age: timedelta | None, told: _Told) -> str:
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
