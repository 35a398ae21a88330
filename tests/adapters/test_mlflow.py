"""The MLflow registry on an sqlite database: champions, runs, versions, aliases."""

from __future__ import annotations

import os
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


def promoted(registry: MlflowRegistry, folder: Path, seed: str = "a", **changes: Any) -> ModelRef:
    record = candidate(folder, seed, **changes)
    version = registry.create_version(record.model, registry.record(record), {"mlops_ci.verdict": "pass"})
    registry.set_alias(record.model, "champion", str(version.version))
    return version


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
