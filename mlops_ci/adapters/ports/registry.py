"""The registry of models and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlops_ci.core.report import ModelRef


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The model version that the champion alias names.

    Attributes
    ----------
    ref
        Version, run, digest, link and commit.
    tags
        Of the version, over those of its run.
    metrics
        Scalars logged with its run.
    evaluation
        Artifact path of its evaluation, or None if it has none.
    evaluation_run
        The run that holds it.
    created
        When the version was registered, UTC, ISO 8601.
    """

    ref: ModelRef
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluation: str | None = None
    evaluation_run: str | None = None
    created: str | None = None


@dataclass(frozen=True, kw_only=True)
class CandidateRecord:
    """The record of a candidate: all that promotion needs, so that it never trains again.

    Attributes
    ----------
    model
        Registered name it would be promoted under.
    run_id
        The user's own run to adopt, or None to make one.
    name
        Name of a run that is made.
    params, metrics, tags
        As MLflow keeps them; tags carry the digests under the names of ``core.tags``.
    artifacts
        Local file or folder by artifact path, in the layout of ``core.tags``: ``model`` (a folder) or
        ``model/<name>`` (a bare file), ``evaluation/predictions.parquet``, ``evidence/...``. The
        tags that say where they are in the run are the registry's to set.
    datasets
        (name, digest, source) of each dataset to be shown with the run.
    """

    model: str
    run_id: str | None = None
    name: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    datasets: Sequence[tuple[str, str, str]] = ()


class Registry(Protocol):
    """The model registry and run tracker (MLflow)."""

    def champion(self, model: str, alias: str) -> Champion | None:
        """Return the champion, or None if the model or the alias does not exist.

        Raises
        ------
        ServiceError
            If the registry does not answer, or denies access.
        EvidenceError
            If the alias is gone with the version it named, or that version's run is gone.
        """

    def version(self, model: str, version: str) -> Champion | None:
        """Return one version, or None if it does not exist (any more)."""

    def history(self, model: str, limit: int = 20) -> list[Champion]:
        """Return the newest versions, newest first; those whose run is gone come without metrics."""

    def download(self, run_id: str, artifact: str, into: Path) -> Path:
        """Fetch one artifact of a run; return where it is.

        Raises
        ------
        EvidenceError
            If the run or the artifact is not there (any more).
        """

    def record(self, candidate: CandidateRecord) -> ModelRef:
        """Write the candidate's run, marked as complete only at the end; return its reference.

        An identical candidate that was recorded before gives its run again. The user's own run is
        adopted unless it already stands for something else; then a run is made that names it.
        """

    def find_candidates(self, model: str, tags: Mapping[str, str]) -> list[ModelRef]:
        """Return complete candidate runs that carry all these tags, newest first."""

    def candidate(self, run_id: str) -> Champion:
        """Return a recorded candidate with its tags and metrics.

        Raises
        ------
        EvidenceError
            If the run is not there (any more).
        """

    def holdout_uses(self, model: str, holdout_digest: str, *, excluding: str | None = None) -> int:
        """Return how many different candidates were judged on this holdout.

        `excluding` is the evaluation digest of the candidate at hand, which may be recorded already.
        """

    def create_version(self, model: str, ref: ModelRef, tags: Mapping[str, str]) -> ModelRef:
        """Register the run's model as a version, once; return it with its version."""

    def attach(
        self,
        model: str,
        version: str,
        artifacts: Mapping[str, Path],
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Store artifacts and metrics with a version (in its run, or in a new one), and tag it."""

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version, and read it back.

        Raises
        ------
        ConflictError
            If it names another version afterwards: someone moved it at the same time.
        EvidenceError
            If there is no such version.
        """

    def drop_alias(self, model: str, alias: str) -> None:
        """Remove an alias; it may be gone already."""

    def aliases(self, model: str) -> Mapping[str, str]:
        """Return the version that each alias of a model names now."""

    def keep(self, run_id: str, artifacts: Mapping[str, Path], tags: Mapping[str, str]) -> None:
        """Add artifacts to a candidate's run, then tags."""

    def anchor(self, model: str, version: str, alias: str) -> str | None:
        """Return the ledger's line that a version's tag names, also where its run is gone."""

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
