"""`mlops-ci check` as a job on GitHub: the comment, approvals, and what is kept of the candidate."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.runner import Runner
from guarded_repo import GuardedRepo, Outcome

from mlops_ci.errors import ServiceError

HELD = 0.585


def run_job(guarded: GuardedRepo, github: GitHub, tmp_path: Path, run: int = 500) -> Outcome:
    """Run the check as a step of a job on pull request 7, whose head is the checkout's."""
    head = guarded.repo.git("rev-parse", "HEAD")
    github.pulls[7].head = head
    github.pulls[7].base = guarded.repo.git("rev-parse", "origin/main")
    runner = Runner(github, tmp_path / "runner", run=run)
    env = {
        **runner.env,
        "MLOPS_CI_GITHUB_TOKEN": "job-token",
        "MLOPS_CI_REPORT_DIR": str(tmp_path / "report"),
    }
    return guarded.call("check", env=env)


def test_a_worse_model_is_told_on_the_pull_request(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    guarded.change(threshold=0.9)
    done = run_job(guarded, github, tmp_path)
    assert done.code == 1
    (body,) = github.bodies(7)
    assert "merging this makes the model worse" in body
    assert "accuracy falls from" in body
    output = (tmp_path / "runner" / "500-1" / "output").read_text()
    assert "verdict" in output
    assert "champion-version" in output
    (report,) = (tmp_path / "report").glob("*.json")
    assert json.loads(report.read_text())["source"]["pull_request"] == 7
    assert (report.with_suffix(".html")).read_text().startswith("<!doctype html>")


def test_a_held_check_turns_green_by_an_approval_of_exactly_this_head(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    guarded.change(threshold=HELD)
    assert run_job(guarded, github, tmp_path).code == 3
    head = guarded.repo.git("rev-parse", "HEAD")
    (body,) = github.bodies(7)
    assert f"/mlops-ci accept {head}" in body
    github.add_user("grace", "write")
    github.add_user("eve", "read")
    github.comment(7, "eve", f"/mlops-ci accept {head} I say so")
    github.comment(7, "grace", f"/mlops-ci accept {'a' * 40} another head")
    assert run_job(guarded, github, tmp_path, run=501).code == 3
    github.comment(7, "grace", f"/mlops-ci accept {head} a loss we want")
    approved = run_job(guarded, github, tmp_path, run=502)
    assert approved.code == 0, approved.err
    report = json.loads(next((tmp_path / "report").glob("*.json")).read_text())
    assert (report["approval"]["actor"], report["approval"]["reason"]) == ("grace", "a loss we want")
    assert report["verdict"] == "inconclusive"
    guarded.repo.write("README.md", "A new push.\n")
    guarded.repo.commit()
    assert run_job(guarded, github, tmp_path, run=503).code == 3


def test_failures_are_told_too(guarded: GuardedRepo, github: GitHub, tmp_path: Path) -> None:
    guarded.change(**{"src/train.py": "raise SystemExit('no GPU here')\n"})
    assert run_job(guarded, github, tmp_path).code == 5
    (body,) = github.bodies(7)
    assert "could not tell" in body
    assert "no GPU here" in body


def test_a_nondeterministic_training_gives_one_candidate_whose_bytes_are_kept(
    guarded: GuardedRepo, tmp_path: Path
) -> None:
    from mlops_ci.adapters.files import path_digest
    from mlops_ci.adapters.mlflow.registry import MlflowRegistry

    source = (guarded.repo.root / "src/train.py").read_text()
    guarded.change(
        **{"src/train.py": source + 'import os\n(folder / "noise.bin").write_bytes(os.urandom(64))\n'}
    )
    report = guarded.check().json
    made = guarded.repo.root / "models"
    assert report["candidate"]["digest"] == path_digest(made)
    registry = MlflowRegistry(f"sqlite:///{guarded.repo.root.parent / 'mlflow.db'}", root=guarded.repo.root)
    kept = registry.download(report["candidate"]["run_id"], "model", tmp_path / "kept")
    assert (kept / "noise.bin").read_bytes() == (made / "noise.bin").read_bytes()
    assert path_digest(kept) == report["candidate"]["digest"]


def test_the_page_is_kept_with_the_candidate(guarded: GuardedRepo, github: GitHub, tmp_path: Path) -> None:
    from mlops_ci.adapters.mlflow.registry import MlflowRegistry

    guarded.settle(
        **{
            ".mlops-ci/templates/check.html.j2": '{% extends "default/check.html.j2" %}{% block notes %}<p>Ask us.</p>{% endblock %}'
        }
    )
    guarded.change(threshold=0.9)
    report = guarded.check().json
    registry = MlflowRegistry(f"sqlite:///{guarded.repo.root.parent / 'mlflow.db'}", root=guarded.repo.root)
    page = registry.download(
        report["candidate"]["run_id"], "mlops_ci/report.html", tmp_path / "kept"
    ).read_text()
    assert page.startswith("<!doctype html>")
    assert "merging this makes the model worse" in page
    assert "<p>Ask us.</p>" in page
    assert report["candidate"]["run_id"] in page


def test_a_page_that_cannot_be_kept_is_a_notice_and_changes_no_verdict(
    guarded: GuardedRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_ci.adapters.mlflow.registry import MlflowRegistry

    keep, tried = MlflowRegistry.keep, []

    def refusing(
        self: MlflowRegistry, run_id: str, artifacts: Mapping[str, Path], tags: Mapping[str, str]
    ) -> None:
        if "mlops_ci/report.html" in artifacts:
            tried.append(run_id)
            raise ServiceError("MLflow", "the artifact store is full")
        keep(self, run_id, artifacts, tags)

    monkeypatch.setattr(MlflowRegistry, "keep", refusing)
    guarded.change(threshold=0.9)
    done = guarded.check()
    assert done.code == 1
    said = [notice for notice in done.json["notices"] if "could not be kept" in notice["text"]]
    assert [one["level"] for one in said] == ["note"]
    assert "the artifact store is full" in said[0]["text"]
    assert tried == [done.json["candidate"]["run_id"]]
