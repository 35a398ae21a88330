"""`monitor`: production, window by window, beside what the champion was trained and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mlops_ci.adapters.ports import Champion, Registry
from mlops_ci.adapters.ports.monitoring import Asked, Production, Seen, Slice, Trends
from mlops_ci.commands.champion import ChampionMover, champion_mover
from mlops_ci.commands.matching import own_evaluation
from mlops_ci.commands.monitor_baseline import window_judge
from mlops_ci.commands.monitor_report import MonitorRun, monitor_report
from mlops_ci.commands.monitor_window import WindowJudge
from mlops_ci.commands.tools import Tools
from mlops_ci.core.ledger import History
from mlops_ci.core.monitor.record import (
    EVENT,
    Watched,
    usual_rows,
    watched,
)
from mlops_ci.core.monitor.windows import length_of, read_time
from mlops_ci.core.report import Notice, Report, Source
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError, UsageError
from mlops_ci.settings import Settings

TRIES = 20


@dataclass(frozen=True, kw_only=True)
class MonitorInputs:
    """The inputs of `monitor`, beside the tools of every verb.

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
    settings: Settings, tools: Tools, watch: MonitorInputs, source: Source, *, dry_run: bool = False
) -> Report:
    """Judge the windows of production that are due and not judged yet, and evaluate the alarms.

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
    mover = champion_mover(settings, tools)
    champion = mover.registry.champion(settings.registry.model, settings.registry.champion)
    if champion is None or champion.ref.version is None:
        raise EvidenceError(
            f"nothing is in production: '{settings.registry.model}' has no version with the alias"
            f" '{settings.registry.champion}'",
            remedy="take it in with `mlops-ci adopt`, or promote a candidate",
        )
    now = watch.now or tools.now()
    seen = watch.production.read(_asked(settings, champion, now), tools.scratch / "production")
    history = mover.read()
    judge = window_judge(settings, tools, champion, own_evaluation(tools, mover.registry, champion))
    before = watched(history, mover.environment)
    fresh, drift = _judged(settings, judge, seen.slices, before, champion.ref.version)
    if fresh and not dry_run:
        history = _kept(mover, fresh, source)
    records = _merged(watched(history, mover.environment), fresh)
    notices = [*judge.notices, *_notices(settings, seen, mover.registry, champion)]
    if not dry_run:
        notices += _logged(settings, watch, records, champion.ref.version)
    return monitor_report(
        settings, MonitorRun(champion, now, seen, records, fresh, drift, notices), source, dry_run=dry_run
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
    settings: Settings, judge: WindowJudge, slices: Sequence[Slice], before: Sequence[Watched], champion: str
) -> tuple[list[Watched], dict[str, Any] | None]:
    """Judge new windows; return their records, and the drift comparison of the newest."""
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
    """Add the signal of an unusual number of rows; an empty window always raises it."""
    usual = usual_rows([one for one in past if one.window != made.window], made.start)
    if usual is None and made.rows:
        return made
    share = settings.monitor.volume
    odd = not made.rows or (usual is not None and not usual * share <= made.rows <= usual / share)
    return replace(made, known=(*made.known, "volume"), raised=(*made.raised, *(["volume"] if odd else [])))


def _kept(mover: ChampionMover, fresh: Sequence[Watched], source: Source) -> History:
    """Append the new judgements to the ledger once; a concurrent run finds them there."""
    for _ in range(TRIES):
        history = mover.read()
        there = {(one.window, one.champion, one.digest) for one in watched(history, mover.environment)}
        new = [one for one in fresh if (one.window, one.champion, one.digest) not in there]
        if not new:
            return history
        details = {"windows": [one.to_dict() for one in new]}
        try:
            return mover.ledger.append(history, mover.entry(EVENT, "recorded", source, details=details))
        except ConflictError:
            continue
    raise ConflictError("the ledger", "it changes faster than we can write", remedy="Run this again.")


def _merged(kept: Sequence[Watched], fresh: Sequence[Watched]) -> list[Watched]:
    every = {one.window: one for one in [*kept, *fresh]}
    return sorted(every.values(), key=lambda one: (one.start, one.end))


def _notices(settings: Settings, seen: Seen, registry: Registry, champion: Champion) -> list[Notice]:
    """Return notices on rows that were left out of the windows."""
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


def _logged(
    settings: Settings, watch: MonitorInputs, records: Sequence[Watched], champion: str
) -> list[Notice]:
    """Log the last windows' numbers to MLflow for people; a failure there is only a notice."""
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
