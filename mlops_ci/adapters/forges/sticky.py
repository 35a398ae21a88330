"""The sticky comment: one per key on a change, found by its marker, updated by the newest run only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote, unquote

from mlops_ci.core.report import Report, Source
from mlops_ci.core.verdict import Outcome
from mlops_ci.errors import ServiceError, UncertainError

CommentMode = Literal["always", "changes", "failures", "off"]

ROUNDS = 6
_MARKER = re.compile(
    r"\A<!-- mlops-ci key=(?P<key>\S*) run=(?P<run>\d+) attempt=(?P<attempt>\d+)"
    r" head=(?P<head>[0-9a-f]*) time=(?P<time>[0-9TZ:+.-]*) -->\r?\n?"
)
_RUNNING = "<!-- mlops-ci running; last report: {head} -->\n{text}\n<!-- /mlops-ci running -->\n"
_WAS_RUNNING = re.compile(
    r"\A<!-- mlops-ci running; last report: (?P<head>[0-9a-f]*) -->.*?<!-- /mlops-ci running -->\r?\n?",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Identifies the report and the run that a comment belongs to; written as its first line.

    Attributes
    ----------
    key
        What the report is about (a command and a model): one comment each.
    run, attempt, head, time
        As in `mlops_ci.core.report.Source`.
    """

    key: str
    run: int
    attempt: int
    head: str
    time: str

    @classmethod
    def of(cls, source: Source, key: str) -> Stamp:
        """Return the stamp of a run's report."""
        return cls(key=key, run=source.run_id, attempt=source.run_attempt, head=source.head, time=source.time)

    @classmethod
    def read(cls, body: str) -> Stamp | None:
        """Return the stamp at the start of a comment; anywhere else it could be quoted text."""
        found = _MARKER.match(body)
        if found is None:
            return None
        return cls(
            key=unquote(found["key"]),
            run=int(found["run"]),
            attempt=int(found["attempt"]),
            head=found["head"],
            time=found["time"],
        )

    def marker(self) -> str:
        """Return the HTML comment that carries the stamp."""
        # A key must not end the HTML comment.
        key = quote(self.key, safe="").replace("-", "%2D")
        return (
            f"<!-- mlops-ci key={key} run={self.run} attempt={self.attempt}"
            f" head={self.head} time={self.time} -->\n"
        )

    def older_than(self, other: Stamp) -> bool:
        """Return whether the other stamp's report is newer.

        Of two runs on one head the later started wins, so that a run that is started again after an
        approval shows; of runs on different heads the later made, since a re-run of an old head is
        still about the old head.
        """
        if self.head == other.head:
            return (self.time, self.run, self.attempt) < (other.time, other.run, other.attempt)
        return (self.run, self.attempt, self.time) < (other.run, other.attempt, other.time)


@dataclass(frozen=True, kw_only=True)
class Note:
    """A comment as a forge has it now."""

    id: int
    body: str
    url: str = ""

    @property
    def stamp(self) -> Stamp | None:
        """The stamp that it starts with."""
        return Stamp.read(self.body)


class Board(Protocol):
    """The comments of one change, with the forge's own identity applied."""

    def mine(self) -> Sequence[Note]:
        """Return all comments that this token's identity wrote, over all pages."""

    def read(self, note: int) -> Note | None:
        """Return a comment, or None if it is gone."""

    def create(self, body: str) -> Note:
        """Write a comment."""

    def update(self, note: int, body: str) -> bool:
        """Update a comment; return False if it is gone."""

    def delete(self, note: int) -> None:
        """Delete a comment, if it is still there."""


Compose = Callable[[Note | None], str | None]


def upsert(board: Board, stamp: Stamp, compose: Compose) -> Note | None:
    """Create or update the one comment of `stamp.key`, also under concurrent jobs.

    Forges have no compare-and-set, so each step is followed by a look: after creating, the list is
    read again, the lowest id stays, the newest text moves into it, and the rest is deleted; all jobs
    that race do the same and so end with the same comment.

    Parameters
    ----------
    compose
        Gives the text from the present comment (None if there is none), or None to write nothing.

    Returns
    -------
    Note or None
        The comment that stands, which may be a newer run's; None if none was to be written.

    Raises
    ------
    ServiceError
        If the forge fails, or the comment does not settle.
    """
    written: set[int] = set()
    for _ in range(ROUNDS):
        ours = _ours(board, stamp.key)
        if not ours:
            text = compose(None)
            if text is None:
                return None
            with suppress(UncertainError):  # It may be there: the next look tells.
                written.add(board.create(stamp.marker() + text).id)
            continue
        (keep, kept), *rest = ours
        newest, newest_stamp = max(ours, key=_Order)
        if stamp.older_than(newest_stamp):
            text = newest.body
        else:
            composed = compose(keep)
            text = keep.body if composed is None else stamp.marker() + composed
        done = kept == Stamp.read(text) and (keep.id in written or text == keep.body)
        if not done and not board.update(keep.id, text):
            continue
        for note, _stamp in rest:
            board.delete(note.id)
        if done:
            return keep
        written.add(keep.id)
        now = board.read(keep.id)
        if now is not None and now.stamp is not None and not now.stamp.older_than(stamp):
            return now
    raise ServiceError("forge", f"the comment for '{stamp.key}' keeps changing", remedy="run the job again")


def retire(board: Board, stamp: Stamp, keys: Collection[str]) -> None:
    """Delete comments of other keys that the report of `stamp` replaced; those of newer runs stay."""
    for note in board.mine():
        if (old := note.stamp) is not None and old.key in keys and not stamp.older_than(old):
            board.delete(note.id)


def running(text: str, stamp: Stamp, limit: int, *, create: bool) -> Compose:
    """Return a function that adds a "running" line above the last report."""
    alone = _RUNNING.format(text=text, head="")

    def compose(present: Note | None) -> str | None:
        if present is None:
            return alone if create else None
        last = _MARKER.sub("", present.body)
        head = present.stamp.head if present.stamp else ""
        if before := _WAS_RUNNING.match(last):
            last, head = last[before.end() :], before["head"]
        if not last.strip():
            return alone
        about = f" The report below is for {head[:7]}." if head and head != stamp.head else ""
        whole = _RUNNING.format(text=text + about + "\n\n---", head=head) + "\n" + last.lstrip("\r\n")
        return whole if fits(stamp.marker() + whole, limit) else alone

    return compose


def fits(text: str, limit: int) -> bool:
    """Return whether a text is within a limit in bytes, and so in characters of any kind."""
    return len(text.encode("utf-8", "replace")) <= limit


def choose(report: Report, rendered: Mapping[str, str], limit: int) -> str:
    """Return the longest body that fits: bodies are never cut, only left out, with a note."""
    for name in ("comment", "markdown"):
        if rendered.get(name) and fits(rendered[name], limit):
            return rendered[name]
    where = f"[job summary]({report.source.run_url})" if report.source.run_url else "log of the job"
    verdict = report.verdict.value if report.verdict else "no verdict"
    return (
        f"**mlops-ci: {verdict}** (exit code {report.exit_code})\n\n"
        f"The report is longer than the {limit:,} bytes that a comment holds, so it is left out here"
        f" as a whole. Read it in the {where}.\n"
    )


def creates(mode: CommentMode, *reports: Report) -> bool:
    """Return whether reports deserve a new comment; an existing one is always updated."""
    if mode == "failures":
        return any(report.exit_code != 0 for report in reports)
    if mode == "changes":
        return not all(map(_quiet, reports))
    return mode == "always"


def _quiet(report: Report) -> bool:
    """Return whether nothing differs from the champion."""
    return (
        report.exit_code == 0
        and bool(report.findings)
        and all(finding.outcome is Outcome.UNCHANGED for finding in report.findings)
        and all(notice.level == "note" for notice in report.notices)
        and not (report.drift or {}).get("drifted")
    )


def _ours(board: Board, key: str) -> list[tuple[Note, Stamp]]:
    stamped = [(note, note.stamp) for note in board.mine()]
    ours = [(note, stamp) for note, stamp in stamped if stamp is not None and stamp.key == key]
    return sorted(ours, key=lambda pair: pair[0].id)


class _Order:
    """Orders comments by their stamps, for `max`."""

    def __init__(self, pair: tuple[Note, Stamp]) -> None:
        self.stamp = pair[1]

    def __lt__(self, other: _Order) -> bool:
        return self.stamp.older_than(other.stamp)

    def __gt__(self, other: _Order) -> bool:
        return other.stamp.older_than(self.stamp)
