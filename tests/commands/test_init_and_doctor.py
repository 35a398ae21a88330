"""`init` and `doctor` on five repositories of different shape: the gate works on each after few edits, or none."""

from __future__ import annotations

import difflib
import io
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from dvc_repo import DvcRepo
from five_repos import SHAPES, TEXT, make, settle
from guarded_repo import GuardedRepo
from jsonschema import Draft202012Validator

from mlops_ci.settings import json_schema, read_settings

ACTION = "acme/mlops-ci@" + "a" * 40
INIT = ["init", "--yes", "--action", ACTION]


def guarded(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> GuardedRepo:
    return GuardedRepo(make(SHAPES[name], folder), monkeypatch, capsys)


@pytest.mark.parametrize("name", SHAPES)
def test_init_before_the_pipeline_ever_ran(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, name, monkeypatch, capsys)
    shown = one.call("init", "--action", ACTION)
    assert not (one.repo.root / "mlops-ci.yaml").exists()
    assert one.call(*INIT).code == 0
    text = (one.repo.root / "mlops-ci.yaml").read_text()
    read_settings(text.encode(), "mlops-ci.yaml")
    assert all(line in shown.out for line in text.splitlines())
    workflow = (one.repo.root / ".github/workflows/mlops-ci.yml").read_text()
    assert set(yaml.safe_load(workflow)["jobs"]) == {"reproduce", "gate"}
    assert "OWNER" not in workflow
    assert workflow.count(f"uses: {ACTION}") == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_the_gate_works_on_each(
    name: str,
    tmp_path: Path,
    empty_mlflow_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shape = SHAPES[name]
    one = guarded(tmp_path, name, monkeypatch, capsys)
    repo = one.repo
    shutil.copy(empty_mlflow_database, repo.root.parent / "mlflow.db")
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{repo.root.parent / 'mlflow.db'}"}
    by_hand = 0
    for path, (old, new) in shape.edits.items():
        by_hand += edited(repo, path, old, new)
    where = repo.root / ("models/churn" if name == "monorepo" else ".")
    DvcRepo(where).run("dvc", "repro", "-q", environment=uri)
    DvcRepo(where).run("dvc", "push", "-q")
    assert one.call(*INIT).code == 0
    settle(repo, "Guard it")
    assert by_hand <= 10

    settings = read_settings((repo.root / "mlops-ci.yaml").read_bytes(), "mlops-ci.yaml")
    for model in settings:
        adopted = one.call("adopt", "--from-pipeline", "--model", model.registry.model)
        assert adopted.code == 0, adopted.err
    settle(repo, "as it was adopted") if repo.git("status", "--porcelain") else None

    found = one.call("doctor", "--format", "json")
    states = {check["subject"]: check["state"] for check in found.json["details"]["checks"]}
    assert found.code == 0, [check for check in found.json["details"]["checks"] if check["state"] == "failed"]
    assert "failed" not in states.values()

    for branch, (path, old, new), code in (("equal", shape.equal, 0), ("worse", shape.worse, 1)):
        repo.git("switch", "-qfc", branch, "main")
        edited(repo, path, old, new)
        repo.commit(branch)
        checked = one.check()
        assert checked.code == code, checked.out + checked.err


def edited(repo: DvcRepo, path: str, old: str, new: str) -> int:
    """Edit a file; return how many lines that changes."""
    before = (repo.root / path).read_text()
    repo.edit(path, old, new)
    after = (repo.root / path).read_text()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return sum(line.startswith("+") and not line.startswith("+++") for line in lines)


def test_the_lines_that_are_missing_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "text", monkeypatch, capsys)
    shown = one.call("init").out
    assert "Add these lines to src/evaluate.py (scikit-learn)" in shown
    assert '"y_pred": model.predict(X_test)' in shown
    assert (
        guarded(tmp_path / "torch", "torch", monkeypatch, capsys).call("init").out.count("argmax") == 0
    )  # it has some
    assert TEXT.files["src/evaluate.py"].count("to_csv") == 0


def test_what_is_there_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    one.repo.write("mlops-ci.yaml", "# mine\n")
    said = one.call(*INIT).out
    assert (one.repo.root / "mlops-ci.yaml").read_text() == "# mine\n"
    assert "mlops-ci.yaml is there already" in said
    assert (one.repo.root / ".github/workflows/mlops-ci.yml").exists()
    one.call(*INIT, "--force", "--dry-run")
    assert (one.repo.root / "mlops-ci.yaml").read_text() == "# mine\n"
    one.call(*INIT, "--force")
    assert "registry:" in (one.repo.root / "mlops-ci.yaml").read_text()
    assert "nothing to write" in one.call(*INIT).out


@pytest.mark.parametrize("name", SHAPES)
def test_production_is_watched_where_that_is_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, name, monkeypatch, capsys)
    said = one.call(*INIT, "--with", "retrain, canary,monitor")
    assert said.code == 0
    written = [
        path.relative_to(one.repo.root).as_posix()
        for folder in (one.repo.root / ".github/workflows", one.repo.root)
        for path in sorted(folder.glob("mlops-ci*"))
    ]
    names = ("mlops-ci-canary", "mlops-ci-monitor", "mlops-ci-promote", "mlops-ci-retrain", "mlops-ci")
    assert written == [*(f".github/workflows/{file}.yml" for file in names), "mlops-ci.yaml"]
    for path in written:
        text = (one.repo.root / path).read_text()
        assert "OWNER" not in text
        assert all(line in said.out for line in text.splitlines()), path
    text = (one.repo.root / "mlops-ci.yaml").read_text()
    Draft202012Validator(json_schema()).validate(yaml.safe_load(text))
    for model in read_settings(text.encode(), "mlops-ci.yaml"):
        several = name == "monorepo"
        folder = f"{model.registry.model}/" if several else ""
        assert model.monitor.files == [f"data/production/{folder}*.parquet"]
        assert model.canary is not None
        assert model.canary.outcomes == f"outcomes/{folder}*.parquet"
        assert (model.retrain.trigger, model.retrain.weekly) == ("mlops-ci-retrain", 2)
    found = one.call("doctor", "--offline", "--format", "json").json["details"]["checks"]
    about = [check for check in found if "mlops-ci" in check["subject"]]
    assert {check["state"] for check in about} == {"ok"}, about
    assert len(about) == 6
    assert "production's rows" in said.out


class Typed(io.StringIO):
    """A terminal with someone who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "watched"), [("", False), ("y", True)])
def test_one_question_is_asked_about_production_and_all_is_shown_before_it_is_written(
    answer: str,
    watched: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    monkeypatch.setattr(sys, "stdin", Typed(f"\n{answer}\n\n"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = one.call("init", "--action", ACTION)
    assert done.code == 0, done.err
    assert "Also watch production (canary, monitor, retrain)? [y/N]" in done.out
    folder = one.repo.root / ".github/workflows"
    assert (folder / "mlops-ci-monitor.yml").exists() is watched
    shown, _, _ = done.out.partition("Write these files?")
    for path in [one.repo.root / "mlops-ci.yaml", *folder.glob("*.yml")]:
        assert all(line in shown for line in path.read_text().splitlines()), path


def test_monitoring_knows_what_the_model_is_trained_on_and_what_dvc_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "tracked", monkeypatch, capsys)
    one.call(*INIT, "--with", "monitor,retrain")
    assert "reference: data.csv" in (one.repo.root / "mlops-ci.yaml").read_text()
    assert "# data: data/train.csv" in (one.repo.root / "mlops-ci.yaml").read_text()
    one.repo.write("data.csv.dvc", "outs:\n- md5: " + "a" * 32 + "\n  size: 1\n  path: data.csv\n")
    one.call(*INIT, "--force", "--with", "monitor,retrain")
    (settings,) = read_settings((one.repo.root / "mlops-ci.yaml").read_bytes(), "mlops-ci.yaml")
    assert settings.drift.reference == "data.csv"
    assert settings.retrain.paths == ["data.csv"]
    assert settings.canary is None


def test_settings_that_a_team_made_its_own_are_extended_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "tracked", monkeypatch, capsys)
    one.call(*INIT)
    place = one.repo.root / "mlops-ci.yaml"
    mine = place.read_text().replace("margin: 0.01", "margin: 0.007") + "drift: {sensitivity: high}\n"
    place.write_text(mine)
    shown = one.call(*INIT, "--dry-run", "--with", "monitor,canary")
    assert place.read_text() == mine
    assert "mlops-ci.yaml (extended)" in shown.out
    one.call(*INIT, "--with", "monitor,canary")
    text = place.read_text()
    assert text.startswith(mine)
    assert all(line in shown.out for line in text.splitlines())
    (settings,) = read_settings(text.encode(), "mlops-ci.yaml")
    assert (settings.metrics["accuracy"].margin, settings.drift.sensitivity) == (0.007, "high")
    assert settings.monitor.files == ["data/production/*.parquet"]
    assert settings.canary is not None
    again = one.call(*INIT, "--with", "monitor,canary")
    assert place.read_text() == text
    assert "mlops-ci.yaml is there already" in again.out
    one.call(*INIT, "--with", "retrain")
    assert place.read_text().startswith(text + "retrain:")


def test_what_is_asked_with_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    wrong = one.call(*INIT, "--with", "monitor,canaries")
    assert wrong.code == 2
    assert "'canaries' is not one of canary, monitor, retrain" in wrong.err
    assert not (one.repo.root / ".github").exists()


def test_the_files_of_a_local_mlflow_stay_out_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    one.repo.write(".gitignore", "/mlruns\n*.pyc")
    assert ".gitignore (extended)" in one.call(*INIT).out
    assert (one.repo.root / ".gitignore").read_text() == "/mlruns\n*.pyc\nmlflow.db\n"
    assert "nothing to write" in one.call(*INIT).out
    other = guarded(tmp_path / "served", "scalars", monkeypatch, capsys)
    assert ".gitignore" not in other.call(*INIT, "--tracking-uri", "https://mlflow.example.org").out


def test_gitlab_gets_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    one.repo.git("remote", "set-url", "origin", "https://gitlab.example.org/acme/models.git")
    said = one.call("init", "--yes", "--action", "acme/mlops-ci@1.2.0", "--with", "monitor")
    text = (one.repo.root / ".gitlab-ci.yml").read_text()
    assert "component: $CI_SERVER_FQDN/acme/mlops-ci/gitlab@1.2.0" in text
    assert "17 * * * *           MLOPS_CI_RUN = monitor" in text
    assert "give .gitlab-ci.yml (`production`) the command" in said.out
    assert "monitor:" in (one.repo.root / "mlops-ci.yaml").read_text()
    assert not (one.repo.root / ".github").exists()


def test_the_forge_that_is_named_counts_and_not_the_remotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    one.repo.git("remote", "set-url", "origin", "https://github.com/acme/models.git")
    here = [*INIT, "--tracking-uri", "sqlite:///mlflow.db"]
    assert "a runner needs a server" in one.call(*here, "--dry-run").out
    said = one.call(*here, "--forge", "gitlab").out
    assert (one.repo.root / ".gitlab-ci.yml").exists()
    assert "a runner needs a server" not in said
    assert "GitHub" not in said


def test_a_remote_on_s3_brings_its_plugin_and_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    one.repo.write(".dvc/config", "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/store\n")
    one.call(*INIT)
    jobs = yaml.safe_load((one.repo.root / ".github/workflows/mlops-ci.yml").read_text())["jobs"]
    (step,) = [
        step for step in jobs["reproduce"]["steps"] if step["uses" if "uses" in step else "run"] == ACTION
    ]
    assert step["with"]["extra-packages"] == "dvc-s3"
    assert step["env"]["AWS_ACCESS_KEY_ID"] == "${{ secrets.DVC_AWS_ACCESS_KEY_ID }}"
    assert "AWS" not in str(jobs["gate"])


def test_doctor_offline_says_what_to_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = guarded(tmp_path, "scalars", monkeypatch, capsys)
    found = one.call("doctor", "--offline")
    assert found.code == 2
    assert "Write one with `mlops-ci init`" in found.out
    one.call(*INIT)
    text = (one.repo.root / "mlops-ci.yaml").read_text()
    one.repo.write("mlops-ci.yaml", text.replace("model.json", "other.json"))
    one.repo.edit(".github/workflows/mlops-ci.yml", "    if: always()\n    runs-on", "    runs-on")
    one.repo.edit(
        ".github/workflows/mlops-ci.yml", "  pull_request:\n", "  pull_request:\n    paths: [src/**]\n"
    )
    found = one.call("doctor", "--offline", "--format", "json")
    said = [check["message"] for check in found.json["details"]["checks"] if check["state"] == "failed"]
    assert found.code == 2
    assert any("no stage writes other.json (candidate.model)" in line for line in said)
    assert any("skipped check counts as passed" in line for line in said)
    assert any("stays pending for ever" in line for line in said)
    assert any("no stage writes predictions.csv" in line for line in said)
    assert len(said) == 4
