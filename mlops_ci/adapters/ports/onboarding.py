"""Files that `init` proposes, and what `doctor` asks of the services around a repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class WorkTree(Protocol):
    """Text files of the working tree."""

    def text(self, path: str) -> str | None:
        """Return a file's text, or None if there is none."""

    def write(self, path: str, text: str) -> None:
        """Write a file, whole or not at all."""

    def workflows(self) -> Mapping[str, str]:
        """Return the text of each workflow by its path."""


@dataclass(frozen=True, kw_only=True)
class RemoteState:
    """What the DVC remote answered.

    Attributes
    ----------
    urls
        Address by name; empty if there is no remote.
    problem, remedy
        Why it could not be asked; empty if it could.
    missing
        Outputs that dvc.lock names and the remote does not have.
    stale
        Whether dvc.lock is behind the files.
    locked
        Whether there is a dvc.lock at all.
    """

    urls: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    remedy: str = ""
    missing: tuple[str, ...] = ()
    stale: bool = False
    locked: bool = True


@dataclass(frozen=True, kw_only=True)
class RegistryState:
    """What MLflow answered.

    Attributes
    ----------
    address
        Without secrets.
    version
        Of the server, or of the library for a database; empty if it does not tell.
    model_exists
        Whether the registered model is there.
    moves_aliases
        Whether our identity may move aliases; None if that could not be asked.
    """

    address: str = ""
    version: str = ""
    model_exists: bool = False
    moves_aliases: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ForgeState:
    """What the forge's API answered.

    Attributes
    ----------
    repository
        As the forge names it.
    reads, comments
        Whether the token may read pull requests, and write to them; None if it could not be asked.
    required
        Names of the checks that the target branch requires; None if the token may not know.
    """

    repository: str = ""
    reads: bool | None = None
    comments: bool | None = None
    required: tuple[str, ...] | None = None


class Probes(Protocol):
    """Questions to the services around a repository that change nothing."""

    def remote(self, directory: str, *, offline: bool) -> RemoteState:
        """Return the state of a DVC project's remote; offline, only what files say."""

    def registry(self, model: str) -> RegistryState:
        """Return the state of MLflow.

        Raises
        ------
        ServiceError
            If it does not answer, or denies access.
        """

    def forge(self) -> ForgeState | None:
        """Return what the forge's token may do; None if there is no token to ask with."""
