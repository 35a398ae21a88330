"""Several models of one repository on one pull request: one comment for all, or one each."""

from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.runner import Runner
from guarded_repo import SETTINGS, GuardedRepo, Outcome

BLOCK = "".join(f"  {line}\n" for line in SETTINGS.splitlines()).replace("  registry", "- registry", 1)


@pytest.fixture
def two_models(guarded: GuardedRepo) -> GuardedRepo:
    guarded.settle(
        **{
            "mlops-ci.yaml": "report: {comment: together}\nmodels:\n"
            + BLOCK.replace("moons", "other")
            + BLOCK
        }
    )
    return guarded


def run_job(
    guarded: GuardedRepo, github: GitHub, folder: Path, *arguments: str, run: int = 500, **env: str
) -> Outcome:
    github.pulls[7].head = guarded.repo.git("rev-parse", "HEAD")
    github.pulls[7].base = guarded.repo.git("rev-parse", "origin/main")
    runner = Runner(github, folder / "runner", run=run)
    return guarded.call("check", *arguments, env={**runner.env, "MLOPS_CI_GITHUB_TOKEN": "job-token", **env})


def test_one_comment_one_exit_code_and_the_gravest_first(
    two_models: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    two_models.change(threshold=0.9)
    reports = tmp_path / "report"
    done = run_job(two_models, github, tmp_path, MLOPS_CI_REPORT_DIR=str(reports))
    assert done.code == 1, done.err
    (body,) = github.bodies(7)
    lines = body.splitlines()
    assert lines[1].startswith("### ❌ moons: merging this makes the model worse: accuracy")
    assert lines[1].endswith("(1 of 2 models stops the merge)")
    assert [line[:11] for line in lines if line.startswith("| ❌ | moons") or line.startswith("| ✅ | other")] == [
        "| ❌ | moons", "| ✅ | other",
    ]  # fmt: skip
    output = (tmp_path / "runner" / "500-1" / "output").read_text()
    (page,), (other,) = reports.glob("moons*.html"), reports.glob("other*.html")
    assert str(page) in output  # of the model that decided, not of the last
    assert str(other) not in output
    assert 'mlops_ci_exit_code{model="other"} 0' in (reports / "metrics.txt").read_text()
    run_job(two_models, github, tmp_path, run=501)
    assert len(github.bodies(7)) == 1


@pytest.mark.parametrize(("mode", "threshold", "comments"), [
    ("failures", 0.5, 0), ("failures", 0.9, 1), ("off", 0.9, 0),
])  # fmt: skip
def test_quiet_modes_hold_for_the_shared_comment(
    two_models: GuardedRepo, github: GitHub, tmp_path: Path, mode: str, threshold: float, comments: int
) -> None:
    two_models.change(threshold=threshold, **{"README.md": "Words.\n"})
    run_job(two_models, github, tmp_path, MLOPS_CI_COMMENT=mode)
    assert len(github.bodies(7)) == comments


def test_a_job_on_one_model_keeps_a_comment_of_its_own(
    two_models: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    two_models.change(threshold=0.9)
    for model in ("moons", "other"):
        run_job(two_models, github, tmp_path, "--model", model)
    assert len(github.bodies(7)) == 2


def test_a_change_cannot_choose_how_it_is_reported(
    two_models: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    settings = (two_models.repo.root / "mlops-ci.yaml").read_text().replace("together", "separate")
    two_models.change(threshold=0.9, **{"mlops-ci.yaml": settings})
    run_job(two_models, github, tmp_path)
    assert len(github.bodies(7)) == 1


def test_what_a_report_replaces_is_taken_back(
    two_models: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    right = (two_models.repo.root / "mlops-ci.yaml").read_text()
    two_models.settle(**{"mlops-ci.yaml": right.replace("together", "apart")})
    two_models.change(threshold=0.9)
    run_job(two_models, github, tmp_path, run=500)
    (broken,) = github.bodies(7)
    assert "apart" in broken
    for run, comment, comments in ((501, "separate", 2), (502, "together", 1), (503, "separate", 2)):
        two_models.repo.git("switch", "-q", "main")
        two_models.repo.git("branch", "-qD", "change")
        two_models.settle(**{"mlops-ci.yaml": right.replace("together", comment)})
        two_models.change(threshold=0.9)
        run_job(two_models, github, tmp_path, run=run)
        assert len(github.bodies(7)) == comments, comment
        assert not any("apart" in body for body in github.bodies(7))
