"""The append-only history of each model."""

from __future__ import annotations

from typing import Protocol

from mlops_ci.core.ledger import Entry, History


class Ledger(Protocol):
    """The append-only history of each model, with compare-and-set."""

    @property
    def address(self) -> str:
        """Where it is, without secrets."""

    def read(self, model: str) -> History:
        """Return a model's history as it is now.

        Raises
        ------
        ServiceError
            If its place does not answer, or denies access.
        EvidenceError
            If it is broken.
        """

    def append(self, history: History, entry: Entry) -> History:
        """Append an entry if the history has not changed; return the new history.

        Raises
        ------
        ConflictError
            If the history has grown meanwhile; nothing was written.
        ServiceError
            If its place does not answer, or takes no entry.
        """
