"""Issues, events and pull requests on GitHub: races, lookalikes, and permissions that are missing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.runner import Runner

from mlops_ci.adapters.forges.issues import marker
from mlops_ci.errors import ServiceError

KEY = "monitor malware"


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    return Runner(
        github,
        tmp_path,
        event="schedule",
        payload={},
        extra={"GITHUB_REF_NAME": "main", "GITHUB_SHA": "c" * 40},
    )


def test_runs_that_race_end_with_one_issue(runner: Runner, github: GitHub) -> None:
    forges = [runner.forge() for _ in range(4)]
    gate = threading.Barrier(4)

    def open_one(place: int) -> None:
        gate.wait()
        forges[place].issue(KEY, "malware: data drift", "x moved")

    threads = [threading.Thread(target=open_one, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one["number"] for one in github.issues.values() if one["state"] == "open"] == [min(github.issues)]


def test_someone_else_s_issue_with_our_marker_is_left_alone(runner: Runner, github: GitHub) -> None:
    github.add_user("mallory")
    github.tokens["other"] = "mallory"
    theirs = runner.forge(token="other")
    theirs.issue(KEY, "malware: pay here", "x")
    (copied,) = github.issues
    runner.forge().issue(KEY, "malware: data drift", "x moved")
    assert github.issues[copied]["title"] == "malware: pay here"
    assert github.issues[copied]["body"].startswith(marker(KEY))
    assert len(github.issues) == 2


def test_the_permission_that_is_missing_is_named(runner: Runner, github: GitHub) -> None:
    github.grants = {"contents"}
    assert runner.forge().issue(KEY, "malware: data drift", "x") is None
    assert "issues: write" in runner.summary
    github.grants = {"issues"}
    with pytest.raises(ServiceError):
        runner.forge().dispatch("mlops-ci-retrain", {})
    assert "contents: write" in runner.summary
    with pytest.raises(ServiceError):
        runner.forge().dispatch("retrain.yml", {})
    assert "actions: write" in runner.summary
    with pytest.raises(ServiceError):
        runner.forge().propose("b", "t", "x")
    assert "pull-requests: write" in runner.summary


def test_a_repository_that_forbids_pull_requests_is_told_with_the_setting(
    runner: Runner, github: GitHub
) -> None:
    refusal = "GitHub Actions is not permitted to create or approve pull requests."
    github.fail("create_pull", status=403, message=refusal)
    with pytest.raises(ServiceError):
        runner.forge().propose("mlops-ci/data-1", "Update", "x")
    assert "Allow GitHub Actions to create and approve pull requests" in runner.summary
    assert "permissions:" not in runner.summary


def test_a_workflow_is_started_on_the_branch_with_inputs(runner: Runner, github: GitHub) -> None:
    runner.forge().dispatch("retrain.yml", {"model": "malware"})
    assert github.dispatches == [{"workflow": "retrain.yml", "ref": "main", "inputs": {"model": "malware"}}]


def test_a_trigger_whose_answer_was_lost_is_not_sent_twice(runner: Runner, github: GitHub) -> None:
    github.fail("dispatch", reset=True, after=True)
    with pytest.raises(ServiceError):
        runner.forge().dispatch("mlops-ci-retrain", {})
    assert len(github.dispatches) == 1


def test_a_pull_request_whose_answer_was_lost_is_found(runner: Runner, github: GitHub) -> None:
    github.fail("create_pull", reset=True, after=True)
    assert "/pull/" in (runner.forge().propose("mlops-ci/data-1", "Update", "x") or "")
    assert sum(one.branch == "mlops-ci/data-1" for one in github.pulls.values()) == 1


def test_a_long_body_is_cut(runner: Runner, github: GitHub) -> None:
    runner.forge().issue(KEY, "malware: data drift", "é" * 60_000)
    (only,) = github.issues.values()
    assert len(only["body"].encode()) <= 65_536
