"""Ports of the change: its repository, and the pipeline that produces its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mlops_ci.core.lineage import Lineage, Stage, lineage


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """The result of a reproduction.

    Attributes
    ----------
    stages
        All stages that the targets need, in topological order, each with its state.
    lock_text
        The dvc.lock as it now stands.
    lock_changed
        True if the run changed it: the commit's dvc.lock was stale.
    notices
        Sentences for the report (a stale lock, passed environment variables).
    environment
        Checksum of each lock file of the user's environment, by its path in the repository.
    """

    stages: Sequence[Stage]
    lock_text: str
    lock_changed: bool = False
    notices: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def lineage(self, git_commit: str) -> Lineage:
        """Return the lineage of the outputs."""
        return lineage(git_commit, self.stages, self.lock_text, self.environment)


class Pipeline(Protocol):
    """A data pipeline that can be reproduced (DVC)."""

    def reproduce(
        self, mode: Literal["run", "verify", "pull"], targets: Sequence[str], needed: Sequence[str] = ()
    ) -> PipelineRun:
        """Bring the outputs of the targets up to date, and describe what was done.

        Parameters
        ----------
        targets
            Stages; all of the top dvc.yaml if there are none.
        needed
            Paths that the gate reads afterwards: what need not be run is downloaded only for them.

        Raises
        ------
        PipelineError
            If a stage fails, times out, or the pipeline cannot be run as it stands.
        ServiceError
            If the data remote does not answer.
        """

    def describe(self, targets: Sequence[str]) -> PipelineRun:
        """Return the stages as a run of the present files would record them, without running or fetching.

        Outputs have checksums only where dvc.lock is current; `lock_changed` says that it is not.
        """

    def checksum(self, path: Path) -> str:
        """Return the pipeline's own checksum of a file or folder, tracked or not."""

    def listing(self, folder: Path) -> bytes:
        """Return a folder's listing as the pipeline writes it; the MD5 of these bytes is its checksum."""

    def environment_locks(self, revision: str | None = None) -> dict[str, str]:
        """Return the checksums of the environment's lock files, by path, here or at a revision."""

    def stages_at(self, revision: str) -> list[Stage]:
        """Return the stages as declared at a revision, without running or fetching anything."""

    def unreadable_at(self, revision: str) -> list[str]:
        """Return the pipeline files at a revision whose stages cannot be resolved without a run."""


class Repository(Protocol):
    """The git repository that the change is in; read only."""

    root: Path

    def head(self) -> str:
        """Return the full SHA of HEAD."""

    def resolve(self, revision: str) -> str | None:
        """Return the full SHA of a revision, or None if there is none."""

    def target_tip(self, branch: str | None) -> tuple[str, str] | None:
        """Return name and SHA of the target branch's tip (the remote's where there is one)."""

    def read(self, revision: str, path: str) -> bytes | None:
        """Return a file at a revision, or None if it does not exist there."""

    def message(self, revision: str) -> str:
        """Return the message of a commit."""

    def merge_base(self, one: str, other: str) -> str:
        """Return the SHA of the best common ancestor of two revisions."""

    def paths(self, revision: str) -> list[str]:
        """Return the paths of all files at a revision."""

    def changed(self, base: str, head: str) -> list[str]:
        """Return the paths that differ between the merge base of the two and head."""
