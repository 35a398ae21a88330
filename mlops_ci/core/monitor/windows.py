"""Windows of production time: where they begin and end, and which are complete."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Windows count from a Monday, so that those of seven days are calendar weeks.
ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)


class InvalidLengthError(ValueError):
    """Text that is not a duration."""


def length_of(text: str) -> timedelta:
    """Parse a duration such as ``15m``, ``1h``, ``7d`` or ``2w``.

    Raises
    ------
    InvalidLengthError
        If it is none, or nothing.
    """
    found = re.fullmatch(r"(\d{1,5})\s*([mhdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise InvalidLengthError(f"'{text}' is not a length of time: write 15m, 6h, 1d or 2w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, kw_only=True)
class Window:
    """Production from `start` (inclusive) to `end` (exclusive), in UTC."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """Its identity: a row always falls in the window of the same name."""
        return f"{written(self.start)}/{written(self.end)}"

    @property
    def number(self) -> int:
        """Its place in the sequence of all windows of its length."""
        return int((self.start - ORIGIN) // (self.end - self.start))


def written(time: datetime) -> str:
    """Format a time in UTC, ISO 8601, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """Parse a time; one without a zone is in UTC.

    Raises
    ------
    ValueError
        If it is none.
    """
    time = datetime.fromisoformat(text.strip())
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def window_at(time: datetime, length: timedelta) -> Window:
    """Return the window that contains a time; windows of one length never overlap."""
    start = ORIGIN + (time - ORIGIN) // length * length
    return Window(start=start, end=start + length)


def due(
    now: datetime, length: timedelta, delay: timedelta, *, first: datetime | None, most: int
) -> list[Window]:
    """Return the windows that are complete, oldest first.

    Parameters
    ----------
    now, delay
        A window is complete once this long after its end: rows that come later than that revise it.
    first
        Time of the oldest row, or None if there is none; no window before it is due.
    most
        At most this many of the newest.
    """
    last = window_at(now - delay, length).start - length
    oldest = last - (most - 1) * length
    if first is not None:
        oldest = max(oldest, window_at(first, length).start)
    made = []
    start = oldest
    while start <= last:
        made.append(Window(start=start, end=start + length))
        start += length
    return made
