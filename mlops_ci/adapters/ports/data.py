"""Tables, files and evaluations, and the evidence made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlops_ci.core.bundle import Manifest

if TYPE_CHECKING:  # numpy, which half of the verbs do without
    from mlops_ci.core.canary.reading import Reading
    from mlops_ci.core.evidence import Evaluation


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A candidate's manifest, and the local paths of the files that it names.

    `places` maps the manifest's paths to files and folders; they may be anywhere, so that a single
    job needs no copy of a large model.
    """

    manifest: Manifest
    places: Mapping[str, Path] = field(default_factory=dict)


class Frames(Protocol):
    """Reading tables."""

    def read(
        self, path: Path, columns: Sequence[str] | None = None, *, text: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """Return columns of a table as arrays of one length; those in `text` as text, unchanged.

        Raises
        ------
        PredictionsError
            If the file is missing, unreadable or cut short, has no row, or lacks a column.
        """

    def names(self, path: Path) -> list[str]:
        """Return the names of its columns."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The roles of a predictions file's columns; None or empty for a role without a column.

    `required` names the columns without which the file is an error; others may be missing.
    """

    id: str
    target: str | None = None
    prediction: str | None = None
    score: str | Sequence[str] | None = None
    group: str | None = None
    weight: str | None = None
    time: str | None = None
    further: Sequence[str] = ()
    required: frozenset[str] = frozenset()


class Files(Protocol):
    """Files of the working tree, whose content a pull request wrote."""

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file's bytes, or of a folder's paths and bytes.

        Raises
        ------
        EvidenceError
            If it is empty, or holds a link that leads out of it.
        """


class Evaluations(Protocol):
    """Reading and keeping evaluations."""

    def read(self, path: Path, columns: Columns, labels: Path | None = None) -> Evaluation:
        """Read a predictions file; with `labels`, targets are joined from that file by id.

        Raises
        ------
        PredictionsError
            Naming the file, and the column or row that is wrong.
        """

    def load(self, path: Path) -> Evaluation:
        """Read an evaluation that `save` wrote."""

    def save(self, one: Evaluation, path: Path) -> None:
        """Write an evaluation in one fixed Parquet layout, sorted by id."""


class Traffic(Protocol):
    """What was served, by version, with its outcomes."""

    def columns(self, reading: Reading, since: float, until: float) -> Mapping[str, Any]:
        """Return the columns of `reading` for the rows of ``[since, until)``, in seconds since 1970.

        Text is text, numbers are floats, the time is in seconds. No file or no row yet is no error:
        the columns are empty then.

        Raises
        ------
        EvidenceError
            If a file cannot be read or lacks a column.
        ServiceError
            If its place does not answer.
        """
