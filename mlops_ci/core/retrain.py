"""The retraining policy: when monitoring is reason enough, and that one reason triggers only once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.monitor.record import Rule, Watched, watched
from mlops_ci.core.monitor.windows import read_time

EVENT = "retrain"
WEEK = timedelta(days=7)
LEASE = timedelta(minutes=15)
"""An unconfirmed claim of this age was left by a job that died: it may be made again."""

Why = Literal[
    "no windows",
    "nothing",
    "drift alone",
    "estimate alone",
    "loss alone",
    "unchanged data",
    "already",
    "cool-down",
    "budget",
    "retrain",
]


@dataclass(frozen=True, kw_only=True)
class RetrainPolicy:
    """When to train again.

    Attributes
    ----------
    rule
        How many of the last windows have to agree.
    on
        ``drift_and_loss``: drift and a proven loss; ``loss``: a proven loss alone is enough.
    cooldown
        Least time between two triggers.
    weekly
        Most triggers in seven days.
    """

    rule: Rule = field(default_factory=Rule)
    on: Literal["drift_and_loss", "loss"] = "drift_and_loss"
    cooldown: timedelta = timedelta(days=1)
    weekly: int = 2


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision whether to train again, and why.

    Attributes
    ----------
    why, reason
        The case, and one sentence.
    key
        SHA-256 of model, champion, drifted columns and data: one key triggers once.
    windows, columns
        The windows that it rests on, and the columns that drifted in them.
    until
        End of the newest of them: windows up to there never count again.
    """

    why: Why
    reason: str
    key: str = ""
    windows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    until: str = ""

    @property
    def trigger(self) -> bool:
        """Whether to train again."""
        return self.why == "retrain"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The inputs of a decision beside the history.

    Attributes
    ----------
    champion, environment
        Version in production, and where that is; empty for the only place.
    data
        Checksum of each external input as a retraining would read it, by path.
    champion_data
        The same of the champion; empty if it is not known.
    brings_data
        True if the trigger itself fetches newer data, so that what is there now does not matter.
    """

    model: str
    champion: str
    environment: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    champion_data: Mapping[str, str] = field(default_factory=dict)
    brings_data: bool = False


def key_of(now: Situation, columns: Sequence[str]) -> str:
    """Return the key of a reason to retrain: the same reason has the same key."""
    content = [now.model, now.champion, sorted(columns), dict(now.data)]
    return hashlib.sha256(canonical_json(content)).hexdigest()


def triggers(history: History, now: datetime, environment: str = "") -> list[Entry]:
    """Return the valid claims: not withdrawn, and confirmed or still recent."""
    entries = [one for one in history.entries if (one.event, one.environment) == (EVENT, environment)]
    withdrawn = {entry.intent for entry in entries if entry.phase == "abandoned"}
    confirmed = {entry.intent for entry in entries if entry.phase == "recorded" and entry.intent}
    return [
        entry
        for entry in entries
        if entry.phase == "recorded"
        and entry.intent is None
        and entry.nonce not in withdrawn
        and (entry.nonce in confirmed or abs(now - read_time(entry.time)) < LEASE)
    ]


def decide(history: History, policy: RetrainPolicy, situation: Situation, now: datetime) -> Decision:
    """Decide from the monitoring records whether to train again.

    Loop protection: windows that a trigger rested on never count again, whoever is champion by then, and
    only windows that were judged with the present champion count at all.
    """
    past = triggers(history, now, situation.environment)
    until = max((str(entry.details.get("until", "")) for entry in past), default="")
    fresh = [
        one
        for one in watched(history, situation.environment)
        if one.champion == situation.champion and one.end > until and one.state == "judged"
    ]
    if not fresh:
        since = f" since {until}" if until else ""
        return Decision(why="no windows", reason=f"no judged window of the champion{since} to decide on")
    seen = _seen(fresh, policy)
    if seen.why != "retrain":
        return seen
    return _allowed(seen, past, policy, situation, now)


def _seen(fresh: Sequence[Watched], policy: RetrainPolicy) -> Decision:
    """Return the decision by the windows alone."""

    def hits(signal: str) -> list[Watched]:
        last = [one for one in fresh if signal in one.known][-policy.rule.n :]
        raised = [one for one in last if signal in one.raised]
        return raised if len(raised) >= policy.rule.k else []

    loss, guessed = hits("loss"), hits("estimated_loss")
    drift = hits("drift") or hits("prediction_drift")
    named = tuple(
        one.window for one in sorted({one.window: one for one in [*loss, *drift]}.values(), key=_start)
    )
    columns = tuple(sorted({name for one in drift for name in one.columns}))
    if loss and (drift or policy.on == "loss"):
        words = "drift and a proven loss" if drift else "a proven loss"
        text = f"{words} in {policy.rule.k} of the last {policy.rule.n} windows"
        until = max(one.end for one in [*loss, *drift])
        return Decision(why="retrain", reason=text, windows=named, columns=columns, until=until)
    if loss:
        text = (
            "a proven loss without drift: look whether the labels or the world changed, then retrain by hand"
        )
        return Decision(why="loss alone", reason=text, windows=named)
    if guessed:
        text = "a loss is only estimated: an estimate alone never triggers, wait for labels"
        return Decision(why="estimate alone", reason=text, columns=columns)
    if drift:
        text = "drift without a proven loss opens an issue and does not retrain"
        return Decision(why="drift alone", reason=text, windows=named, columns=columns)
    return Decision(why="nothing", reason="nothing in the last windows asks for it")


def _start(one: Watched) -> str:
    return one.start


def _allowed(
    seen: Decision, past: Sequence[Entry], policy: RetrainPolicy, situation: Situation, now: datetime
) -> Decision:
    """Return the decision after earlier triggers: a reason triggers once, within the budget."""

    def no(why: Why, reason: str) -> Decision:
        return Decision(why=why, reason=reason, key=key, windows=seen.windows, columns=seen.columns)

    key = key_of(situation, seen.columns)
    if any(entry.details.get("key") == key for entry in past):
        return no("already", "this was triggered already: same champion, columns and data")
    if not situation.brings_data:
        used = [situation.champion_data, *(entry.data for entry in past)]
        if any(before and dict(before) == dict(situation.data) for before in used):
            text = (
                "the training data is what it was: training again would give the same; bring newer data"
                " with `mlops-ci data update`"
            )
            return no("unchanged data", text)
    times = sorted(read_time(entry.time) for entry in past)
    if times and now - times[-1] < policy.cooldown:
        return no("cool-down", f"the last trigger was at {past[-1].time}: wait until the cool-down is over")
    recent = sum(now - time < WEEK for time in times)
    if recent >= policy.weekly:
        return no("budget", f"{recent} of {policy.weekly} triggers of this week are spent")
    return Decision(
        why="retrain",
        reason=seen.reason,
        key=key,
        windows=seen.windows,
        columns=seen.columns,
        until=seen.until,
    )
