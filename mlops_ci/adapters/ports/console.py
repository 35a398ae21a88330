"""What a person who waits is told."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Console(Protocol):
    """Progress for a person who waits; nothing that a program parses."""

    def info(self, text: str) -> None:
        """Say one line, or some."""

    def warn(self, text: str, *, title: str = "") -> None:
        """Say something that must be seen; GitHub shows it beside the run."""

    def error(self, text: str, *, title: str = "") -> None:
        """Say why the check fails; GitHub shows it beside the run."""

    def mask(self, value: str) -> None:
        """Have the forge hide a secret in the log."""

    def group(self, title: str) -> AbstractContextManager[None]:
        """Fold what is said inside under a title."""

    def untrusted(self, line: str) -> None:
        """Pass on one line of foreign output so that it can command nothing."""
