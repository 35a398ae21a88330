"""Candidates' runs in MLflow, on an sqlite database: written, adopted, searched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow_parts import candidate, client_of

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags as tag
from mlops_ci.core.report import ModelRef
from mlops_ci.errors import EvidenceError, UsageError

MODEL = "malware-detector"


@pytest.fixture
def store(registry: MlflowRegistry, request: pytest.FixtureRequest) -> Path:
    """Where the registry keeps its artifacts on disk."""
    folder = registry._connection.folder
    return folder / "mlruns" if folder else request.getfixturevalue("mlflow_server").folder / "artifacts"


# Candidates' runs


def test_a_run_holds_all_of_a_candidate(registry: MlflowRegistry, tmp_path: Path) -> None:
    ref = registry.record(candidate(tmp_path))
    client = client_of(registry)
    run = client.get_run(ref.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "candidate a"
    assert client.get_experiment(run.info.experiment_id).name == "mlops-ci/malware-detector"
    assert run.data.params == {"params.yaml:train.depth": "3", "params.yaml:train.kind": "forest"}
    assert run.data.tags[tag.COMPLETE] == "true"
    assert run.data.tags[tag.MODEL] == MODEL
    assert run.data.tags[tag.MODEL_PATH] == "model/model.bin"
    assert run.data.tags[tag.LOADABLE] == "false"
    assert run.data.tags[tag.EVALUATION_PATH] == "evaluation/predictions.parquet"
    train, holdout = sorted(run.inputs.dataset_inputs, key=lambda each: each.dataset.name)
    assert (train.dataset.name, train.dataset.digest) == ("data/train.csv", "0" * 32 + ".dir")
    assert (holdout.dataset.digest, holdout.tags[0].value) == ("f" * 36, "f" * 64)
    lock = registry.download(str(ref.run_id), tag.DVC_LOCK_ARTIFACT, tmp_path / "fetched")
    assert lock.read_text() == "dvc.lock of a"


def test_an_identical_candidate_costs_nothing(registry: MlflowRegistry, tmp_path: Path) -> None:
    first = candidate(tmp_path)
    again = replace(first, tags={**first.tags, tag.GIT_COMMIT: "d" * 40, tag.PULL_REQUEST: "8"})
    ref = registry.record(first)
    for _ in range(2):
        assert registry.record(again) == ref
    tags = client_of(registry).get_run(ref.run_id).data.tags
    assert tags[tag.GIT_COMMIT] == f"{'c' * 40} {'d' * 40}"
    assert tags[tag.PULL_REQUEST] == "7 8"
    for commit in ("c" * 40, "d" * 40):
        assert registry.find_candidates(MODEL, {tag.GIT_COMMIT: commit}) == [ref]
    assert registry.find_candidates(MODEL, {tag.GIT_COMMIT: "c"}) == []


@pytest.mark.parametrize(
    "change",
    [
        {tag.PIPELINE_VERSION: "other"},
        {tag.MODEL_DIGEST: "other"},
        {tag.EVALUATION_DIGEST: "other"},
        {tag.HOLDOUT_DIGEST: "other"},
        {tag.EVALUATION_DIGEST: ""},
    ],
)
def test_another_candidate_gets_another_run(
    registry: MlflowRegistry, tmp_path: Path, change: dict[str, str]
) -> None:
    first = candidate(tmp_path)
    ref = registry.record(first)
    assert registry.record(replace(first, tags={**first.tags, **change})).run_id != ref.run_id


def test_other_metrics_or_lost_artifacts_make_another_run(
    registry: MlflowRegistry, tmp_path: Path, store: Path
) -> None:
    first = candidate(tmp_path)
    ref = registry.record(first)
    second = registry.record(replace(first, metrics={"accuracy": 0.5}))
    assert second.run_id != ref.run_id
    for model in store.rglob("model.bin"):
        model.unlink()
    assert registry.record(first).run_id not in (ref.run_id, second.run_id)


def test_a_run_that_was_cut_short_is_never_used(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", die)
        with pytest.raises(KeyboardInterrupt):
            registry.record(candidate(tmp_path))
    client = client_of(registry)
    experiment = client.get_experiment_by_name("mlops-ci/malware-detector")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert run.data.tags[tag.MODEL_DIGEST] == "model-a"
    assert registry.find_candidates(MODEL, {}) == []
    assert registry.holdout_uses(MODEL, "holdout-1") == 0
    with pytest.raises(EvidenceError, match="not a complete candidate"):
        registry.create_version(MODEL, ModelRef(run_id=run.info.run_id), {})
    assert registry.record(candidate(tmp_path)).run_id != run.info.run_id


def test_a_caller_cannot_mark_a_run_as_complete(registry: MlflowRegistry, tmp_path: Path) -> None:
    record = candidate(tmp_path)
    record = replace(record, tags={**record.tags, tag.COMPLETE: "yes"})
    ref = registry.record(record)
    assert client_of(registry).get_run(ref.run_id).data.tags[tag.COMPLETE] == "true"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, "0.9"])
def test_a_metric_that_is_not_finite_is_refused_before_anything_is_written(
    tmp_path: Path, value: Any
) -> None:
    registry = MlflowRegistry(None, root=tmp_path)
    with pytest.raises(EvidenceError, match="metric 'accuracy'"):
        registry.record(candidate(tmp_path, metrics={"accuracy": value}))
    assert not (tmp_path / "mlflow.db").exists()


def test_a_missing_or_empty_artifact_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    registry = MlflowRegistry(None, root=tmp_path)
    (tmp_path / "empty").mkdir()
    for path in ("nothing", "empty"):
        with pytest.raises(EvidenceError, match="missing or empty"):
            registry.record(candidate(tmp_path, artifacts={"model": tmp_path / path}))
    for target in ("../model", "/model", "a//b"):
        with pytest.raises(EvidenceError, match="not a place"):
            registry.record(candidate(tmp_path, artifacts={target: tmp_path / "candidate-a" / "model.bin"}))
    assert not (tmp_path / "mlflow.db").exists()


def test_limits_of_mlflow(registry: MlflowRegistry, tmp_path: Path) -> None:
    record = candidate(
        tmp_path,
        params={
            **{f"p{i}": i for i in range(250)},
            "long": "x" * 7000,
            "../up": 1,
            "a//b": 2,
            "ü+*": [1, {"k": "ä"}],
        },
        metrics={f"m{i}": i for i in range(250)},
    )
    record = replace(record, tags={**record.tags, "long": "y" * 9000, "quote'\"": "it's"})
    ref = registry.record(record)
    data = client_of(registry).get_run(ref.run_id).data
    assert len(data.params) == 254
    assert data.params["p249"] == "249"
    assert data.params["long"] == "x" * 5997 + "..."
    assert data.params["ü__"] == '[1, {"k": "ä"}]'
    assert (data.params["_up"], data.params["a__b"]) == ("1", "2")
    assert len(data.metrics) == 250
    assert data.tags["long"] == "y" * 4997 + "..."
    assert data.tags["quote__"] == "it's"


# The user's own run


def own_run(registry: MlflowRegistry, experiment: str = "training") -> Any:
    client = client_of(registry)
    folder = registry._connection.folder
    run = client.create_run(client.create_experiment(experiment, str(folder / "own") if folder else None))
    client.log_metric(run.info.run_id, "accuracy", 0.77)
    client.log_param(run.info.run_id, "params.yaml:train.depth", "theirs")
    client.log_text(run.info.run_id, "their model", "model/model.bin")
    client.set_tag(run.info.run_id, "team", "theirs")
    client.set_terminated(run.info.run_id)
    return client.get_run(run.info.run_id)


def test_the_users_run_is_adopted_and_nothing_of_theirs_overwritten(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    run = own_run(registry)
    record = candidate(tmp_path, run_id=run.info.run_id)
    record = replace(record, tags={**record.tags, "team": "ours"})
    ref = registry.record(record)
    assert ref.run_id == run.info.run_id
    data = client_of(registry).get_run(ref.run_id).data
    assert data.metrics == {"accuracy": 0.77, "loss": 1e-7}
    assert data.params == {"params.yaml:train.depth": "theirs", "params.yaml:train.kind": "forest"}
    assert data.tags["team"] == "theirs"
    assert data.tags[tag.MODEL_PATH] == "mlops_ci/model/model.bin"
    assert registry.find_candidates(MODEL, {tag.MODEL_DIGEST: "model-a"}) == [ref]
    theirs = registry.download(str(ref.run_id), "model/model.bin", tmp_path / "1")
    ours = registry.download(str(ref.run_id), data.tags[tag.MODEL_PATH], tmp_path / "2")
    assert (theirs.read_text(), ours.read_text()) == ("their model", "model.bin of a")


def test_an_adopted_run_is_found_again(registry: MlflowRegistry, tmp_path: Path) -> None:
    record = candidate(tmp_path, run_id=own_run(registry).info.run_id, metrics={"loss": 0.5})
    assert registry.record(record) == registry.record(record)


def test_a_run_that_stands_for_another_candidate_is_left_alone(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    run = own_run(registry)
    first = registry.record(candidate(tmp_path, "a", run_id=run.info.run_id))
    other = registry.record(candidate(tmp_path, "b", run_id=run.info.run_id))
    assert other.run_id != first.run_id
    client = client_of(registry)
    assert client.get_run(first.run_id).data.tags[tag.MODEL_DIGEST] == "model-a"
    assert client.get_run(other.run_id).data.tags[tag.ADOPTED_RUN] == run.info.run_id


def test_a_change_cannot_plant_evidence_in_the_champions_run(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    client = client_of(registry)
    run = own_run(registry)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias(MODEL, "champion", "1")
    ref = registry.record(candidate(tmp_path, run_id=run.info.run_id))
    assert ref.run_id != run.info.run_id
    champion = registry.champion(MODEL, "champion")
    assert champion is not None
    assert champion.evaluation is None
    assert not [name for name in champion.tags if name.startswith(tag.PREFIX)]


@pytest.mark.parametrize("run_id", ["0" * 32, "../../etc", "", " ", "a' or '1'='1"])
def test_an_adopted_run_must_exist(registry: MlflowRegistry, tmp_path: Path, run_id: str) -> None:
    record = candidate(tmp_path, run_id=run_id)
    if not run_id:
        assert registry.record(record).run_id
        return
    with pytest.raises(EvidenceError, match=r"candidate\.run_id names run .* MLflow does not have"):
        registry.record(record)


def test_an_adopted_run_must_not_be_deleted(registry: MlflowRegistry, tmp_path: Path) -> None:
    run = own_run(registry)
    client_of(registry).delete_run(run.info.run_id)
    with pytest.raises(EvidenceError, match="is deleted"):
        registry.record(candidate(tmp_path, run_id=run.info.run_id))


def test_a_deleted_experiment_is_said(registry: MlflowRegistry, tmp_path: Path) -> None:
    ref = registry.record(candidate(tmp_path))
    client = client_of(registry)
    client.delete_experiment(client.get_run(ref.run_id).info.experiment_id)
    with pytest.raises(UsageError, match="'mlops-ci/malware-detector' is deleted") as caught:
        registry.record(candidate(tmp_path, "b"))
    assert "mlflow experiments restore" in caught.value.remedy


# Searching


def test_only_complete_runs_with_all_tags_are_found_newest_first(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    a, b = (registry.record(candidate(tmp_path, seed)) for seed in "ab")
    registry.record(candidate(tmp_path, "c", model="another"))
    assert registry.find_candidates(MODEL, {}) == [b, a]
    assert registry.find_candidates(MODEL, {tag.MODEL_DIGEST: "model-a"}) == [a]
    assert registry.find_candidates(MODEL, {tag.MODEL_DIGEST: "model-a", tag.DVC_LOCK_DIGEST: "x"}) == []


@pytest.mark.parametrize(
    "value", ["x' or tags.a = 'b", "it's", 'say "x"', "`", "%", "model-_", "", "\\'", "a; --", "model-a\n"]
)
def test_a_filter_cannot_be_broken_out_of(registry: MlflowRegistry, tmp_path: Path, value: str) -> None:
    registry.record(candidate(tmp_path))
    assert registry.find_candidates(MODEL, {tag.MODEL_DIGEST: value}) == []
    assert registry.holdout_uses(MODEL, value) == 0
    record = candidate(tmp_path, "b")
    ref = registry.record(replace(record, tags={**record.tags, tag.MODEL_DIGEST: value or "-"}))
    if value:
        assert registry.find_candidates(MODEL, {tag.MODEL_DIGEST: value}) == [ref]


def test_holdout_uses_count_different_candidates(registry: MlflowRegistry, tmp_path: Path) -> None:
    for seed in "aab":
        registry.record(candidate(tmp_path, seed))
    retrained = candidate(tmp_path, "b")  # other bytes, the same predictions
    registry.record(replace(retrained, tags={**retrained.tags, tag.MODEL_DIGEST: "other"}))
    other = candidate(tmp_path, "c")
    registry.record(replace(other, tags={**other.tags, tag.HOLDOUT_DIGEST: "holdout-2"}))
    assert registry.holdout_uses(MODEL, "holdout-1") == 2
    assert registry.holdout_uses(MODEL, "holdout-1", excluding="evaluation-a") == 1
    assert registry.holdout_uses(MODEL, "holdout-2") == 1
    assert registry.holdout_uses("another", "holdout-1") == 0
