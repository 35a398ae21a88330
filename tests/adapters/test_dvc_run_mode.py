"""`reproduce: run`: what is fetched, what runs, what is restored, what is said when it fails."""

import hashlib
import sys

import pytest
import zc.lockfile
from dvc_repo import DvcRepo, Recorder, search_path

from mlops_ci.adapters.ports import PipelineRun
from mlops_ci.errors import PipelineError, ServiceError, UsageError

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


def test_everything_runs_where_there_is_no_remote(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.write(".dvc/config", "")
    clone.write("data/raw.csv", (dvc_repo.root / "data/raw.csv").read_text())
    run = clone.pipeline().reproduce("run", [], NEEDED)
    assert set(states(run).values()) == {"ran"}
    assert not run.lock_changed
    assert "there is no DVC remote, so these were made again" in run.notices[0]


def test_an_output_that_was_never_pushed_is_made_again(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    for path in dvc_repo.remote.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"id,y_true"):
            path.unlink()
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "skipped", "train": "skipped", "evaluate": "ran"}
    assert "reports/predictions.csv" in run.notices[0]
    assert "dvc push" in run.notices[0]
    assert (clone.root / "reports/predictions.csv").is_file()


@pytest.mark.slow
def test_an_input_that_was_never_pushed_is_made_again_too(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    for path in dvc_repo.remote.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b'{"threshold"'):
            path.unlink()
    clone.edit("src/evaluate.py", "evaluated", "evaluated again")
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "skipped", "train": "ran", "evaluate": "ran"}


@pytest.mark.slow
def test_a_stage_that_makes_the_same_again_does_not_lose_what_follows(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/prepare.py", '"prepared"', '"prepared the same"')
    clone.edit("src/evaluate.py", '"evaluated"', '"evaluated anew"')
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "ran", "train": "skipped", "evaluate": "ran"}
    assert (clone.root / "models/model.json").is_file()
    clone = dvc_repo.clone("another")
    clone.edit("src/prepare.py", '"prepared"', '"prepared the same"')
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert states(run) == {"prepare": "ran", "train": "restored", "evaluate": "restored"}
    assert (clone.root / "reports/predictions.csv").is_file()


def test_stages_see_no_credential_but_those_named(dvc_repo: DvcRepo) -> None:
    clone, console = dvc_repo.clone(), Recorder()
    clone.edit("src/train.py", 'print("trained")', "import os; print(sorted(os.environ.items()))")
    environ = {
        "PATH": search_path(),
        "HOME": str(clone.root.parent),
        "AWS_SECRET_ACCESS_KEY": "hush-1",
        "GITHUB_TOKEN": "hush-2",
        "MLFLOW_TRACKING_TOKEN": "hush-3",
        "GITHUB_OUTPUT": "/hush-4",
        "DVC_STUDIO_TOKEN": "hush-5",
        "HF_TOKEN": "wanted",
    }
    pipeline = clone.pipeline(console, environ=environ, passed=["HF_TOKEN", "NOT_SET"])
    run = pipeline.reproduce("run", ["train"], NEEDED)
    shown = "\n".join(console.lines)
    assert "('HF_TOKEN', 'wanted')" in shown
    assert "hush" not in shown
    assert "stages saw these variables: HF_TOKEN" in run.notices


def test_the_fetch_obeys_the_target_branchs_config_and_leaves_the_changes_alone(dvc_repo: DvcRepo) -> None:
    trusted = (dvc_repo.root / ".dvc/config").read_bytes()
    clone = dvc_repo.clone()
    theirs = "[core]\n    remote = evil\n['remote \"evil\"']\n    url = http://127.0.0.1:9/evil\n"
    clone.write(".dvc/config", theirs)
    clone.write(".dvc/config.local", theirs)
    clone.git("add", "-f", ".dvc/config", ".dvc/config.local")
    clone.git("commit", "-qm", "another remote")
    run = clone.pipeline(trusted_config=trusted).reproduce("run", ["evaluate"], NEEDED)
    assert states(run)["evaluate"] == "restored"
    assert (clone.root / ".dvc/config").read_text() == theirs
    assert (clone.root / ".dvc/config.local").read_text() == theirs
    assert clone.git("status", "--short") == ""


def test_the_users_own_local_config_is_obeyed(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    dvc_repo.remote.rename(dvc_repo.remote.with_name("moved"))
    clone.write(".dvc/config.local", "['remote \"store\"']\n    url = ../../moved  # here\n")
    trusted = (dvc_repo.root / ".dvc/config").read_bytes()
    run = clone.pipeline(trusted_config=trusted).reproduce("run", ["evaluate"], ["models"])
    assert states(run)["train"] == "restored"


def test_a_remote_that_does_not_answer_is_no_missing_object(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit(".dvc/config", "../../remote", "http://127.0.0.1:9/data")
    with pytest.raises(ServiceError, match=r"DVC remote: 127\.0\.0\.1:9: Connection refused") as caught:
        clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert caught.value.exit_code == 4
    assert not (clone.root / "models").exists()


def test_a_remote_that_hangs_holds_no_check_for_an_hour(
    dvc_repo: DvcRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pipeline.timeout` is for the stages; a fetch has five minutes, and more only for what is large."""
    clone = dvc_repo.clone()
    # DVC itself needs more than this to start.
    monkeypatch.setattr("mlops_ci.adapters.dvc.remote.PATIENCE", 0.1)
    with pytest.raises(ServiceError, match="DVC remote: the fetch did not end within 0 s"):
        clone.pipeline(timeout=3600).reproduce("pull", ["evaluate"], NEEDED)


def test_a_failed_stage_is_named_with_its_last_words(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/prepare.py", '"prepared"', '"prepared anew"')
    clone.edit("src/train.py", 'print("trained")', 'raise SystemExit("out of\\nmemory")')
    before = (clone.root / "dvc.lock").read_text()
    with pytest.raises(PipelineError) as caught:
        clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert caught.value.exit_code == 5
    assert "stage 'train' failed: `python src/train.py` exited with 1" in caught.value.problem
    assert "\n  | out of\n  | memory" in caught.value.problem
    assert "dvc repro train" in caught.value.remedy
    # What ran before it is kept in dvc.lock: a failure is no reason to trust dvc.lock less or more.
    assert (clone.root / "dvc.lock").read_text() != before


@pytest.mark.slow
def test_a_stage_that_takes_too_long_is_ended(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit(
        "src/evaluate.py", 'print("evaluated")', 'print("slow", flush=True)\nimport time; time.sleep(60)'
    )
    with pytest.raises(PipelineError, match="stage 'evaluate' did not end within 10 s") as caught:
        clone.pipeline(timeout=10).reproduce("run", ["evaluate"], NEEDED)
    assert "\n  | slow" in caught.value.problem
    assert "pipeline.timeout" in caught.value.remedy


def test_a_held_lock_is_a_service_failure(dvc_repo: DvcRepo) -> None:
    holder = zc.lockfile.LockFile(str(dvc_repo.root / ".dvc/tmp/lock"))
    try:
        with pytest.raises(ServiceError, match="another DVC process holds the lock") as caught:
            dvc_repo.pipeline().reproduce("run", ["evaluate"], NEEDED)
    finally:
        holder.close()
    assert caught.value.exit_code == 4


def test_a_deleted_script_is_not_taken_for_data_that_was_not_downloaded(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    (clone.root / "src/train.py").unlink()
    with pytest.raises(PipelineError, match=r"stage 'train' reads src/train\.py, which is neither"):
        clone.pipeline().reproduce("run", ["evaluate"], NEEDED)


def test_data_that_is_nowhere_stops_the_stage_that_reads_it(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/prepare.py", '"prepared"', '"prepared anew"')
    for path in dvc_repo.remote.rglob("*"):
        if (
            path.is_file()
            and path.read_bytes().startswith(b"id,x,y\n0,0.0,1\n1,")
            and path.stat().st_size > 2000
        ):
            path.unlink()
    with pytest.raises(PipelineError, match=r"stage 'prepare' cannot run.*data/raw\.csv") as caught:
        clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert "dvc push" in caught.value.remedy


def test_a_broken_dvc_yaml(dvc_repo: DvcRepo) -> None:
    dvc_repo.write("dvc.yaml", "stages: [")
    with pytest.raises(PipelineError, match=r"dvc\.yaml is not valid YAML"):
        dvc_repo.pipeline().reproduce("run", [], NEEDED)
    dvc_repo.write("dvc.yaml", "stages:\n  prepare:\n    command: x\n")
    with pytest.raises(PipelineError, match=r"dvc\.yaml is invalid") as caught:
        dvc_repo.pipeline().reproduce("run", [], NEEDED)
    assert "extra keys not allowed" in caught.value.problem


def test_wrong_use(dvc_repo: DvcRepo) -> None:
    with pytest.raises(UsageError, match="names 'nope', which is not a stage") as caught:
        dvc_repo.pipeline().reproduce("run", ["nope"], NEEDED)
    assert "prepare, train, evaluate" in caught.value.remedy
    (dvc_repo.root / "dvc.yaml").unlink()
    with pytest.raises(UsageError, match="there is no pipeline"):
        dvc_repo.pipeline().reproduce("run", [], NEEDED)
    (dvc_repo.root / ".dvc").rename(dvc_repo.root / "dvc-away")
    with pytest.raises(UsageError, match="is not a DVC project") as caught:
        dvc_repo.pipeline().reproduce("run", [], NEEDED)
    assert caught.value.exit_code == 2


def test_without_any_dvc(dvc_repo: DvcRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    pipeline = dvc_repo.pipeline(environ={"PATH": "/usr/bin:/bin"}, python=None)
    with pytest.raises(UsageError, match="DVC is not installed") as caught:
        pipeline.reproduce("run", [], NEEDED)
    assert "mlops-ci[dvc]" in caught.value.remedy
    assert "extra-packages" in caught.value.remedy


def test_a_dvc_that_is_not_ours_never_gets_the_credential(
    dvc_repo: DvcRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    theirs = dvc_repo.root.parent / "bin"
    theirs.mkdir()
    (theirs / "dvc").write_text(
        f'#!/bin/sh\nenv >> {theirs}/seen\nexec "{sys.executable}" -m dvc "$@"\n', encoding="utf-8"
    )
    (theirs / "dvc").chmod(0o755)
    environ = {"PATH": f"{theirs}:{search_path()}", "HOME": str(theirs), "AWS_SECRET_ACCESS_KEY": "hush"}
    trusted = (dvc_repo.root / ".dvc/config").read_bytes()
    clone = dvc_repo.clone()
    run = clone.pipeline(environ=environ, python=None, trusted_config=trusted).reproduce(
        "run", [], ["models"]
    )
    assert states(run)["train"] == "restored"
    assert "PATH=" in (theirs / "seen").read_text()
    assert "hush" not in (theirs / "seen").read_text()


@pytest.mark.slow
def test_an_uncached_metric_keeps_its_stage_from_being_restored(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/evaluate.py", "evaluated", "evaluated again")
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert any("metrics.json has `cache: false`" in notice for notice in run.notices)
    # A run of the same again is found in the run cache, were it not for the metric.
    clone.edit("dvc.yaml", "cache: false", "cache: true")
    clone.git("rm", "-q", "--cached", "metrics.json")
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert not any("cache: false" in notice for notice in run.notices)


def test_lineage_tells_data_from_code(dvc_repo: DvcRepo) -> None:
    run = dvc_repo.pipeline().reproduce("pull", [], NEEDED)
    prepare, train, evaluate = run.stages
    assert [(dep.path, dep.kind) for dep in prepare.deps] == [
        ("data/raw.csv", "data"),
        ("src/prepare.py", "code"),
    ]
    assert [(dep.path, dep.kind) for dep in train.deps] == [("src/train.py", "code")]
    assert list(evaluate.inputs) == ["data/prepared", "models"]
    assert set(evaluate.outs) == {"metrics.json", "reports/predictions.csv"}
    lineage = run.lineage("c" * 40)
    assert [one.path for one in lineage.data] == ["data/raw.csv"]
    assert lineage.data[0].size == (dvc_repo.root / "data/raw.csv").stat().st_size
    assert list(lineage.environment) == ["requirements.txt"]
    assert lineage.dvc_lock_digest == hashlib.sha256((dvc_repo.root / "dvc.lock").read_bytes()).hexdigest()
    clone = dvc_repo.clone()
    clone.write("README.md", "Other words.\n")
    assert clone.pipeline().reproduce("pull", [], ["README.md"]).lineage("d" * 40).pipeline_version == (
        lineage.pipeline_version
    )
    clone.write("requirements.txt", "scikit-learn==1.6.0\n")
    assert clone.pipeline().reproduce("pull", [], ["README.md"]).lineage("d" * 40).pipeline_version != (
        lineage.pipeline_version
    )
