"""What was registered loads again: a scikit-learn model saved into a DVC output folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow_parts import candidate, saved_model

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags as tag
from mlops_ci.errors import EvidenceError, ServiceError

MODEL = "malware-detector"


@pytest.fixture
def mlflow_at(registry: MlflowRegistry) -> Iterator[Any]:
    import mlflow

    mlflow.set_tracking_uri(registry._connection.tracking)
    yield mlflow
    mlflow.set_tracking_uri(None)


@pytest.mark.filterwarnings("ignore")  # of MLflow's flavour, when it saves and loads
def test_a_registered_model_loads_as_the_champion(
    registry: MlflowRegistry, tmp_path: Path, mlflow_at: Any
) -> None:
    model, rows = saved_model(tmp_path / "models")
    ref = registry.record(candidate(tmp_path, artifacts={"model": tmp_path / "models"}))
    version = registry.create_version(MODEL, ref, {})
    registry.set_alias(MODEL, "champion", str(version.version))
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.tags[tag.LOADABLE] == "true"
    assert champion.tags[tag.MODEL_PATH] == "model"
    loaded = mlflow_at.pyfunc.load_model(f"models:/{MODEL}@champion")
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))

    fetched = registry.download(str(version.run_id), "model", tmp_path / "fetched")
    sent = {path.relative_to(tmp_path / "models"): path for path in (tmp_path / "models").rglob("*")}
    assert {path.relative_to(fetched) for path in fetched.rglob("*")} == set(sent)
    for relative, path in sent.items():
        assert path.is_dir() or (fetched / relative).read_bytes() == path.read_bytes()


def test_a_folder_with_a_linked_folder_is_refused(registry: MlflowRegistry, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a").write_text("a")
    (tmp_path / "models" / "link").symlink_to("/etc")
    with pytest.raises(EvidenceError, match="link to a folder"):
        registry.record(candidate(tmp_path, artifacts={"model": tmp_path / "models"}))


def test_a_linked_file_is_kept_by_its_content(registry: MlflowRegistry, tmp_path: Path) -> None:
    """DVC links outputs into its cache where `cache.type` says so."""
    (tmp_path / "models").mkdir()
    (tmp_path / "cache").write_text("bytes")
    (tmp_path / "models" / "ä b+c&d=e:f'(1).bin").symlink_to(tmp_path / "cache")
    ref = registry.record(candidate(tmp_path, artifacts={"model": tmp_path / "models"}))
    fetched = registry.download(str(ref.run_id), "model", tmp_path / "fetched")
    assert (fetched / "ä b+c&d=e:f'(1).bin").read_text() == "bytes"


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "a\nb", "a\\b"])
def test_names_that_mlflow_would_lose_are_refused(
    registry: MlflowRegistry, tmp_path: Path, name: str
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).write_text("a")
    with pytest.raises(EvidenceError, match="MLflow cannot keep a file named"):
        registry.record(candidate(tmp_path, artifacts={"model": tmp_path / "models"}))


@pytest.mark.parametrize("page", ["<html>Please log in.</html>", None], ids=["of a file", "of a listing"])
def test_a_page_in_the_place_of_a_model_is_not_called_a_changed_model(
    sqlite_registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str | None
) -> None:
    """A server behind a portal hands out its page with status 200, and lists what it really holds."""
    model = tmp_path / "a-model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    with sqlite_registry._connection.calls("make a run") as client:
        run = client.create_run(client.create_experiment("e")).info.run_id
        client.log_artifacts(run, str(model), "model")
    assert sqlite_registry.download(run, "model", tmp_path / "here").is_dir()
    real = type(client).download_artifacts

    def portal(self: Any, run_id: str, path: str, into: str) -> str:
        fetched = real(self, run_id, path, into)
        file = Path(fetched) / "model.json"
        file.write_text(page) if page else file.unlink()
        return str(fetched)

    monkeypatch.setattr(type(client), "download_artifacts", portal)
    with pytest.raises(
        ServiceError, match=r"MLflow's artifact store: .*model/model\.json.* is not what it lists"
    ):
        sqlite_registry.download(run, "model", tmp_path / "there")
