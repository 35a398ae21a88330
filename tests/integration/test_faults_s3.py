"""Artifacts on S3 without a server between: what a page, a deleted object and a store that hangs are called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes.fault_proxy import Fault, FaultProxy
from fault_parts import impatient
from real_parts import s3_environment, s3_store

from mlops_ci.adapters.mlflow import s3
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.errors import EvidenceError, ServiceError

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Kept:
    """A run with a model in a folder and a file, its artifacts on S3 behind a proxy."""

    registry: MlflowRegistry
    run: str
    proxy: FaultProxy
    port: int
    folder: Path


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with s3_store(tmp_path_factory.mktemp("s3")) as port:
        yield port


@pytest.fixture
def kept(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    with FaultProxy(f"http://127.0.0.1:{port}", delay=5.0) as proxy, impatient():
        for name, value in (s3_environment(port) | {"MLFLOW_S3_ENDPOINT_URL": proxy.url}).items():
            monkeypatch.setenv(name, value)
        registry = MlflowRegistry("sqlite:///mlflow.db", root=tmp_path)
        model = tmp_path / "a-model"
        (model / "inner").mkdir(parents=True)
        for path in ("MLmodel", "inner/weights"):
            (model / path).write_text(path)
        with registry._connection.calls("make a run") as client:
            experiment = client.create_experiment("e", artifact_location=f"s3://mlflow/{tmp_path.name}")
            run = client.create_run(experiment).info
            s3.hold(run.artifact_uri)
            client.log_artifacts(run.run_id, str(model), "model")
            client.log_artifact(run.run_id, str(model / "MLmodel"), "evaluation")
        yield Kept(registry, run.run_id, proxy, port, tmp_path)


@pytest.mark.parametrize("artifact", ["evaluation/MLmodel", "model"])
@pytest.mark.parametrize("times", [1, None], ids=["once", "from there on"])
def test_a_page_at_any_request_is_a_store_that_failed(kept: Kept, artifact: str, times: int | None) -> None:
    """It read as an empty listing: the evidence was called gone, or the folder within the model left out."""
    kept.proxy.arm()
    kept.registry.download(kept.run, artifact, kept.folder / "clean")
    asked = list(kept.proxy.seen)
    assert len(asked) >= 4
    for at in range(len(asked)):
        kept.proxy.arm(Fault("html", at, times))
        with pytest.raises(ServiceError, match="MLflow's artifact store"):
            kept.registry.download(kept.run, artifact, kept.folder / f"{at}")


def test_what_was_deleted_is_gone(kept: Kept) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{kept.port}")
    place = f"{kept.folder.name}/{kept.run}/artifacts/evaluation/MLmodel"
    assert client.head_object(Bucket="mlflow", Key=place)["ContentLength"] == len("MLmodel")
    client.delete_object(Bucket="mlflow", Key=place)
    with pytest.raises(EvidenceError, match="is not in MLflow any more"):
        kept.registry.download(kept.run, "evaluation/MLmodel", kept.folder / "gone")


def test_a_download_that_hangs_comes_to_an_end(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boto tries fifteen times; of three seconds' patience and a second a try that is four."""
    monkeypatch.setattr(s3, "PATIENCE", 3.0)
    kept.proxy.arm()
    kept.registry.download(kept.run, "evaluation/MLmodel", kept.folder / "clean")
    first = next(at for at, asked in enumerate(kept.proxy.seen) if asked.endswith("evaluation/MLmodel"))
    assert kept.proxy.seen[first + 1].startswith("GET ")
    kept.proxy.arm(Fault("slow", first + 1))
    start = time.monotonic()
    with pytest.raises(ServiceError, match=r"MLflow's artifact store: .*does not hand it out"):
        kept.registry.download(kept.run, "evaluation/MLmodel", kept.folder / "hangs")
    assert time.monotonic() - start < 12
    assert len(kept.proxy.seen) - first <= 6
