"""The change that a GitHub run is about: from its event, and from the fake API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.github import GitHub
from fakes.runner import Runner
from github_parts import HEAD, deliver


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    return Runner(github, tmp_path)


# What the run is about


def test_pull_request_takes_number_and_head_from_the_event(runner: Runner) -> None:
    source = runner.forge().source()

    assert (source.pull_request, source.head, source.base, source.target) == (7, HEAD, "b" * 40, "main")
    assert (source.run_id, source.run_attempt, source.time) == (500, 1, "2026-11-23T04:00:00Z")
    assert source.run_url == "https://github.example/octo/models/actions/runs/500"
    assert runner.github.requests == []


def test_pull_request_target_is_about_the_head_too(runner: Runner) -> None:
    runner.event = "pull_request_target"
    assert runner.forge().source().head == HEAD


def test_merge_group_has_no_pull_request(runner: Runner) -> None:
    runner.event = "merge_group"
    runner.payload = {
        "merge_group": {"head_sha": "d" * 40, "base_sha": "e" * 40, "base_ref": "refs/heads/main"}
    }
    forge = runner.forge()

    assert (forge.source().head, forge.source().base, forge.source().target) == ("d" * 40, "e" * 40, "main")
    assert forge.pull_request() is None
    assert deliver(runner) is None
    assert "all of it" in runner.summary


@pytest.mark.parametrize(("before", "base"), [("e" * 40, "e" * 40), ("0" * 40, "")])
def test_push(runner: Runner, before: str, base: str) -> None:
    runner.event = "push"
    runner.payload = {"ref": "refs/heads/main", "before": before, "after": "f" * 40}
    source = runner.forge().source()

    assert (source.head, source.base, source.target, source.pull_request) == ("f" * 40, base, "main", None)


def test_workflow_dispatch(runner: Runner) -> None:
    runner.event, runner.payload = "workflow_dispatch", {"inputs": {}}
    runner.extra = {"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch"}
    source = runner.forge().source()

    assert (source.head, source.target, source.pull_request) == ("c" * 40, "main", None)


def test_a_comment_names_the_pull_request_and_the_api_its_head(runner: Runner) -> None:
    runner.event = "issue_comment"
    runner.payload = {"issue": {"number": 7, "pull_request": {}, "user": {"login": "ada"}}, "comment": {}}
    source = runner.forge().source()

    assert (source.pull_request, source.head, source.target) == (7, HEAD, "main")


def test_a_comment_on_an_issue_is_about_no_pull_request(runner: Runner) -> None:
    runner.event, runner.payload = "issue_comment", {"issue": {"number": 7}}
    assert runner.forge().source().pull_request is None


def workflow_run(head: str, repository: str, pulls: list[Any] | None = None) -> dict[str, Any]:
    run = {
        "event": "pull_request",
        "head_sha": head,
        "head_branch": "main",
        "head_repository": {"full_name": repository},
        "pull_requests": pulls or [],
    }
    return {"workflow_run": run}


def test_a_run_for_a_fork_is_matched_by_head_repository_and_sha(runner: Runner) -> None:
    github = runner.github
    # Two forks of one owner, the same branch name, and the same owner's older pull request.
    github.add_pull(8, "1" * 40, head_repository="eve/other-models", branch="main")
    github.add_pull(9, "1" * 40, head_repository="eve/models", branch="main", author="eve")
    github.add_pull(10, "1" * 40, head_repository="eve/models", branch="main", state="closed")
    runner.event, runner.payload = "workflow_run", workflow_run("1" * 40, "eve/models")
    forge = runner.forge()

    assert forge.source().pull_request == 9
    change = forge.pull_request()
    assert change is not None
    assert (change.from_fork, change.author, change.target) == (True, "eve", "main")
    assert deliver(runner) is not None
    assert len(github.bodies(9)) == 1


def test_a_run_for_a_head_that_moved_on_reports_to_nobody(runner: Runner) -> None:
    runner.github.add_pull(9, "2" * 40, head_repository="eve/models", branch="main")
    runner.event, runner.payload = "workflow_run", workflow_run("1" * 40, "eve/models")
    source = runner.forge().source()

    assert (source.pull_request, source.head) == (None, "1" * 40)
    assert "#9 has moved on from 1111111" in runner.log.getvalue()


def test_a_run_that_names_its_pull_request_keeps_the_head_it_ran_on(runner: Runner) -> None:
    known = {
        "number": 7,
        "head": {"sha": "1" * 40},
        "base": {"repo": {"url": "https://api.github.com/repos/octo/models"}},
    }
    runner.event, runner.payload = "workflow_run", workflow_run("1" * 40, "octo/models", [known])
    source = runner.forge().source()

    assert (source.pull_request, source.head, source.target) == (7, "1" * 40, "main")


def test_pull_request_is_read_now(runner: Runner) -> None:
    forge = runner.forge()
    forge.source()
    runner.github.pulls[7].head = "9" * 40
    change = forge.pull_request()

    assert change is not None
    assert (change.number, change.author, change.head, change.from_fork) == (7, "ada", "9" * 40, False)


def test_enterprise_server(runner: Runner) -> None:
    runner.api = runner.github.url + "/api/v3"
    assert deliver(runner) is not None
    assert runner.github.count("viewer") == 1
