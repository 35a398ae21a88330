"""Progress messages for a person who waits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Console(Protocol):
    """Progress for a person who waits; nothing that a program parses."""

    def info(self, text: str) -> None:
        """Print one or more lines."""

    def warn(self, text: str, *, title: str = "") -> None:
        """Print a warning; GitHub shows it beside the run."""

    def error(self, text: str, *, title: str = "") -> None:
        """Print why the check fails; GitHub shows it beside the run."""

    def mask(self, value: str) -> None:
        """Have the forge hide a secret in the log."""

    def group(self, title: str) -> AbstractContextManager[None]:
        """Group the output inside the block under a title."""

    def untrusted(self, line: str) -> None:
        """Print one line of untrusted output, so that it cannot issue commands."""
