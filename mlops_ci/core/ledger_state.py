"""The state that a ledger's history amounts to: the champion, where a rollback goes, what is not finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mlops_ci.core.ledger import Entry, History

# Events whose intents move the champion; other events are stored and move nothing.
MOVES = frozenset({"promote", "rollback", "adopt"})


@dataclass(frozen=True, kw_only=True)
class State:
    """The present state by a history, for one environment.

    Attributes
    ----------
    champion
        The version in force, or None if nothing was ever promoted.
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


def state_of(history: History, environment: str = "") -> State:
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
