"""Facts about a repository, as plain values from which `init` makes its proposal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Forge = Literal["github", "gitlab", ""]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file of rows that a stage writes.

    Attributes
    ----------
    columns
        Names of its columns in order; empty if the file is not here to be read.
    rows
        Number of rows, or None.
    distinct
        Number of distinct values by column.
    numbers
        Columns that hold numbers with fractions.
    values
        The values themselves as text, of columns that have few.
    """

    path: str
    columns: tuple[str, ...] = ()
    rows: int | None = None
    distinct: Mapping[str, int] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StageFact:
    """One stage of dvc.yaml; its paths are relative to the repository."""

    address: str
    command: str = ""
    deps: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()

    @property
    def item(self) -> str:
        """The item of a `foreach` stage; empty for any other stage."""
        return self.address.partition("@")[2]

    @property
    def file(self) -> str:
        """The dvc.yaml that it stands in, relative to the DVC project; empty for the top one."""
        return self.address.rpartition(":")[0]


@dataclass(frozen=True, kw_only=True)
class ProjectFact:
    """One DVC project of the repository.

    Attributes
    ----------
    directory
        Its folder, relative to the repository; ``.`` for the top.
    remotes
        Address of each remote by name.
    complete
        False if a template of dvc.yaml could not be resolved without DVC.
    """

    directory: str = "."
    stages: tuple[StageFact, ...] = ()
    remotes: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found in a repository.

    Attributes
    ----------
    name
        Of the repository's folder.
    scalars
        Numbers by dotted key, by metrics file.
    texts
        Texts by dotted key, by metrics file: a run id may be among them.
    tables
        Tables that stages write.
    tracked
        Files that `dvc add` tracks, each by a `.dvc` file beside it.
    registered
        Names of registered models that the code mentions.
    tracking_uri, tracking_from
        MLflow's address, and where it was found.
    frameworks
        Of scikit-learn, torch, xgboost, lightgbm: those that the code imports, the evaluation's first.
    evaluation_code
        The script that the evaluation stage runs, or empty.
    install
        Command that installs what the stages need, or empty.
    python
        Version that the project asks for, or empty.
    """

    name: str
    projects: tuple[ProjectFact, ...] = ()
    scalars: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    tracked: tuple[str, ...] = ()
    registered: tuple[str, ...] = ()
    tracking_uri: str = ""
    tracking_from: str = ""
    frameworks: tuple[str, ...] = ()
    evaluation_code: str = ""
    install: str = ""
    python: str = ""
    forge: Forge = ""
    branch: str = "main"
