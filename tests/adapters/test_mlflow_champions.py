"""Champions in the MLflow registry, on an sqlite database."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow_parts import candidate, client_of, promoted

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags as tag
from mlops_ci.errors import EvidenceError

MODEL = "malware-detector"


@pytest.fixture
def store(registry: MlflowRegistry, request: pytest.FixtureRequest) -> Path:
    """Where the registry keeps its artifacts on disk."""
    folder = registry._connection.folder
    return folder / "mlruns" if folder else request.getfixturevalue("mlflow_server").folder / "artifacts"


# Champions


def test_there_is_no_champion_before_the_first_and_looking_makes_no_database(tmp_path: Path) -> None:
    registry = MlflowRegistry(None, root=tmp_path)
    assert registry.champion(MODEL, "champion") is None
    assert registry.find_candidates(MODEL, {}) == []
    assert registry.holdout_uses(MODEL, "holdout-1") == 0
    assert registry.history(MODEL) == []
    assert list(tmp_path.iterdir()) == []


def test_no_model_and_no_alias_are_no_champion(registry: MlflowRegistry, tmp_path: Path) -> None:
    assert registry.champion(MODEL, "champion") is None
    registry.create_version(MODEL, registry.record(candidate(tmp_path)), {})
    assert registry.champion(MODEL, "champion") is None


def test_the_champion_comes_with_its_tags_metrics_and_evaluation(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    version = promoted(registry, tmp_path)
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.ref == version
    assert champion.ref.version == "1"
    assert (champion.ref.digest, champion.ref.commit) == ("model-a", "c" * 40)
    assert champion.metrics == {"accuracy": 0.1 + 0.2, "loss": 1e-7}
    assert champion.tags["mlops_ci.verdict"] == "pass"
    assert champion.tags[tag.HOLDOUT_DIGEST] == "holdout-1"
    assert champion.created is not None
    assert champion.created.endswith("+00:00")
    assert champion.evaluation == "evaluation/predictions.parquet"
    fetched = registry.download(str(champion.ref.run_id), champion.evaluation, tmp_path / "fetched")
    assert fetched.read_text() == "predictions.parquet of a"


def test_version_tags_stand_over_run_tags(registry: MlflowRegistry, tmp_path: Path) -> None:
    version = promoted(registry, tmp_path)
    client = client_of(registry)
    client.set_tag(version.run_id, tag.HOLDOUT_DIGEST, "of the run")
    client.set_model_version_tag(MODEL, "1", tag.HOLDOUT_DIGEST, "of the version")
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.tags[tag.HOLDOUT_DIGEST] == "of the version"


def test_a_champion_without_an_evaluation_says_so(registry: MlflowRegistry) -> None:
    client = client_of(registry)
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "accuracy", 0.9)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias(MODEL, "champion", "1")
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.evaluation is None
    assert champion.metrics == {"accuracy": 0.9}


def test_a_champion_that_never_had_a_run(registry: MlflowRegistry) -> None:
    client = client_of(registry)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, "s3://bucket/model")
    client.set_registered_model_alias(MODEL, "champion", "1")
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert (champion.ref.run_id, champion.evaluation, champion.metrics) == (None, None, {})


def test_a_deleted_champion_is_not_taken_for_none(registry: MlflowRegistry, tmp_path: Path) -> None:
    promoted(registry, tmp_path)
    client_of(registry).delete_model_version(MODEL, "1")
    with pytest.raises(EvidenceError, match=r"last named version 1.*deleted") as caught:
        registry.champion(MODEL, "champion")
    assert "mlops-ci rollback" in caught.value.remedy
    assert registry.version(MODEL, "1") is None


def test_a_champion_whose_run_is_deleted(registry: MlflowRegistry, tmp_path: Path) -> None:
    version = promoted(registry, tmp_path)
    client_of(registry).delete_run(version.run_id)
    with pytest.raises(EvidenceError, match=rf"{version.run_id}.* is deleted") as caught:
        registry.champion(MODEL, "champion")
    assert f"mlflow runs restore --run-id {version.run_id}" in caught.value.remedy


def test_an_artifact_deleted_from_disk(registry: MlflowRegistry, tmp_path: Path, store: Path) -> None:
    version = promoted(registry, tmp_path)
    for evaluation in store.rglob("predictions.parquet"):
        evaluation.unlink()
    with pytest.raises(EvidenceError, match=r"'evaluation/predictions\.parquet' of run"):
        registry.download(str(version.run_id), tag.EVALUATION_ARTIFACT, tmp_path / "fetched")


def test_the_history_is_newest_first_and_survives_deleted_runs(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    first, *_ = [
        promoted(registry, tmp_path, seed, metrics={"accuracy": m})
        for seed, m in zip("abc", (1, 2, 3), strict=True)
    ]
    client_of(registry).delete_run(first.run_id)
    history = registry.history(MODEL)
    assert [(one.ref.version, dict(one.metrics)) for one in history] == [
        ("3", {"accuracy": 3.0}),
        ("2", {"accuracy": 2.0}),
        ("1", {}),
    ]
    assert [one.ref.version for one in registry.history(MODEL, 2)] == ["3", "2"]


def test_evidence_is_attached_to_a_version_that_exists(registry: MlflowRegistry, tmp_path: Path) -> None:
    promoted(registry, tmp_path)
    (other := tmp_path / "other.parquet").write_text("rescored")
    registry.attach(
        MODEL, "1", {"evaluation/new.parquet": other}, {tag.EVALUATION_PATH: "evaluation/new.parquet"}
    )
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.evaluation_run == champion.ref.run_id
    fetched = registry.download(str(champion.evaluation_run), str(champion.evaluation), tmp_path / "fetched")
    assert fetched.read_text() == "rescored"
    with pytest.raises(EvidenceError, match="no version 2"):
        registry.attach(MODEL, "2", {}, {})


def test_evidence_is_attached_to_a_version_without_a_run(registry: MlflowRegistry, tmp_path: Path) -> None:
    client = client_of(registry)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, "s3://bucket/model")
    client.set_registered_model_alias(MODEL, "champion", "1")
    (predictions := tmp_path / "p.parquet").write_text("adopted")
    for _ in range(2):
        registry.attach(
            MODEL, "1", {tag.EVALUATION_ARTIFACT: predictions}, {tag.EVALUATION_PATH: tag.EVALUATION_ARTIFACT}
        )
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.ref.run_id is None
    assert client.get_run(champion.evaluation_run).info.status == "FINISHED"
    fetched = registry.download(str(champion.evaluation_run), tag.EVALUATION_ARTIFACT, tmp_path / "fetched")
    assert fetched.read_text() == "adopted"
