"""The ledger: the append-only history of a model's promotions and rollbacks, as values.

One JSON object a line. Each line holds the SHA-256 of the line before it, so that a history which was
cut or rewritten shows, and a random nonce, so that two writers never write the same line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Literal

from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.report import plain

SCHEMA_VERSION = 1

Phase = Literal["intent", "committed", "abandoned", "deployed", "recorded"]
MOVES = frozenset({"promote", "rollback", "adopt"})
"""Events whose intents move the champion; other events are kept and move nothing."""


class BrokenLedgerError(ValueError):
    """A history that is unreadable or was altered; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    Attributes
    ----------
    event
        ``promote``, ``rollback`` or ``adopt``; others are kept and move nothing.
    phase
        ``intent``: decided, and from now on true. ``committed``: the registry's alias was set and read
        back. ``abandoned``: the intent was withdrawn. ``deployed``: the deployment ended, see `ok`.
        ``recorded``: something that was seen and moves nothing, such as one look at a canary.
    nonce, intent
        Random name of this entry, and of the intent that it is about.
    environment
        Name of the environment whose champion is moved; empty for the only one.
    commit, candidate_commit
        The merged commit, and the one that the candidate was judged at.
    digests
        SHA-256 by what it is of: ``model``, ``evaluation``, ``holdout``, ``dvc_lock``, ``verdict``,
        ``policy``.
    data
        Checksum of each external input by its path, as DVC names it.
    verdict
        What was decided: ``pass``, or ``inconclusive`` with an approval or inside the margin.
    approval
        ``actor``, ``reason``, ``commit`` and ``url`` of the word that a held check was promoted on.
    ok, detail
        Of a deployment: whether the expected version is served, and what was said.
    details
        Plain JSON values of the event's own, such as the state of a canary's test, or (``from``) the
        environment and version that a promotion came from.
    previous
        SHA-256 of the line before; empty in the first.
    """

    event: str
    phase: Phase
    model: str
    nonce: str
    time: str
    intent: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    environment: str = ""
    actor: str = ""
    reason: str = ""
    run_url: str = ""
    commit: str = ""
    candidate_commit: str = ""
    run_id: str | None = None
    pipeline_version: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    verdict: str = ""
    approval: Mapping[str, str] = field(default_factory=dict)
    ok: bool | None = None
    detail: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    previous: str = ""
    schema_version: int = SCHEMA_VERSION

    def line(self) -> bytes:
        """Return the entry as a JSON line, without empty fields."""
        values = {name: value for name, value in plain(self).items() if value not in ("", None, {})}
        return canonical_json(values) + b"\n"


@dataclass(frozen=True, kw_only=True)
class History:
    """All entries of one model, oldest first, with the digest of each line."""

    entries: tuple[Entry, ...] = ()
    digests: tuple[str, ...] = ()
    text: bytes = b""

    @property
    def head(self) -> str:
        """Digest of the last line, which identifies the whole history; empty if there is none."""
        return self.digests[-1] if self.digests else ""

    def holds(self, nonce: str) -> bool:
        """Return whether an entry with this nonce is in the history."""
        return any(entry.nonce == nonce for entry in self.entries)

    def digest_of(self, nonce: str) -> str:
        """Return the digest of the line with this nonce; empty if there is none."""
        return next((d for e, d in zip(self.entries, self.digests, strict=True) if e.nonce == nonce), "")


def parse(text: bytes, model: str) -> History:
    """Parse a history, and verify that no line is missing, changed or out of order.

    Raises
    ------
    BrokenLedgerError
        If a line is not an entry, the chain of digests breaks, or a newer mlops-ci wrote it.
    """
    entries: list[Entry] = []
    digests: list[str] = []
    nonces: set[str] = set()
    for number, line in enumerate(text.split(b"\n")[:-1], start=1):
        entry = _entry(line, number)
        if entry.previous != (digests[-1] if digests else ""):
            raise BrokenLedgerError(f"line {number} does not follow the line before it")
        if entry.model != model:
            raise BrokenLedgerError(f"line {number} is about the model '{entry.model:.80}'")
        if entry.nonce in nonces:
            raise BrokenLedgerError(f"line {number} repeats an earlier entry")
        nonces.add(entry.nonce)
        entries.append(entry)
        digests.append(hashlib.sha256(line + b"\n").hexdigest())
    if text and not text.endswith(b"\n"):
        raise BrokenLedgerError("its last line is cut short")
    return History(entries=tuple(entries), digests=tuple(digests), text=text)


def extended(history: History, entry: Entry) -> bytes:
    """Return the text of a history with one more entry, chained to the last line by its digest."""
    chained = Entry(
        **{item.name: getattr(entry, item.name) for item in fields(entry)} | {"previous": history.head}
    )
    return history.text + chained.line()


_NAMES = {item.name for item in fields(Entry)}
_TEXTS = {"event", "phase", "model", "nonce", "time", "actor", "reason", "commit", "previous", "environment"}


def _entry(line: bytes, number: int) -> Entry:
    try:
        raw: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise BrokenLedgerError(f"line {number} is not JSON") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int) or version < 1:
        raise BrokenLedgerError(f"line {number} has no schema_version")
    if version > SCHEMA_VERSION:
        raise BrokenLedgerError(f"line {number} was written by a newer mlops-ci (schema {version})")
    known = {name: value for name, value in raw.items() if name in _NAMES}
    mappings = (
        known.get("digests", {}),
        known.get("data", {}),
        known.get("approval", {}),
        known.get("details", {}),
    )
    right = all(isinstance(known[name], str) for name in _TEXTS & set(known))
    try:
        entry = Entry(**known)
    except TypeError:
        raise BrokenLedgerError(f"line {number} lacks what every entry has") from None
    if not right or not all(isinstance(one, dict) for one in mappings):
        raise BrokenLedgerError(f"line {number} holds a value of the wrong kind")
    return entry


@dataclass(frozen=True, kw_only=True)
class State:
    """The present state by a history, for one environment.

    Attributes
    ----------
    champion
        The version in force, or None where nothing was ever promoted.
    stack
        Versions one can go back to, oldest first; the champion is the last.
    decision
        The intent that made it champion.
    open
        The same intent, where nobody has yet written that the registry followed.
    rolled_back
        The rollback that took each version out, by version, unless it was promoted again.
    deployed
        The last deployment of the decision in force, or None.
    """

    champion: str | None = None
    stack: tuple[str, ...] = ()
    decision: Entry | None = None
    open: Entry | None = None
    rolled_back: Mapping[str, Entry] = field(default_factory=dict)
    deployed: Entry | None = None

    @property
    def previous(self) -> str | None:
        """The version that a rollback goes to: never one that was rolled back."""
        return self.stack[-2] if len(self.stack) > 1 else None


def project(history: History, environment: str = "") -> State:
    """Return the present state by a history; an intent counts from when it was written.

    Order is that of the lines; the time in an entry is for people, clocks may be wrong.
    """
    entries = [entry for entry in history.entries if entry.environment == environment]
    abandoned = {entry.intent for entry in entries if entry.phase == "abandoned"}
    committed = {entry.intent for entry in entries if entry.phase == "committed"}
    stack: list[str] = []
    rolled_back: dict[str, Entry] = {}
    decision: Entry | None = None
    for entry in moves(entries):
        if entry.nonce in abandoned or entry.to_version is None:
            continue
        decision, target = entry, entry.to_version
        if entry.event == "rollback":
            left = _go_back(stack, target)
            rolled_back |= {version: entry for version in left if version != target}
        elif not stack or stack[-1] != target:
            stack.append(target)
        rolled_back.pop(target, None)
    deployed = [e for e in entries if e.phase == "deployed" and decision and e.intent == decision.nonce]
    return State(
        champion=stack[-1] if stack else None,
        stack=tuple(stack),
        decision=decision,
        open=decision if decision and decision.nonce not in committed else None,
        rolled_back=rolled_back,
        deployed=deployed[-1] if deployed else None,
    )


def _go_back(stack: list[str], target: str) -> list[str]:
    """Pop everything newer than the target from the stack, and return it."""
    if target in stack:
        place = len(stack) - 1 - stack[::-1].index(target)
        left, stack[place + 1 :] = stack[place + 1 :], []
    else:
        left = stack[-1:]
        stack[-1:] = [target]
    return left


def moves(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the intents that move the champion."""
    return (entry for entry in entries if entry.phase == "intent" and entry.event in MOVES)


def promoted_versions(history: History, environment: str = "") -> set[str]:
    """Return all versions that were ever champion by the ledger: a rollback may go to them."""
    abandoned = {entry.intent for entry in history.entries if entry.phase == "abandoned"}
    return {
        entry.to_version
        for entry in moves(history.entries)
        if entry.environment == environment and entry.nonce not in abandoned and entry.to_version
    }


def model_digest(history: History, version: str, environment: str = "") -> str | None:
    """Return the digest of a version's model, as recorded when it last became champion."""
    found = [
        entry.digests.get("model")
        for entry in moves(history.entries)
        if entry.to_version == version and entry.environment == environment
    ]
    return next((digest for digest in reversed(found) if digest), None)


def clock_ran_back(history: History) -> bool:
    """Return whether times run backwards somewhere: a clock was wrong; the order of lines still holds."""
    times = [entry.time for entry in history.entries]
    return any(later < earlier for earlier, later in pairwise(times))
