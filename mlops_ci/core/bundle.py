"""The evidence bundle: what `reproduce` hands to `check`, as values. Data only, never code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from mlops_ci.core.lineage import Lineage, Stage

BUNDLE_VERSION = 1
MANIFEST = "manifest.json"

ModelFormat = Literal["mlflow", "file", "folder"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no evidence: carried in the bundle to the job that can report it."""

    problem: str
    remedy: str = ""
    exit_code: int = 5


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Describes one candidate, and where its parts are in the bundle.

    Attributes
    ----------
    model
        Registered name it would be promoted under.
    head, target_commit
        Full SHA of the change's head, and of the target branch's tip that it was reproduced against.
    predictions, holdout, dvc_lock, model_path
        Paths inside the bundle, or None if there is none; `model_path` may be a folder.
    holdout_folder
        Where the holdout is a file of a folder that DVC tracks as one: that folder's listing, as DVC
        writes it, so that its checksum can be proven without the other files.
    profiles
        Paths of the data profiles: ``reference`` and ``current`` of the settings' `drift`.
    drift_unread
        Why a profile that the settings ask for is missing; empty if none is.
    model_digest, model_format
        SHA-256 of the model's bytes, and what kind of thing it is.
    run_id
        The pipeline's own MLflow run, or None.
    train_overlap
        Number of holdout rows that are among the training rows; None if it was not looked at.
    params, metrics
        Scalars for the candidate's run.
    files
        SHA-256 of each file in the bundle, by path.
    failure
        Set where the pipeline failed; all else may then be empty.
    """

    model: str
    head: str = ""
    target_commit: str = ""
    lineage: Lineage | None = None
    stages: Sequence[Stage] = ()
    predictions: str | None = None
    holdout: str | None = None
    holdout_folder: str | None = None
    profiles: Mapping[str, str] = field(default_factory=dict)
    drift_unread: str = ""
    dvc_lock: str | None = None
    model_path: str | None = None
    model_digest: str | None = None
    model_format: ModelFormat | None = None
    run_id: str | None = None
    train_overlap: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notices: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    schema_version: int = BUNDLE_VERSION


def folder_name(model: str) -> str:
    """Return the name of a model's folder in the bundle: readable, and unique for each name."""
    from hashlib import sha256  # noqa: PLC0415

    readable = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in model)
    return f"{readable[:40]}-{sha256(model.encode()).hexdigest()[:8]}"


def inside(path: str) -> bool:
    """Return whether a path of a bundle stays inside it; the bundle is untrusted."""
    pure = PurePosixPath(path)
    plain = "\\" not in path and "\0" not in path and ":" not in path
    return bool(path) and plain and not pure.is_absolute() and ".." not in pure.parts
