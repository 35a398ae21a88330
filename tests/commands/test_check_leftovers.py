"""Predictions that no stage declares: those of an earlier run are not this model's."""

import shutil

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo
from guarded_repo import GuardedRepo

WORSE = "train:\n  threshold: 0.05\n"


@pytest.fixture(scope="module")
def undeclared_template(champion_template: DvcRepo, tmp_path_factory: pytest.TempPathFactory) -> DvcRepo:
    """Predictions in git that the evaluation writes beside what dvc.yaml declares."""
    repo = copy_dvc_repo(champion_template, tmp_path_factory.mktemp("undeclared") / "guarded")
    repo.edit("dvc.yaml", "    outs: [reports/predictions.csv]\n", "")
    (repo.root / "reports/.gitignore").unlink()
    repo.dvc("repro", "-q")
    repo.dvc("push", "-q")
    repo.commit()
    repo.push()
    repo.git("fetch", "-q", "origin")
    return repo


@pytest.fixture
def undeclared(guarded: GuardedRepo, undeclared_template: DvcRepo) -> GuardedRepo:
    shutil.rmtree(guarded.repo.root.parent)
    repo = copy_dvc_repo(undeclared_template, guarded.repo.root.parent)
    return GuardedRepo(repo, guarded.monkeypatch, guarded.capsys)


def test_predictions_of_an_earlier_model_are_not_judged(undeclared: GuardedRepo) -> None:
    repo = undeclared.repo
    repo.git("switch", "-qc", "change")
    repo.write("params.yaml", WORSE)
    repo.dvc("repro", "-q")
    repo.git("checkout", "HEAD", "--", "reports/predictions.csv")
    repo.commit("All but the predictions")
    done = undeclared.check("--dry-run")
    assert done.code == 5
    assert "reports/predictions.csv: no stage of dvc.yaml makes it" in done.out


def test_predictions_that_a_stage_restored_without_running_are_not_judged(undeclared: GuardedRepo) -> None:
    repo = undeclared.repo
    repo.write("params.yaml", WORSE)
    repo.dvc("repro", "-q")
    repo.git("checkout", "-q", "--force", "main")
    repo.dvc("checkout", "-q")
    undeclared.change(0.05)
    done = undeclared.check("--dry-run")
    assert done.code == 5
    assert "this run did not write it" in done.out


def test_predictions_that_this_run_wrote_and_those_of_an_unchanged_pipeline_are(
    undeclared: GuardedRepo,
) -> None:
    undeclared.change(**{"README.md": "Another text.\n"})
    assert undeclared.check("--dry-run").code == 0
    undeclared.repo.git("switch", "-q", "main")
    undeclared.repo.git("branch", "-qD", "change")
    undeclared.change(0.05)
    assert undeclared.check("--dry-run").code == 1
