"""The second job: what it does not have, what it fetches, and what it does not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dvc_repo import DvcRepo
from fakes.github import GitHub
from fakes.runner import Runner
from guarded_repo import GuardedRepo, Outcome

from mlops_ci.adapters.files import file_digest
from mlops_ci.core.bundle import MANIFEST, folder_name

FORK = "eve/models"


def job(
    guarded: GuardedRepo,
    github: GitHub,
    tmp_path: Path,
    *arguments: str,
    folder: Path | None = None,
    **values: Any,
) -> tuple[Outcome, str]:
    """Run `check` as a step of a job; return how it ended, and the comment."""
    runner = Runner(github, tmp_path / "runner", **values)
    env = {
        **runner.env,
        "MLOPS_CI_GITHUB_TOKEN": "job-token",
        "MLOPS_CI_REPORT_DIR": str(tmp_path / "report"),
    }
    done = guarded.call("check", *arguments, env=env, folder=folder)
    return done, "".join(github.bodies(7) + github.bodies(9))


def set_pull(guarded: GuardedRepo, github: GitHub) -> None:
    github.pulls[7].head = guarded.repo.git("rev-parse", "HEAD")
    github.pulls[7].base = guarded.repo.git("rev-parse", "origin/main")


def test_a_job_without_an_address_has_no_verdict(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    guarded.change(threshold=0.9)
    set_pull(guarded, github)
    done, comment = job(guarded, github, tmp_path, extra={"MLFLOW_TRACKING_URI": ""})
    assert done.code == 2
    assert "no MLflow server is named" in comment
    assert not (guarded.repo.root / "mlflow.db").exists()


def test_the_champions_bytes_with_other_answers_need_approval(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    guarded.change(**{"README.md": "Only words.\n"})
    set_pull(guarded, github)
    evidence = tmp_path / "evidence"
    assert guarded.call("reproduce", "--evidence", str(evidence)).code == 0
    place = evidence / folder_name("moons")
    manifest = json.loads((place / MANIFEST).read_text())
    predictions = place / manifest["predictions"]
    lines = predictions.read_text().split()
    flipped = [f"{row[:-1]}{1 - int(row[-1])}" for row in lines[1:31]]
    predictions.write_text("\n".join([lines[0], *flipped, *lines[31:]]) + "\n")
    manifest["files"][manifest["predictions"]] = file_digest(predictions)
    (place / MANIFEST).write_text(json.dumps(manifest))
    done, comment = job(guarded, github, tmp_path, "--evidence", str(evidence))
    assert done.code == 3, done.err
    assert "byte for byte, but its predictions differ on 30 rows" in comment


def fork_of(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path, *, kept: bool
) -> tuple[DvcRepo, Path, dict[str, Any]]:
    """Make a fork's pull request 9; return a checkout of main alone, the evidence, and the event."""
    source = (guarded.repo.root / "src/evaluate.py").read_text()
    guarded.change(**{"src/evaluate.py": source + "# kinder\n"})
    head = guarded.repo.git("rev-parse", "HEAD")
    if kept:
        guarded.repo.git("push", "-q", "origin", "HEAD:refs/pull/9/head")
    assert guarded.call("reproduce", "--evidence", str(tmp_path / "evidence")).code == 0
    github.add_pull(
        9,
        head,
        head_repository=FORK,
        branch="patch",
        author="eve",
        base=guarded.repo.git("rev-parse", "origin/main"),
    )
    started_by = {
        "event": "pull_request",
        "head_sha": head,
        "head_branch": "patch",
        "head_repository": {"full_name": FORK},
        "pull_requests": [],
    }
    return guarded.repo.clone("ci", "--branch=main"), tmp_path / "evidence", {"workflow_run": started_by}  # fmt: skip


def test_a_head_that_is_not_here_is_fetched_as_objects(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    ci, evidence, payload = fork_of(guarded, github, tmp_path, kept=True)
    done, comment = job(guarded, github, tmp_path, "--evidence", str(evidence), folder=ci.root, event="workflow_run", payload=payload)  # fmt: skip
    assert done.code == 3, done.err
    assert "is code of the evaluation stage" in comment
    assert "kinder" not in (ci.root / "src/evaluate.py").read_text()
    assert ci.git("rev-parse", "refs/mlops-ci/pull/9/head") == github.pulls[9].head
    assert [(one["context"], one["state"]) for one in github.statuses] == [
        ("mlops-ci/main", "pending"),
        ("mlops-ci/main", "failure"),
    ]


def test_a_head_that_cannot_be_had_ends_the_check(
    guarded: GuardedRepo, github: GitHub, tmp_path: Path
) -> None:
    ci, evidence, payload = fork_of(guarded, github, tmp_path, kept=False)
    done, comment = job(guarded, github, tmp_path, "--evidence", str(evidence), folder=ci.root, event="workflow_run", payload=payload)  # fmt: skip
    assert done.code == 2
    assert "not in this clone, so what it edits cannot be told" in comment
    assert github.statuses[-1]["state"] == "error"


def test_a_login_in_an_address_is_not_shown(guarded: GuardedRepo, github: GitHub, tmp_path: Path) -> None:
    guarded.change(threshold=0.9)
    set_pull(guarded, github)
    keys = {"AWS_SECRET_ACCESS_KEY": "of-the-cloud"}
    done, comment = job(
        guarded, github, tmp_path, "--tracking-uri", "http://ada:hunter2@127.0.0.1:9", extra=keys
    )
    assert done.code == 4
    written = "".join(path.read_text() for path in (tmp_path / "report").iterdir())
    assert "127.0.0.1:9" in comment.replace("\u2060", "")
    assert "::add-mask::hunter2" in done.err
    assert "hunter2" not in done.out + comment + written + done.err.replace("::add-mask::hunter2", "")
    assert {"::add-mask::job-token", "::add-mask::of-the-cloud"} <= set(done.err.splitlines())
