"""Ports of `monitor`, `retrain` and `data update`: production's rows, trends, data versions, branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from mlops_ci.core.monitor.windows import Window


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for rows of production.

    Attributes
    ----------
    files, labels
        Paths or globs.
    time, id, target, version
        Names of columns; `id` is used where the files have it.
    serving
        Version whose rows are wanted, where there is a column of versions.
    now, length, delay, most
        Which windows are due; see `mlops_ci.core.monitor.windows.due`.
    """

    files: Sequence[str]
    time: str
    now: datetime
    length: timedelta
    delay: timedelta
    most: int
    labels: Sequence[str] = ()
    id: str = "id"
    target: str | None = None
    version: str | None = None
    serving: str = ""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The rows of one window.

    Attributes
    ----------
    path
        A Parquet file of them, in the order of time; None if there is no row.
    rows, labels
        How many there are, and how many have a label.
    digest
        SHA-256 of them; the order of files and of rows within a file does not matter.
    twice
        Rows left out because their id came before.
    others
        Rows of other versions, by version.
    """

    window: Window
    path: Path | None = None
    rows: int = 0
    labels: int = 0
    digest: str = ""
    twice: int = 0
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The content of production's files.

    Attributes
    ----------
    slices
        Of the windows that are due, oldest first; with `newest` their last rows.
    newest
        Time of the newest row that is not from the future, or None if there is no row.
    future, undated
        Rows with a time after now (a wrong clock), and without one; both are left out.
    """

    slices: Sequence[Slice] = ()
    newest: datetime | None = None
    future: int = 0
    undated: int = 0


class Production(Protocol):
    """The rows that the model served in production."""

    def read(self, asked: Asked, into: Path) -> Seen:
        """Cut production into windows, each written to a folder.

        Raises
        ------
        EvidenceError
            If no file matches, one cannot be read, or has no column of times.
        """


class Trends(Protocol):
    """A history of numbers by window, for people to look at (MLflow)."""

    def log(self, model: str, points: Sequence[tuple[int, datetime, Mapping[str, float]]]) -> str | None:
        """Write numbers by window (its number, its end, values); the same ones twice do no harm.

        Return where they can be looked at, or None.

        Raises
        ------
        ServiceError
            If the tracker does not answer.
        """


class DataVersions(Protocol):
    """Data that is versioned by a pointer file in git (DVC)."""

    def pointer(self, path: str) -> str:
        """Return the pointer file of a path, relative to the repository.

        Raises
        ------
        UsageError
            If it is not tracked by one: an output of a stage changes by running the pipeline.
        """

    def imported(self, path: str) -> bool:
        """Return whether it comes from another place (``dvc import``), and so is updated from there."""

    def update(self, path: str) -> None:
        """Update the pointer: from the present file, or by fetching the import anew."""

    def push(self, path: str) -> None:
        """Push the data to the remote, and verify that all of it is there.

        Raises
        ------
        EvidenceError
            If the remote lacks something afterwards.
        ServiceError
            If the remote does not answer.
        """

    def restore(self, path: str) -> None:
        """Check out the data that the pointer names."""


class Branches(Protocol):
    """Branches that we write, without touching the user's work tree or index."""

    def commit(self, base: str, files: Mapping[str, bytes], message: str) -> str:
        """Return the SHA of a commit on a base that changes only these files."""

    def publish(self, branch: str, commit: str) -> bool:
        """Point a branch at a commit: on the forge's repository, or here if there is none.

        Return whether the branch is new.

        Raises
        ------
        ServiceError
            If the remote does not answer, or refuses.
        """

    def drop(self, branch: str) -> None:
        """Remove a branch that we published."""
