"""The ledger: the append-only history of a model's promotions and rollbacks, as values.

One JSON object a line. Each line holds the SHA-256 of the line before it, so that a history which was
cut or rewritten shows, and a random nonce, so that two writers never write the same line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.report import plain

SCHEMA_VERSION = 1

Phase = Literal["intent", "committed", "abandoned", "deployed", "recorded"]


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
