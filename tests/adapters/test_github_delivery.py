"""Delivering to GitHub: its failures, missing permissions, annotations, the summary and commit statuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.github import GitHub
from fakes.runner import Runner
from github_parts import HEAD, RENDERED, WORSE, deliver

from mlops_ci.adapters.forges.github_actions import SUMMARY_LIMIT
from mlops_ci.core.report import Notice
from mlops_ci.core.verdict import Finding, Outcome
from mlops_ci.errors import ServiceError


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    return Runner(github, tmp_path)


# Failures of GitHub


@pytest.mark.parametrize("route", ["viewer", "list_comments", "create_comment", "get_pull"])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "times": 2},
        {"status": 503, "after": True},
        {"reset": True},
        {"reset": True, "after": True},
        {"status": 429, "headers": {"Retry-After": "3"}},
        {"status": 403, "headers": {"Retry-After": "3"}, "message": "secondary rate limit"},
        {"status": 403, "headers": {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}},
    ],
)
def test_what_passes_is_outlasted(runner: Runner, route: str, fault: dict[str, Any]) -> None:
    runner.github.fail(route, **fault)
    forge = runner.forge()
    change = forge.pull_request()
    deliver(runner)

    assert change is not None
    assert len(runner.github.bodies(7)) == 1
    assert runner.slept
    if "Retry-After" in fault.get("headers", {}):
        assert runner.slept == [3.0]


def test_a_comment_that_was_accepted_before_the_answer_was_lost_is_not_written_twice(runner: Runner) -> None:
    runner.github.fail("create_comment", status=502, after=True)
    deliver(runner)

    assert len(runner.github.bodies(7)) == 1
    assert runner.github.count("create_comment") == 1


def test_waiting_is_bounded(runner: Runner) -> None:
    runner.github.fail("get_pull", status=403, headers={"Retry-After": "3600"})
    with pytest.raises(ServiceError, match="asks to wait 3600 s") as caught:
        runner.forge().pull_request()

    assert caught.value.exit_code == 4
    assert runner.slept == []


def test_a_github_that_stays_down_costs_the_comment_and_not_the_verdict(runner: Runner) -> None:
    runner.github.fail(None, status=502, times=1_000)

    assert deliver(runner) is None
    assert "all of it" in runner.summary
    assert "the comment could not be written" in runner.summary
    assert sum(runner.slept) < 60
    with pytest.raises(ServiceError, match="answered 502"):
        runner.forge().pull_request()


def test_an_answer_that_is_no_json_is_a_service_error(runner: Runner) -> None:
    runner.github.fail("get_pull", status=200, text="<html>Please log in to the proxy</html>")
    with pytest.raises(ServiceError, match=r"GitHub: GET .*/pulls/7 answered with no JSON"):
        runner.forge().pull_request()


# Permissions


def test_a_missing_permission_is_named_with_the_yaml_that_mends_it(runner: Runner) -> None:
    runner.github.grants.clear()

    assert deliver(runner) is None
    for place in (runner.summary.replace("> ", ""), runner.log.getvalue().replace("%0A", "\n")):
        assert "403 Resource not accessible by integration" in place
        assert "    permissions:\n      contents: read\n      pull-requests: write\n" in place
    assert "all of it" in runner.summary


def test_a_refused_announcement_is_explained_once(runner: Runner) -> None:
    runner.github.grants.clear()
    forge = runner.forge()
    forge.announce("⏳", key="check malware")
    forge.publish(replace(WORSE, source=forge.source()), RENDERED, key="check malware")

    assert runner.log.getvalue().count("Resource not accessible") == 1
    assert runner.github.count("create_comment") == 1


@pytest.mark.parametrize("whose", ["a fork", "Dependabot"])
def test_a_read_only_token_is_told_apart_from_a_forgotten_permission(runner: Runner, whose: str) -> None:
    runner.github.grants.clear()
    if whose == "a fork":
        runner.github.pulls[7].head_repository = "eve/models"
    else:
        runner.extra = {"GITHUB_ACTOR": "dependabot[bot]"}
    deliver(runner)

    assert f"a pull request of {whose} a read-only token" in runner.summary
    assert "mlops-ci init" in runner.summary
    assert "pull-requests: write" not in runner.summary


def test_no_token_at_all(runner: Runner) -> None:
    assert deliver(runner, token="") is None
    assert runner.github.requests == []
    assert "all of it" in runner.summary


def test_a_token_that_may_not_read_pull_requests_falls_back_to_the_event(runner: Runner) -> None:
    runner.github.fail("get_pull", status=403, message="Resource not accessible by integration")
    change = runner.forge().pull_request()

    assert change is not None
    assert (change.head, change.author, change.target) == (HEAD, "ada", "main")
    assert "pull-requests: read" in runner.summary


def test_a_bad_token(runner: Runner) -> None:
    assert deliver(runner, token="wrong") is None
    assert "401 Bad credentials" in runner.summary


# The rest of a delivery


def test_annotations_say_what_is_worse(runner: Runner) -> None:
    findings = [
        Finding(metric="recall", outcome=Outcome.WORSE, message="recall fell: 50% fewer\nthan before"),
        Finding(metric="latency", outcome=Outcome.WORSE, gated=False, message="latency rose"),
        Finding(metric="accuracy", outcome=Outcome.BETTER, message="accuracy rose"),
    ]
    notices = [Notice(text="the policy was edited", level="warning"), Notice(text="a note")]
    deliver(runner, replace(WORSE, findings=findings, notices=notices))

    assert runner.log.getvalue().splitlines() == [
        "::error title=mlops-ci%3A malware::recall fell",
        "::error title=mlops-ci%3A malware::recall fell: 50%25 fewer%0Athan before",
        "::warning title=mlops-ci%3A malware::the policy was edited",
    ]


def test_a_summary_over_a_mebibyte_gives_way_to_the_comment(runner: Runner) -> None:
    deliver(runner, rendered={"markdown": "y" * (SUMMARY_LIMIT + 1), "comment": "short"})

    assert runner.summary == "short\n\n"
    assert "1 MiB" in runner.log.getvalue()


def test_commit_status(runner: Runner) -> None:
    forge = runner.forge(status_context="mlops-ci")
    forge.announce("checking", key="check malware")
    report = replace(WORSE, source=forge.source(), headline="é" * 200)
    forge.publish(report, RENDERED, key="check malware")
    assert len(runner.github.statuses) == 1  # of several models, the first must not settle it
    forge.conclude(1, report.headline)

    pending, failed = runner.github.statuses
    assert (pending["state"], pending["sha"], failed["state"]) == ("pending", HEAD, "failure")
    assert failed["description"] == "é" * 139 + "…"


def test_a_run_that_another_started_has_a_status_with_the_target_in_its_name(runner: Runner) -> None:
    fork = runner.github.add_pull(9, "1" * 40, head_repository="eve/models", branch="patch", target="release")
    started_by = {
        "event": "pull_request",
        "head_sha": fork.head,
        "head_branch": "patch",
        "head_repository": {"full_name": "eve/models"},
        "pull_requests": [],
    }
    runner.event, runner.payload = "workflow_run", {"workflow_run": started_by}
    deliver(runner, replace(WORSE, exit_code=0))
    (status,) = runner.github.statuses
    assert (status["context"], status["state"], status["sha"]) == ("mlops-ci/release", "success", fork.head)


def test_a_merge_queue_is_judged_by_the_branch_that_it_merges_into(runner: Runner) -> None:
    queued = {
        "event": "merge_group",
        "head_sha": "2" * 40,
        "head_branch": f"gh-readonly-queue/main/pr-7-{'3' * 40}",
        "head_repository": {"full_name": runner.github.repository},
    }
    runner.event, runner.payload = "workflow_run", {"workflow_run": queued}
    assert runner.forge().source().target == "main"
    deliver(runner)
    assert [status["context"] for status in runner.github.statuses] == ["mlops-ci/main"]


def test_a_commit_status_that_may_not_be_set(runner: Runner) -> None:
    runner.github.grants = {"pull-requests"}
    assert deliver(runner, status_context="mlops-ci") is not None
    assert "statuses: write" in runner.summary


def test_a_summary_that_cannot_be_written_costs_no_verdict(runner: Runner) -> None:
    runner.extra = {"GITHUB_STEP_SUMMARY": str(runner.folder / "none" / "summary")}

    assert deliver(runner) is not None
    assert "the job summary could not be written" in runner.log.getvalue()


def test_half_a_surrogate_is_replaced(runner: Runner) -> None:
    deliver(runner, rendered={"comment": "file \udc80", "markdown": "file \udc80"})
    runner.forge().outputs({"file": "\udc80"})

    assert runner.github.bodies(7)[0].endswith("file ?")
    assert runner.summary.startswith("file ?")


def test_a_check_asks_once_who_it_is(runner: Runner) -> None:
    forge = runner.forge()
    forge.announce("⏳", key="check malware")
    forge.publish(replace(WORSE, source=forge.source()), RENDERED, key="check malware")

    assert [seen.route for seen in runner.github.requests] == [
        *("viewer", "list_comments", "create_comment", "list_comments"),
        *("list_comments", "update_comment", "get_comment"),
    ]
