"""What `mlops-ci check` cannot judge: one clear message, the right exit code, and never a pass."""

import os
import shutil
from pathlib import Path

import pytest
from guarded_repo import SETTINGS, GuardedRepo

WRITE = """\
from pathlib import Path
Path("reports").mkdir(exist_ok=True)
Path("reports/predictions.csv").write_text({text!r})
Path("metrics.json").write_text('{{"accuracy": 0.9}}')
"""
ROWS = [f"{i},{int((i * 37 % 200 > 100) != (i % 9 == 0))},{int(i * 37 % 200 > 100)}" for i in range(100, 200)]


def predictions(rows: list[str], header: str = "id,y_true,y_pred") -> dict[str, str]:
    return {
        "src/evaluate.py": WRITE.format(text="\n".join([header, *rows]) + "\n"),
        "params.yaml": "train:\n  threshold: 0.4\n",
    }


BAD_PREDICTIONS = {
    "an empty holdout": ([], "id,y_true,y_pred", "has no row"),
    "a row twice": ([*ROWS, ROWS[0]], "id,y_true,y_pred", "id '100' occurs more than once"),
    "a missing prediction": (["100,1,", *ROWS[1:]], "id,y_true,y_pred", "has 1 missing"),
    "other columns": (ROWS, "key,truth,guess", "there is no column 'id'"),
    "other rows": ([f"x{row}" for row in ROWS], "id,y_true,y_pred", "too few to compare"),
    "a header alone of another file": (["a"], "a", "there is no column 'id'"),
}


@pytest.mark.parametrize("name", BAD_PREDICTIONS)
def test_predictions_that_cannot_be_judged(name: str, guarded: GuardedRepo) -> None:
    rows, header, message = BAD_PREDICTIONS[name]
    guarded.change(**predictions(rows, header))
    done = guarded.check()
    assert (done.code, done.json["verdict"]) == (5, "error"), done.err
    assert message in done.json["summary"]
    assert "could not tell" in done.json["headline"]
    assert done.json["next_step"]


def test_dropped_rows_are_told_and_need_approval(guarded: GuardedRepo) -> None:
    guarded.change(**predictions(ROWS[:80]))
    done = guarded.check()
    assert done.code == 3
    danger = [notice["text"] for notice in done.json["notices"] if notice["level"] == "danger"]
    assert any("20 are gone" in text for text in danger)
    assert done.json["findings"][0]["n"] == 80


def test_changed_labels_do_not_count(guarded: GuardedRepo) -> None:
    flattering = [",".join([row.split(",")[0], row.split(",")[2], row.split(",")[2]]) for row in ROWS]
    guarded.change(**predictions(flattering))
    done = guarded.check()
    assert done.code == 3
    assert "have another label" in str(done.json["notices"])


def test_a_failing_stage_names_itself(guarded: GuardedRepo) -> None:
    guarded.change(**{"src/train.py": "raise SystemExit('no GPU here')\n"})
    done = guarded.check()
    assert (done.code, done.json["verdict"]) == (5, "error")
    assert "'train'" in done.json["summary"]
    assert "no GPU here" in done.json["summary"]


def test_a_pipeline_without_predictions(guarded: GuardedRepo) -> None:
    guarded.settle(**{"mlops-ci.yaml": SETTINGS.replace("reports/predictions.csv", "reports/none.csv")})
    guarded.change(threshold=0.6)
    done = guarded.check()
    assert done.code == 5
    assert "reports/none.csv" in done.json["summary"]
    assert "evaluation.predictions" in done.json["summary"]


def test_a_null_metric_is_not_a_number(guarded: GuardedRepo) -> None:
    guarded.change(**{"src/evaluate.py": predictions(ROWS)["src/evaluate.py"].replace("0.9", "null")})
    done = guarded.check()
    assert done.code == 5
    assert "'accuracy' is not a number" in done.json["summary"]


def test_no_dvc_pipeline(guarded: GuardedRepo) -> None:
    guarded.repo.git("switch", "-qc", "change")
    guarded.repo.git("rm", "-q", "dvc.yaml", "dvc.lock")
    guarded.repo.commit()
    done = guarded.check()
    assert done.code in {2, 5}
    assert "dvc.yaml" in done.json["summary"]


def test_not_a_git_repository(guarded: GuardedRepo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = guarded.call("check", folder=tmp_path / "empty")
    assert done.code == 2
    assert "not in a git repository" in done.err
    assert "->" in done.err


def test_a_shallow_clone_needs_its_history(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.6)
    guarded.repo.git("push", "-q", "origin", "change")
    shallow = guarded.repo.clone("shallow", "--depth=1", "--branch=change")
    done = guarded.call("check", folder=shallow.root)
    assert done.code == 2
    assert "fetch-depth: 0" in done.err + done.out


def test_no_settings(guarded: GuardedRepo) -> None:
    done = guarded.call("check", "--config", "other.yaml", "--format", "json")
    assert done.code == 2
    assert "mlops-ci init" in done.json["next_step"]


def test_wrong_settings_on_the_target_branch(guarded: GuardedRepo) -> None:
    guarded.settle(**{"mlops-ci.yaml": SETTINGS.replace("accuracy", "acuracy")})
    done = guarded.call("check", "--format", "json")
    assert done.code == 2
    assert "did you mean 'accuracy'" in done.json["summary"]


def test_an_unreachable_server_is_a_service_failure(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.6)
    done = guarded.check("--tracking-uri", "http://127.0.0.1:9")
    assert (done.code, done.json["verdict"]) == (4, "error")
    assert "MLflow" in done.json["summary"]


def test_a_deleted_champion_is_not_no_champion(guarded: GuardedRepo) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{guarded.repo.root.parent / 'mlflow.db'}"
    MlflowClient(uri, uri).delete_model_version("moons", "1")
    guarded.change(threshold=0.9)
    done = guarded.check()
    assert (done.code, done.json["verdict"]) == (5, "error")


def test_training_rows_in_the_holdout(guarded: GuardedRepo) -> None:
    leaking = SETTINGS.replace(
        "metrics: metrics.json}", "metrics: metrics.json, train: data/prepared/test.csv}"
    )
    guarded.settle(**{"mlops-ci.yaml": leaking})
    guarded.change(threshold=0.6)
    done = guarded.check()
    assert done.code == 5
    assert "100 holdout rows are among the training rows" in done.json["summary"]


def test_a_loosened_policy_is_not_in_force_and_needs_approval(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.9, **{"mlops-ci.yaml": SETTINGS.replace("0.05", "0.9")})
    worse = guarded.check()
    assert worse.code == 1, worse.json["summary"]
    guarded.repo.git("switch", "-q", "main")
    guarded.repo.git("branch", "-qD", "change")
    guarded.change(**{"mlops-ci.yaml": SETTINGS.replace("0.05", "0.9"), "README.md": "x"})
    done = guarded.check()
    assert done.code == 3
    (danger,) = [notice["text"] for notice in done.json["notices"] if notice["level"] == "danger"]
    assert danger.startswith("This change touches its own gate: `mlops-ci.yaml`")


def test_deleted_settings_stay_in_force(guarded: GuardedRepo) -> None:
    guarded.repo.git("switch", "-qc", "change")
    guarded.repo.write("params.yaml", "train:\n  threshold: 0.9\n")
    guarded.repo.git("rm", "-q", "mlops-ci.yaml")
    guarded.repo.commit()
    assert guarded.check().code == 1


def test_a_model_that_leads_out_of_the_repository(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.6)
    shutil.rmtree(guarded.repo.root / "reports")
    (guarded.repo.root / "reports").symlink_to("/etc")
    assert guarded.check().code == 5


def test_a_target_branch_that_does_not_exist_is_said(guarded: GuardedRepo) -> None:
    done = guarded.call("check", "--target", "mian")
    assert done.code == 2
    assert "there is no branch 'mian', neither on origin nor here" in done.err


def test_settings_of_the_folder_above_are_pointed_at(guarded: GuardedRepo) -> None:
    done = guarded.call("check", folder=guarded.repo.root / "src")
    assert done.code == 2
    assert f"Run this in {guarded.repo.root}, where it is." in " ".join(done.out.split())


def test_a_mistyped_verb_is_suggested(guarded: GuardedRepo) -> None:
    done = guarded.call("chek")
    assert (done.code, "Did you mean 'check'?" in done.err) == (2, True)


def test_a_project_outside_of_the_repository_is_refused(guarded: GuardedRepo) -> None:
    text = (guarded.repo.root / "mlops-ci.yaml").read_text()
    guarded.settle(**{"mlops-ci.yaml": text.replace("pipeline: {", "pipeline: {directory: ../other, ")})
    done = guarded.check("--dry-run")
    assert done.code == 2
    assert "'../other' leads out of the repository" in done.out


def test_a_name_that_is_no_utf8_can_be_told(guarded: GuardedRepo, tmp_path: Path) -> None:
    guarded.change(**{"README.md": "Another text."})
    folder = guarded.repo.root / ".github/workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / os.fsdecode(b"gate\xff.yml")).write_text("jobs: {a: {steps: [{run: mlops-ci check}]}}\n")
    guarded.repo.commit("A workflow")
    done = guarded.check("--dry-run", "--output", str(tmp_path / "report.json"))
    assert done.code == 3
    assert "gate\\\\udcff.yml" in (tmp_path / "report.json").read_text()
