"""Moves the champion: the ledger decides, the registry's aliases follow."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.adapters.ports import Champion, Ledger, Registry
from mlops_ci.commands.tools import Tools
from mlops_ci.commands.version_facts import data_of, digests_of
from mlops_ci.core import tags
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import State, model_digest, moves, state_of
from mlops_ci.core.report import Source
from mlops_ci.errors import ConflictError, EvidenceError
from mlops_ci.settings import Settings

TRIES = 20
_SETTLE = (0.2, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class ChampionMover:
    """Moves one model's champion: decides in the ledger, then updates the registry.

    An intent in the ledger is the decision; from then on every process that meets it makes the aliases
    follow. So a writer that dies leaves nothing half done that the next one does not finish.
    """

    settings: Settings
    tools: Tools
    registry: Registry
    ledger: Ledger

    @property
    def model(self) -> str:
        """Registered name of the model."""
        return self.settings.registry.model

    @property
    def alias(self) -> str:
        """Alias of the champion."""
        return self.settings.registry.champion

    @property
    def environment(self) -> str:
        """Name of the environment; empty if the settings name none."""
        return self.settings.promotion.environment or ""

    def state(self, history: History) -> State:
        """Return the state of this environment by a history."""
        return state_of(history, self.environment)

    def read(self) -> History:
        """Return the history as it is now."""
        return self.ledger.read(self.model)

    def entry(self, event: str, phase: Any, source: Source | None = None, **values: Any) -> Entry:
        """Return a new entry with a nonce, the time and the actor."""
        values = {"run_url": source.run_url, "commit": source.head} | values if source else values
        return Entry(
            event=event,
            phase=phase,
            model=self.model,
            environment=self.environment,
            nonce=secrets.token_hex(16),
            time=self.tools.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            actor=self.tools.actor,
            **values,
        )

    def settled_history(self, source: Source, *, dry_run: bool = False) -> History:
        """Return the history after finishing an open decision, and adopting a champion older than the ledger.

        With `dry_run` nothing is written, and the first champion is not taken in.

        Raises
        ------
        EvidenceError
            If the alias was moved by hand, or the history was rewritten.
        """
        history = self.verified_history(finish=not dry_run)
        if dry_run:
            if self.state(history).open is not None:
                return history
        else:
            history = self._adopt_first(history, source)
        moved = self.moved_by_hand()
        if moved is not None:
            now, state = moved
            raise EvidenceError(
                f"the alias '{self.alias}' of '{self.model}' names {now}, but by the ledger the champion is"
                f" version {state.champion}: someone moved it by hand",
                remedy="run `mlops-ci reconcile --restore` to put it back, or `--accept` to keep it.",
            )
        return self.read()

    def verified_history(self, *, finish: bool) -> History:
        """Return the history, verified against the champion's anchor, and finish an open decision.

        The proof comes first: a history that was cut would otherwise move the alias back.
        """
        history = self.read()
        self.check_anchor(history, self.registry.aliases(self.model).get(self.alias))
        return self.apply_decision(history) if finish and self.state(history).open is not None else history

    def apply_decision(self, history: History) -> History:
        """Set the aliases as the history says, read them back, and record that the decision took effect.

        After each write the ledger is read again: a slower writer may have undone a newer one's work,
        and the last to write is the one that sees it.
        """
        for _ in range(TRIES):
            state = self.state(history)
            if state.champion is None or state.decision is None:
                return history
            try:
                self._set_aliases(state, history)
            except EvidenceError:
                if self.registry.version(self.model, state.champion) is not None:
                    raise
                history = self._abandon(history, state)
                continue
            except ConflictError:
                history = self.read()
                continue
            now = self.read()
            if self.state(now).decision != state.decision:
                history = now
                continue
            if self.state(now).open is None:
                return now
            done = self.entry(state.decision.event, "committed", intent=state.decision.nonce)
            try:
                return self.ledger.append(now, replace(done, to_version=state.champion))
            except ConflictError:
                history = self.read()
        raise ConflictError(
            "the ledger", f"the champion of '{self.model}' is moved faster than we can follow"
        )

    def moved_by_hand(self) -> tuple[str, State] | None:
        """Return what the alias names instead, and the ledger's state; None if they agree.

        A writer that is at work may have moved either a moment ago: only a difference that stays counts.
        """
        for pause in (*_SETTLE, None):
            state = self.state(self.read())
            aliases = self.registry.aliases(self.model)
            if state.champion is None or aliases.get(self.alias) == state.champion:
                return None
            if pause is None:
                named = aliases.get(self.alias)
                return (f"version {named}" if named else "nothing", state)
            if state.open is not None:
                self.apply_decision(self.read())
            time.sleep(pause)
        return None

    def check_anchor(self, history: History, version: str | None) -> None:
        """Refuse a history without the line that the version's tag names: it was truncated or rewritten.

        Raises
        ------
        EvidenceError
            If so.
        """
        anchor = self.registry.anchor(self.model, version, self.alias) if version else None
        if anchor and anchor not in history.digests:
            what = "is empty or missing" if not history.entries else "was cut or rewritten"
            raise EvidenceError(
                f"the ledger of '{self.model}' {what}: version {version} was promoted by its line"
                f" {anchor[:12]}, which is not in it",
                remedy=f"restore the branch at {self.ledger.address} from a clone or the forge's log of"
                " pushes; if it is lost, `mlops-ci reconcile --accept` goes on with the present champion.",
            )

    def intact(self, history: History, version: str) -> Champion | None:
        """Return a version, or None if it is deleted.

        Raises
        ------
        EvidenceError
            If it holds another model than the one that was promoted: a registry that was restored from a
            backup gives numbers a second time.
        """
        found = self.registry.version(self.model, version)
        promoted = model_digest(history, version, self.environment)
        if found is not None and promoted and found.ref.digest and promoted != found.ref.digest:
            raise EvidenceError(
                f"version {version} of '{self.model}' is not what was promoted: its tag says"
                f" {found.ref.digest[:12]}, the ledger {promoted[:12]}",
                remedy="someone changed the registry, or it was restored from a backup: find out; then name"
                " another version with `mlops-ci rollback --to`.",
            )
        return found

    def adoption_entry(self, version: str, source: Source, reason: str) -> Entry:
        """Return the intent that adopts a champion which the ledger did not promote."""
        found = self.registry.version(self.model, version)
        kept = found.tags if found else {}
        return self.entry(
            "adopt",
            "intent",
            source,
            commit="",
            to_version=version,
            reason=reason,
            run_id=found.ref.run_id if found else None,
            candidate_commit=(found.ref.commit or "") if found else "",
            pipeline_version=kept.get(tags.PIPELINE_VERSION, ""),
            digests=digests_of(kept),
            data=data_of(self.registry, found.ref.run_id, self.tools.scratch) if found else {},
        )

    def _adopt_first(self, history: History, source: Source) -> History:
        """Begin a history with the champion that exists already; monitoring records are not yet a history."""
        version = self.registry.aliases(self.model).get(self.alias)
        begun = any(entry.environment == self.environment for entry in moves(history.entries))
        if begun or version is None:
            return history
        entry = self.adoption_entry(version, source, "in production before the ledger began")
        try:
            return self.apply_decision(self.ledger.append(history, entry))
        except ConflictError:
            return self.read()

    def _set_aliases(self, state: State, history: History) -> None:
        """Set what differs: first the anchor, then the alias `previous`, then the champion."""
        assert state.champion is not None  # noqa: S101 (the caller looked)
        assert state.decision is not None  # noqa: S101
        aliases = self.registry.aliases(self.model)
        previous = self.settings.promotion.previous
        if self.intact(history, state.champion) is None:
            raise EvidenceError(f"model '{self.model}' has no version {state.champion} any more")
        anchor = history.digest_of(state.decision.nonce)
        self.registry.tag_version(self.model, state.champion, {tags.ledger_head(self.alias): anchor})
        if state.previous and aliases.get(previous) != state.previous:
            # The version to go back to may have been deleted: no reason to stay half way.
            with contextlib.suppress(EvidenceError):
                self.registry.set_alias(self.model, previous, state.previous)
        if state.previous is None and previous in aliases:
            self.registry.drop_alias(self.model, previous)
        if aliases.get(self.alias) != state.champion:
            self.registry.set_alias(self.model, self.alias, state.champion)

    def _abandon(self, history: History, state: State) -> History:
        """Withdraw a decision whose version was deleted before the aliases were set."""
        if state.open is None:
            raise EvidenceError(
                f"version {state.champion} of '{self.model}', the champion by the ledger, is deleted",
                remedy="go to one that is there: `mlops-ci rollback --to VERSION`.",
            )
        why = f"version {state.champion} is not in the registry any more"
        entry = self.entry(state.open.event, "abandoned", intent=state.open.nonce, reason=why)
        return self.ledger.append(history, entry)


def champion_mover(settings: Settings, tools: Tools) -> ChampionMover:
    """Return the mover of one model's champion."""
    return ChampionMover(settings=settings, tools=tools, registry=tools.registry(), ledger=tools.ledger())


def name_champion(settings: Settings, tools: Tools, source: Source, version: str) -> None:
    """Make a version the champion by hand; through the ledger if the present champion is in it.

    A repository that never promoted needs no ledger, and so no right to push one.
    """
    registry, model, alias = tools.registry(), settings.registry.model, settings.registry.champion
    current = registry.aliases(model).get(alias)
    if current is None or registry.anchor(model, current, alias) is None:
        registry.set_alias(model, alias, version)
        return
    mover = champion_mover(settings, tools)
    history = mover.verified_history(finish=True)
    mover.apply_decision(
        mover.ledger.append(history, mover.adoption_entry(version, source, "taken in by hand"))
    )
