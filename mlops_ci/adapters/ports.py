"""The ports: what commands may ask of the outside, as small Protocols and the values they pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from mlops_ci.core.bundle import Manifest
from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.lineage import Lineage, Stage, lineage
from mlops_ci.core.report import Approval, ModelRef, Report, Source


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


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """What a reproduction produced.

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
        """Return where what was produced comes from."""
        return lineage(git_commit, self.stages, self.lock_text, self.environment)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A candidate's manifest, and where the files it names are on this machine.

    `places` maps the manifest's paths to files and folders; they may be anywhere, so that a single
    job needs no copy of a large model.
    """

    manifest: Manifest
    places: Mapping[str, Path] = field(default_factory=dict)


class Pipeline(Protocol):
    """A data pipeline that can be reproduced (DVC)."""

    def reproduce(
        self, mode: Literal["run", "verify", "pull"], targets: Sequence[str], needed: Sequence[str] = ()
    ) -> PipelineRun:
        """Bring the outputs of the targets up to date and say what was done.

        Parameters
        ----------
        targets
            Stages; all of the top dvc.yaml where there are none.
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
        """Return the stages as a run of the present files would describe them; nothing is run or fetched.

        Outputs have checksums only where dvc.lock is current; `lock_changed` says that it is not.
        """

    def checksum(self, path: Path) -> str:
        """Return the pipeline's own checksum of a file or folder, wherever it stands."""

    def environment_locks(self, revision: str | None = None) -> dict[str, str]:
        """Return the checksums of the environment's lock files, by path, here or at a revision."""

    def stages_at(self, revision: str) -> list[Stage]:
        """Return the stages as they stand at a revision, without running or fetching anything."""


class Repository(Protocol):
    """The git repository that the change is in; read only."""

    root: Path

    def head(self) -> str:
        """Return the full SHA of HEAD."""

    def resolve(self, revision: str) -> str | None:
        """Return the full SHA of a revision, or None where there is none."""

    def target_tip(self, branch: str | None) -> tuple[str, str] | None:
        """Return name and SHA of the target branch's tip (the remote's where there is one)."""

    def read(self, revision: str, path: str) -> bytes | None:
        """Return a file at a revision, or None where it does not exist there."""

    def merge_base(self, one: str, other: str) -> str:
        """Return the SHA of the best common ancestor of two revisions."""

    def paths(self, revision: str) -> list[str]:
        """Return the paths of all files at a revision."""

    def changed(self, base: str, head: str) -> list[str]:
        """Return the paths that differ between the merge base of the two and head."""


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
        Artifact path of its evaluation, or None where it has none.
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
    """All that is kept of a candidate, so that promotion never has to train again.

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
        """Return the champion, or None where the model or the alias never existed.

        Raises
        ------
        ServiceError
            If the registry does not answer, or denies access.
        EvidenceError
            If the alias is gone with the version it named, or that version's run is gone.
        """

    def version(self, model: str, version: str) -> Champion | None:
        """Return one version, or None where it does not exist (any more)."""

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
        """Write the candidate's run, whole or not marked as complete; return its reference.

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
        """Keep artifacts and metrics with a version (in its run, or in one made for it), and tag it."""

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

    def anchor(self, model: str, version: str) -> str | None:
        """Return the ledger's line that a version's tag names, also where its run is gone."""

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""


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
        """Add an entry to exactly this history; return what it is then.

        Raises
        ------
        ConflictError
            If the history has grown meanwhile; nothing was written.
        ServiceError
            If its place does not answer, or takes no entry.
        """


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """The change that a forge run is about, with what its API says now."""

    number: int
    author: str
    head: str
    base: str
    target: str
    from_fork: bool = False


class Forge(Protocol):
    """Where reports go and approvals come from: only what every forge can do."""

    def source(self) -> Source:
        """Return the run and the change this process works for."""

    def pull_request(self) -> PullRequest | None:
        """Return the change, read from the forge now; None outside a pull request."""

    def approvals(self, change: PullRequest) -> list[Approval]:
        """Return valid approvals of exactly `change.head`: by someone who may write, not its author."""

    def announce(self, text: str, *, key: str) -> str | None:
        """Say on the change that a check is running, in the comment that `publish` will replace.

        `text` is one sentence of Markdown. Return the comment's address, or None. Never raises for
        what cannot be delivered.
        """

    def publish(self, report: Report, rendered: Mapping[str, str], *, key: str) -> str | None:
        """Deliver a report, once for each `key` (a command and a model, or one for all models).

        `rendered` holds it by format: ``markdown`` in full, ``comment`` as short as a comment must
        be (``markdown`` is taken where it is missing), ``text`` for a terminal, ``json``.

        Return the comment's address, or None where none was written. Delivery is tried in every
        way that is left: a comment that cannot be written must not lose the verdict, so nothing is
        raised.
        """

    def outputs(self, values: Mapping[str, str]) -> None:
        """Hand values to later steps of the same job."""


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
    """What the columns of a predictions file mean; None or empty where it has none.

    `required` names the columns without which the file is an error; others may be missing.
    """

    id: str
    target: str | None = None
    prediction: str | None = None
    score: str | Sequence[str] | None = None
    group: str | None = None
    weight: str | None = None
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
