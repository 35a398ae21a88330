"""`reproduce: run`: what is fetched, what runs, what is restored, what is said when it fails."""

from dvc_repo import DvcRepo, Recorder

from mlops_ci.adapters.ports import PipelineRun

NEEDED = ["models", "reports/predictions.csv", "metrics.json"]


def states(run: PipelineRun) -> dict[str, str | None]:
    return {stage.name: stage.state for stage in run.stages}


def test_nothing_changed_in_a_fresh_clone_fetches_only_what_is_needed(dvc_repo: DvcRepo) -> None:
    clone, console = dvc_repo.clone(), Recorder()
    run = clone.pipeline(console).reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "skipped", "train": "restored", "evaluate": "restored"}
    assert not run.lock_changed
    assert run.lock_text == (dvc_repo.root / "dvc.lock").read_text()
    assert (clone.root / "models" / "model.json").read_bytes() == (
        dvc_repo.root / "models/model.json"
    ).read_bytes()
    assert (clone.root / "reports" / "predictions.csv").is_file()
    assert not (clone.root / "data" / "raw.csv").exists()
    assert not (clone.root / "data" / "prepared").exists()
    assert clone.git("status", "--short") == ""
    assert clone.dvc("repro", "--dry", "--allow-missing").count("didn't change") == 4


def test_a_changed_parameter_runs_what_follows_it(dvc_repo: DvcRepo) -> None:
    clone, console = dvc_repo.clone(), Recorder()
    clone.edit("params.yaml", "0.5", "0.9")
    run = clone.pipeline(console).reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}
    train = next(stage for stage in run.stages if stage.name == "train")
    assert train.seconds is not None
    assert 0 < train.seconds < 30
    assert train.params == {"params.yaml:train.threshold": 0.9}
    assert run.lock_changed
    assert "'train', 'evaluate' ran" in run.notices[0]
    assert "trained" in console.lines
    assert (clone.root / "models/model.json").read_text() == '{"threshold": 0.9}'
    # `prepare` is current, so the raw data is not downloaded.
    assert not (clone.root / "data/raw.csv").exists()


def test_on_a_laptop_with_all_data_nothing_is_fetched(dvc_repo: DvcRepo) -> None:
    console = Recorder()
    run = dvc_repo.pipeline(console).reproduce("run", [], NEEDED)
    assert set(states(run).values()) == {"skipped"}
    assert console.groups == []
