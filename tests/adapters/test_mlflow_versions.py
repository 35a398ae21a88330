"""Versions and aliases in the MLflow registry, on an sqlite database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlflow_parts import candidate, client_of, promoted

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags as tag
from mlops_ci.errors import EvidenceError, UsageError

MODEL = "malware-detector"


# Versions and aliases


def test_a_version_carries_the_lineage_and_is_made_once(registry: MlflowRegistry, tmp_path: Path) -> None:
    ref = registry.record(candidate(tmp_path))
    first = registry.create_version(MODEL, ref, {"mlops_ci.verdict": "pass"})
    again = registry.create_version(MODEL, ref, {"mlops_ci.verdict": "pass, twice"})
    assert first == again
    (one,) = registry.history(MODEL)
    assert one.tags["mlops_ci.verdict"] == "pass, twice"
    stored = client_of(registry).get_model_version(MODEL, "1")
    assert stored.tags[tag.PIPELINE_VERSION] == "pipeline-a"
    assert stored.tags[tag.LOADABLE] == "false"
    other = registry.create_version("other name", ref, {})
    assert other.version == "1"


def test_the_bare_file_of_a_version_can_be_fetched(registry: MlflowRegistry, tmp_path: Path) -> None:
    import mlflow

    version = promoted(registry, tmp_path)
    path = registry.download(str(version.run_id), "model/model.bin", tmp_path / "1")
    assert path.read_text() == "model.bin of a"
    mlflow.set_tracking_uri(registry._connection.tracking)
    try:
        folder = mlflow.artifacts.download_artifacts(
            "models:/malware-detector@champion", dst_path=str(tmp_path / "2")
        )
    finally:
        mlflow.set_tracking_uri(None)
    assert (Path(folder) / "model.bin").read_text() == "model.bin of a"


def test_an_alias_needs_its_version(registry: MlflowRegistry, tmp_path: Path) -> None:
    promoted(registry, tmp_path)
    for version in ("2", "x"):
        with pytest.raises(EvidenceError, match=f"no version {version}"):
            registry.set_alias(MODEL, "champion", version)
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.ref.version == "1"


def test_a_version_of_a_deleted_run(registry: MlflowRegistry, tmp_path: Path) -> None:
    ref = registry.record(candidate(tmp_path))
    client_of(registry).delete_run(ref.run_id)
    with pytest.raises(EvidenceError, match="is deleted"):
        registry.create_version(MODEL, ref, {})


@pytest.mark.parametrize(
    "model", ["modèle de détection", 'it\'s "quoted"', "a b+c=d%20#1", "名前", "x' or name = 'y"]
)
def test_hostile_model_names(registry: MlflowRegistry, tmp_path: Path, model: str) -> None:
    version = promoted(registry, tmp_path, model=model)
    promoted(registry, tmp_path, "b", model="another")
    champion = registry.champion(model, "champion")
    assert champion is not None
    assert champion.ref == version
    assert [one.ref.version for one in registry.history(model)] == ["1"]
    assert len(registry.find_candidates(model, {})) == 1
    assert registry.download(str(version.run_id), "model/model.bin", tmp_path / "f").is_file()


@pytest.mark.parametrize("model", ["team/model", "a:b", "", ".."])
def test_names_that_mlflow_cannot_register(registry: MlflowRegistry, tmp_path: Path, model: str) -> None:
    with pytest.raises(UsageError, match="MLflow refuses"):
        registry.champion(model, "champion")
    ref = registry.record(candidate(tmp_path))
    with pytest.raises(UsageError, match="MLflow refuses"):
        registry.create_version(model, ref, {})


def test_nothing_is_written_into_the_working_directory(
    sqlite_registry: MlflowRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    before = dict(os.environ)
    promoted(sqlite_registry, tmp_path)
    sqlite_registry.champion(MODEL, "champion")
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "candidate-a",
        "elsewhere",
        "mlflow.db",
        "mlruns",
    ]
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")
