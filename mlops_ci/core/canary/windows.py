"""The time windows of a canary: each lies in one traffic share, and has a reproducible name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_ci.core.canary.decide import Rule


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A period with one share of the traffic, in seconds since 1970; its end is open while it lasts."""

    share: float
    step: int
    since: float
    until: float | None = None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window ``[start, end)`` of one segment, in whole seconds since 1970."""

    canary: str
    share: float
    step: int
    start: float
    end: float

    @property
    def name(self) -> str:
        """Digest of the canary and the times: every reader gives the same window the same name."""
        text = f"{self.canary} {self.start:.0f} {self.end:.0f}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def seed(self) -> int:
        """Seed of the random blocks, so that reading the window again gives the same result."""
        return int(self.name, 16)


def windows(canary: str, segments: Sequence[Segment], rule: Rule, now: float) -> list[Window]:
    """Return the windows that may be read now, oldest first.

    A change of share ends a window: one that spans it would mix two shares, and alarms always. What is
    within `settle` seconds of a change is in no window, and none is read before it is `label_age` old.
    """
    found = []
    last = now - rule.label_age
    for segment in segments:
        start = segment.since + rule.settle
        until = math.inf if segment.until is None else segment.until - rule.settle
        while start < until:
            end = min(start + rule.window, until)
            if end > last:
                break
            found.append(Window(canary=canary, share=segment.share, step=segment.step, start=start, end=end))
            start = end
    return found


def unread(all_of_them: Sequence[Window], read: Set[str]) -> list[Window]:
    """Return the windows that no look has read yet, in their order."""
    return [one for one in all_of_them if one.name not in read]


def seconds(text: str) -> float:
    """Return a time of the ledger as seconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def written(time: float) -> str:
    """Return seconds since 1970 as the ledger writes them."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
