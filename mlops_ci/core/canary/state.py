"""The state of a canary by the ledger: its step, its windows, and a transition that is not finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlops_ci.core.canary.decide import Outcome, Rule
from mlops_ci.core.canary.evidence import Evidence
from mlops_ci.core.canary.windows import Segment, seconds
from mlops_ci.core.ledger import Entry, History

EVENT = "canary"
# An entry's `details` name its act: `start`, `step` (the next share) and `end` are intents that are committed
# once they took effect; a `look` is only recorded.


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look: the windows that it read, and its decision."""

    time: str
    decision: str
    windows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One canary, running or finished.

    Attributes
    ----------
    begun
        The intent that started it, with all that is known of the candidate, as an intent to promote has.
    rule
        The rules it began with: a canary is not judged by others half way.
    segments
        Times with one share of the traffic each; none before the first deployment ended.
    evidence
        By rate, after the last look.
    looks
        Oldest first.
    open
        An act that was begun and has not taken effect yet, or None.
    end
        The intent that ended it, or None while it runs.
    """

    begun: Entry
    rule: Rule
    segments: tuple[Segment, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    open: Entry | None = None
    end: Entry | None = None

    @property
    def champion(self) -> str:
        """Version that the challenger is compared with."""
        return self.begun.from_version or ""

    @property
    def challenger(self) -> str:
        """Version under test."""
        return self.begun.to_version or ""

    @property
    def running(self) -> bool:
        """Whether it has not ended, or its end has not taken effect yet."""
        return self.end is None or self.open is not None

    @property
    def outcome(self) -> str:
        """How it ended: an `Outcome`, ``stop``, or empty while it runs."""
        return str(self.end.details.get("outcome", "")) if self.end else ""

    @property
    def step(self) -> int:
        """Index of the present step."""
        return self.segments[-1].step if self.segments else 0

    @property
    def share(self) -> float:
        """Share of the traffic that the challenger has by the ledger."""
        ended = self.end is not None or not self.segments
        return 0.0 if ended else self.segments[-1].share

    @property
    def windows(self) -> list[Mapping[str, Any]]:
        """All windows that were read."""
        return [one for look in self.looks for one in look.windows]

    @property
    def read(self) -> frozenset[str]:
        """Names of the windows that were read."""
        return frozenset(str(one.get("name")) for one in self.windows)

    @property
    def windows_of_step(self) -> int:
        """How many windows the present step has had."""
        return sum(one.get("step") == self.step for one in self.windows)

    @property
    def deadline(self) -> float | None:
        """When it ends undecided, in seconds since 1970."""
        return self.segments[0].since + self.rule.deadline if self.segments else None


def canaries(history: History, environment: str = "") -> list[Canary]:
    """Return all canaries of a model, oldest first; at most the last is running."""
    found: list[Canary] = []
    for entry in history.entries:
        if entry.event != EVENT or entry.environment != environment:
            continue
        act = entry.details.get("act")
        if act == "start" and entry.phase == "intent":
            rule = Rule.of(entry.details["rule"])
            found.append(Canary(begun=entry, rule=rule, open=entry))
        elif found and entry.details.get("canary") == found[-1].begun.nonce:
            found[-1] = _with(found[-1], entry, str(act))
    return found


def latest(history: History, environment: str = "") -> Canary | None:
    """Return the last canary, running or not."""
    return next(iter(reversed(canaries(history, environment))), None)


def rolled_back(history: History, digest: str | None, environment: str = "") -> Entry | None:
    """Return the end of the last canary of these bytes, if that was a rollback."""
    same = [one for one in canaries(history, environment) if digest and _digest(one) == digest]
    last = same[-1] if same else None
    return last.end if last is not None and last.outcome == Outcome.ROLLBACK else None


def _digest(one: Canary) -> str | None:
    return one.begun.digests.get("model")


def _with(before: Canary, entry: Entry, act: str) -> Canary:
    """Return a canary updated by one more of its entries."""
    values = dict(vars(before))
    if entry.phase == "recorded":
        evidence = {name: Evidence.of(one) for name, one in entry.details.get("evidence", {}).items()}
        look = Look(
            time=entry.time,
            decision=str(entry.details.get("decision", "")),
            windows=tuple(entry.details.get("windows", ())),
        )
        return Canary(**{**values, "evidence": evidence, "looks": (*before.looks, look)})
    if entry.phase == "intent":
        closed = before.segments
        if closed and closed[-1].until is None:
            last = Segment(**{**vars(closed[-1]), "until": seconds(entry.time)})
            closed = (*closed[:-1], last)
        ends = {"end": entry} if act == "end" else {}
        return Canary(**{**values, "open": entry, "segments": closed, **ends})
    if entry.phase == "committed" and before.open is not None and entry.intent == before.open.nonce:
        opened = before.segments
        if act in ("start", "step"):
            share, step = float(before.open.details["share"]), int(before.open.details["step"])
            opened = (*opened, Segment(share=share, step=step, since=seconds(entry.time)))
        end = before.end
        if end is not None and "outcome" in entry.details:
            end = replace(end, details={**end.details, **entry.details})
        return Canary(**{**values, "open": None, "segments": opened, "end": end})
    return before
