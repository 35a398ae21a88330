"""A real MLflow server, and records of candidates to put into a registry."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.adapters.ports import CandidateRecord
from mlops_ci.core import tags as tag
from mlops_ci.core.report import ModelRef


@dataclass(frozen=True)
class Server:
    """A running MLflow server."""

    uri: str
    folder: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def start_server(
    folder: Path,
    patience: float = 120.0,
    artifacts: str | None = None,
    options: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run `mlflow server` on sqlite in a process group of its own, which is ended whatever happens.

    Parameters
    ----------
    artifacts
        Where clients send and fetch artifacts themselves; None lets the server do it, in a folder of its own.
    options, more
        Of the server, and of its environment.
    """
    uri = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += (
        ["--default-artifact-root", artifacts, "--no-serve-artifacts"]
        if artifacts
        else ["--artifacts-destination", str(folder / "artifacts")]
    )
    command += options
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **(more or {}),
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_healthy(uri, process, folder / "server.log", patience)
            yield Server(uri, folder)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_until_healthy(uri: str, process: Any, log: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{uri}/health", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")


def client_of(registry: MlflowRegistry) -> Any:
    """Return MLflow's own client of the same registry: tests look at what is really there."""
    from mlflow import MlflowClient

    return MlflowClient(registry._connection.tracking, registry._connection.registry)


def emptied(registry: MlflowRegistry) -> None:
    """Delete all models and experiments of a registry."""
    from mlflow.entities import ViewType

    client = client_of(registry)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        if experiment.name.startswith(("deleted ", "Default")):
            continue
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        # A deleted experiment still owns its name.
        client.rename_experiment(experiment.experiment_id, f"deleted {uuid.uuid4().hex}")
        client.delete_experiment(experiment.experiment_id)


def candidate(folder: Path, seed: str = "a", **changes: Any) -> CandidateRecord:
    """Return a record of a candidate with a bare model file, predictions and a dvc.lock."""
    folder = folder / f"candidate-{seed}"
    folder.mkdir(exist_ok=True)
    for name in ("model.bin", "predictions.parquet", "dvc.lock"):
        (folder / name).write_text(f"{name} of {seed}")
    values: dict[str, Any] = {
        "model": "malware-detector",
        "name": f"candidate {seed}",
        "params": {"params.yaml:train.depth": 3, "params.yaml:train.kind": "forest"},
        "metrics": {"accuracy": 0.1 + 0.2, "loss": 1e-7},
        "tags": {
            tag.PIPELINE_VERSION: f"pipeline-{seed}",
            tag.MODEL_DIGEST: f"model-{seed}",
            tag.EVALUATION_DIGEST: f"evaluation-{seed}",
            tag.HOLDOUT_DIGEST: "holdout-1",
            tag.DVC_LOCK_DIGEST: f"lock-{seed}",
            tag.GIT_COMMIT: "c" * 40,
            tag.PULL_REQUEST: "7",
        },
        "artifacts": {
            "model/model.bin": folder / "model.bin",
            tag.EVALUATION_ARTIFACT: folder / "predictions.parquet",
            tag.DVC_LOCK_ARTIFACT: folder / "dvc.lock",
        },
        "datasets": [("data/train.csv", "0" * 32 + ".dir", "data/train.csv"), ("holdout", "f" * 64, "x")],
    }
    values.update(changes)
    return CandidateRecord(**values)


def saved_model(folder: Path) -> tuple[Any, Any]:
    """Train a small forest, save it as a user's pipeline does; return it with its rows."""
    import mlflow.sklearn
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    rows, target = load_breast_cancer(return_X_y=True)
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(rows, target)
    trusted = ["sklearn.tree._tree.Tree"]  # what skops asks for with this estimator
    mlflow.sklearn.save_model(model, str(folder), input_example=rows[:2], skops_trusted_types=trusted)
    return model, rows


def promoted(registry: MlflowRegistry, folder: Path, seed: str = "a", **changes: Any) -> ModelRef:
    """Record a candidate, register it as a version, and make that the champion."""
    record = candidate(folder, seed, **changes)
    version = registry.create_version(record.model, registry.record(record), {"mlops_ci.verdict": "pass"})
    registry.set_alias(record.model, "champion", str(version.version))
    return version
