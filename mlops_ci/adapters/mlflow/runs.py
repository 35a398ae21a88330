"""Writes one candidate into one MLflow run, within MLflow's limits."""

from __future__ import annotations

import json
import math
import os
import posixpath
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from mlops_ci.adapters.mlflow import s3
from mlops_ci.adapters.mlflow.errors import INVALID, MISSING, STORE, is_store_failure, retry_on_collision
from mlops_ci.adapters.ports import CandidateRecord
from mlops_ci.core import tags as tag
from mlops_ci.errors import EvidenceError, ServiceError

T = TypeVar("T")

BATCH = 100
KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 5000
"""MLflow holds 8,000 characters today, servers before 2.13 held 5,000."""
DATASET_NAME_LENGTH = 500
DATASET_DIGEST_LENGTH = 36
ACCUMULATED_VALUES = 100

BREAKING = re.compile(r"[#?%\\\x00-\x1f]")
"""MLflow does not escape names in URLs: these are kept elsewhere, or cannot be fetched again."""

ADOPTED_FOLDER = "mlops_ci"
"""Where our artifacts go in a user's own run: never among theirs."""


def layout(artifacts: Mapping[str, Path], *, adopted: bool) -> dict[str, Path]:
    """Return the local path of each artifact by its path in the run, after checking that all files exist.

    Raises
    ------
    EvidenceError
        If a file is missing, a folder is empty or leads out of itself by a link.
    """
    placed = {}
    for target, local in artifacts.items():
        if posixpath.normpath(target) != target or target.startswith(("/", "..")):
            raise EvidenceError(f"'{target}' is not a place for an artifact", remedy="Use a relative path.")
        files = list(local_files(local))
        for path, _ in files:
            if BREAKING.search(path) or BREAKING.search(target):
                raise EvidenceError(
                    f"MLflow cannot keep a file named '{local / path}'",
                    remedy="Rename it: of the characters # ? % \\ and control characters none survives.",
                )
        if not files:
            raise EvidenceError(
                f"'{local}' is missing or empty, it cannot be kept with the candidate",
                remedy="Check that the pipeline produces it, and candidate.model in mlops-ci.yaml.",
            )
        placed[f"{ADOPTED_FOLDER}/{target}" if adopted else target] = local
    return placed


def derived_tags(placed: Mapping[str, Path]) -> dict[str, str]:
    """Return the tags with the artifact paths of the model and the evaluation."""
    found = {}
    for target, local in placed.items():
        inner = target.removeprefix(f"{ADOPTED_FOLDER}/")
        if inner == tag.MODEL_ARTIFACT or inner.startswith(f"{tag.MODEL_ARTIFACT}/"):
            found[tag.MODEL_PATH] = target
            found[tag.LOADABLE] = "true" if (local / "MLmodel").is_file() else "false"
        elif inner.startswith(f"{PurePosixPath(tag.EVALUATION_ARTIFACT).parent}/"):
            found[tag.EVALUATION_PATH] = target
    return found


def checked_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as finite floats under names that MLflow takes.

    Raises
    ------
    EvidenceError
        If one is not a finite number: MLflow would keep NaN, and compare it as if it were a value.
    """
    for name, value in metrics.items():
        if isinstance(value, str) or value is None or not math.isfinite(value):
            raise EvidenceError(
                f"metric '{name}' is {value!r}, not a finite number",
                remedy="Fix the evaluation stage: a metric that could not be computed must not be written.",
            )
    return {key(name): float(value) for name, value in metrics.items()}


def key(name: str) -> str:
    """Return a param, metric or tag name that MLflow takes: it reads names as paths."""
    safe = re.sub(r"[^\w.\- :/]", "_", name)[:KEY_LENGTH]
    if posixpath.normpath(safe) != safe or safe.startswith(("/", "..")):
        safe = safe.replace("/", "_").strip(".") or "_"
    return safe


def text(value: Any, limit: int) -> str:
    """Return a value as text of at most `limit` characters, with an ellipsis if it was cut."""
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return said if len(said) <= limit else said[: limit - 3] + "..."


def write(client: Any, run_id: str, record: CandidateRecord, *, adopted: bool) -> None:
    """Write a candidate into a run, and mark it as complete at the very end.

    Of an adopted run nothing is overwritten but our own tags.
    """
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 (heavy)

    placed = layout(record.artifacts, adopted=adopted)
    params = {key(name): text(value, PARAM_LENGTH) for name, value in record.params.items()}
    metrics = checked_metrics(record.metrics)
    tags = {key(name): text(value, TAG_LENGTH) for name, value in record.tags.items()}
    tags.pop(tag.COMPLETE, None)
    tags |= {tag.SCHEMA: "1", tag.MODEL: record.model, **derived_tags(placed)}
    if adopted:
        theirs = client.get_run(run_id).data
        params = {name: value for name, value in params.items() if name not in theirs.params}
        metrics = {name: value for name, value in metrics.items() if name not in theirs.metrics}
        tags = {n: v for n, v in tags.items() if n.startswith(tag.PREFIX) or n not in theirs.tags}

    now = int(time.time() * 1000)
    for some in batches([Param(name, value) for name, value in params.items()]):
        client.log_batch(run_id, params=some)
    for some in batches([Metric(name, value, now, 0) for name, value in metrics.items()]):
        client.log_batch(run_id, metrics=some)
    for some in batches([RunTag(name, value) for name, value in tags.items()]):
        client.log_batch(run_id, tags=some)
    if record.datasets:
        shown = [_dataset(*each) for each in record.datasets]
        retry_on_collision(lambda: client.log_inputs(run_id, datasets=shown))
    for target, local in placed.items():
        upload(client, run_id, local, target)
    if not adopted:
        client.set_terminated(run_id, "FINISHED")
    client.set_tag(run_id, tag.COMPLETE, "true")


def accumulate(client: Any, run: Any, record: CandidateRecord) -> None:
    """Add the commit and the pull request of an identical later candidate to its run."""
    for name in tag.ACCUMULATED:
        known = run.data.tags.get(name, "").split()
        new = [value for value in str(record.tags.get(name, "")).split() if value not in known]
        if new:
            kept = known + new
            # The first is where the model was made; of the rest the newest matter.
            kept = kept if len(kept) <= ACCUMULATED_VALUES else kept[:1] + kept[1 - ACCUMULATED_VALUES :]
            client.set_tag(run.info.run_id, name, " ".join(kept))


def upload(client: Any, run_id: str, local: Path, target: str) -> None:
    """Upload a file or a folder to a place in the run, and check that all of it arrived.

    Raises
    ------
    ServiceError
        If a file is not there afterwards, or has another size.
    """
    if local.is_dir():
        client.log_artifacts(run_id, str(local), target)
    else:
        folder, name = posixpath.split(target)
        with tempfile.TemporaryDirectory(prefix="mlops-ci-") as temporary:
            renamed = Path(temporary, name)
            renamed.symlink_to(local.resolve())
            client.log_artifact(run_id, str(renamed), folder or None)
    sent = {posixpath.normpath(posixpath.join(target, path)): size for path, size in local_files(local)}
    kept = dict(remote_files(client, run_id, {posixpath.dirname(path) for path in sent}))
    for path, size in sent.items():
        if kept.get(path) != size:
            raise ServiceError(
                STORE,
                f"'{path}' did not arrive in run {run_id} as it was sent",
                remedy="Run this again; if it stays so, look at the artifact store.",
            )


def local_files(path: Path) -> Iterator[tuple[str, int]]:
    """Yield (path relative to `path`, size) of a file or of all files of a folder.

    Raises
    ------
    EvidenceError
        If a folder in it is a link: MLflow would leave its files out silently.
    """
    if path.is_file():
        yield ".", path.stat().st_size
    for root, folders, files in os.walk(path):
        for name in folders:
            if Path(root, name).is_symlink():
                raise EvidenceError(
                    f"'{Path(root, name)}' is a link to a folder", remedy="Put the folder itself there."
                )
        for name in files:
            file = Path(root, name)
            if not file.is_file():
                raise EvidenceError(f"'{file}' is not a file", remedy="Remove it, or fix the link.")
            yield file.relative_to(path).as_posix(), file.stat().st_size


def remote_files(client: Any, run_id: str, folders: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield (artifact path, size) of the files in some folders of a run."""
    for folder in folders:
        for item in client.list_artifacts(run_id, folder or None):
            if not item.is_dir:
                yield item.path, item.file_size


def exists(client: Any, run: Any, artifact: str) -> bool:
    """Return whether a run holds an artifact, a file or a folder."""
    s3.hold(run.info.artifact_uri)
    parent = posixpath.dirname(artifact)
    return any(item.path == artifact for item in client.list_artifacts(run.info.run_id, parent or None))


def fetch(client: Any, run_id: str, artifact: str, into: Path) -> Path:
    """Download an artifact that the run listed a moment ago.

    Raises
    ------
    ServiceError
        If it is not handed out: whatever MLflow calls that now, the evidence is not gone.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 (heavy)

    try:
        fetched = Path(client.download_artifacts(run_id, artifact, str(into)))
    except MlflowException as failure:
        if failure.error_code not in (MISSING, INVALID) or is_store_failure(failure):
            raise
        raise ServiceError(
            STORE,
            f"it lists '{artifact}' of run {run_id}, but does not hand it out",
            remedy="Look at the server and its artifact store, then run this again.",
        ) from failure
    _check_arrived(client, run_id, artifact, fetched)
    return fetched


def _check_arrived(client: Any, run_id: str, artifact: str, fetched: Path) -> None:
    """Refuse downloaded files that differ from the run's listing in name or size.

    A proxy's page in the place of a file, or of the listing that a folder is fetched by, is not someone's
    change of a model.
    """
    got = {posixpath.normpath(posixpath.join(artifact, path)): size for path, size in local_files(fetched)}
    if fetched.is_dir():
        listed = dict(_inside(client, run_id, artifact))
    else:
        parent = posixpath.dirname(artifact)
        listed = {path: size for path, size in remote_files(client, run_id, [parent]) if path == artifact}
    other = sorted(got.keys() ^ listed.keys())
    # Not every store knows sizes.
    other += [path for path in got.keys() & listed.keys() if listed[path] not in (None, got[path])]
    if other:
        raise ServiceError(
            STORE,
            f"what it handed out as '{other[0]}' of run {run_id} is not what it lists",
            remedy="See what it answers there (a proxy's login page?), then run this again.",
        )


def _inside(client: Any, run_id: str, folder: str) -> Iterator[tuple[str, int]]:
    """Yield (artifact path, size) of all files below a folder of a run."""
    for item in client.list_artifacts(run_id, folder):
        if item.is_dir:
            yield from _inside(client, run_id, item.path)
        else:
            yield item.path, item.file_size


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield the items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _dataset(name: str, digest: str, source: str) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 (heavy)

    shown = Dataset(
        name=name[-DATASET_NAME_LENGTH:] or "data",
        digest=digest[:DATASET_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": source}),
    )
    return DatasetInput(dataset=shown, tags=[InputTag(key="mlops_ci.checksum", value=digest[:500])])
