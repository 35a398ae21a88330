"""GitHub as a forge, against the fake that obeys GitHub's own description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.github import BOT, GitHub
from fakes.runner import Runner, pull_request_event

from mlops_ci.adapters.forges.github import COMMENT_LIMIT
from mlops_ci.adapters.forges.github_actions import SUMMARY_LIMIT
from mlops_ci.core.report import Notice, Report
from mlops_ci.core.verdict import Finding, Outcome, Result
from mlops_ci.errors import ServiceError

HEAD = "a" * 40
WORSE = Report(command="check", model="malware", verdict=Result.FAIL, exit_code=1, headline="recall fell")
FINE = Report(command="check", model="malware", verdict=Result.PASS, exit_code=0, headline="no worse")
RENDERED = {"markdown": "# Blocked\n\nall of it", "comment": "# Blocked", "text": "Blocked", "json": "{}"}


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    return Runner(github, tmp_path)


def deliver(
    runner: Runner, report: Report = WORSE, rendered: dict[str, str] = RENDERED, **values: Any
) -> str | None:
    """Publish as a command does: the report carries the forge's source."""
    forge = runner.forge(**values)
    url = forge.publish(replace(report, source=forge.source()), rendered, key="check malware")
    forge.conclude(report.exit_code, report.headline)
    return url


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


# The comment


def test_the_first_report_makes_a_comment_and_the_next_updates_it(runner: Runner) -> None:
    first = deliver(runner)
    runner.run, runner.minute = 501, 5
    second = deliver(runner, FINE, {**RENDERED, "comment": "# Fine"})

    assert first == second
    (body,) = runner.github.bodies(7)
    assert body.splitlines() == [
        f"<!-- mlops-ci key=check%20malware run=501 attempt=1 head={HEAD} time=2026-11-23T04:05:00Z -->",
        "# Fine",
    ]


def test_two_keys_have_two_comments(runner: Runner) -> None:
    forge = runner.forge()
    for key in ("check --> spam", "check malware"):
        forge.publish(replace(WORSE, source=forge.source()), RENDERED, key=key)
        forge.publish(replace(WORSE, source=forge.source()), RENDERED, key=key)

    assert len(runner.github.bodies(7)) == 2
    assert runner.github.bodies(7)[0].startswith("<!-- mlops-ci key=check%20%2D%2D%3E%20spam run=")


def test_a_foreign_comment_with_our_marker_is_left_alone(runner: Runner) -> None:
    deliver(runner)
    (body,) = runner.github.bodies(7)
    runner.github.comments.clear()
    runner.github.comment(7, "mallory", body)
    deliver(runner, rendered={**RENDERED, "comment": "ours"})

    assert runner.github.bodies(7, "mallory") == [body]
    assert len(runner.github.bodies(7)) == 1


def test_our_marker_inside_a_comment_of_ours_is_no_marker(runner: Runner) -> None:
    deliver(runner)
    (body,) = runner.github.bodies(7)
    runner.github.comments.clear()
    runner.github.comment(7, BOT, f"Another workflow quotes:\n{body}")
    deliver(runner)

    assert len(runner.github.bodies(7)) == 2


def test_all_pages_are_read(runner: Runner) -> None:
    for number in range(3_450):
        runner.github.comment(7, "grace", f"comment {number}")
        if number == 3_420:
            deliver(runner)
    before = runner.github.count("list_comments")
    runner.run = 501
    deliver(runner)

    assert len(runner.github.bodies(7)) == 1
    assert runner.github.count("list_comments") - before == 35


def test_an_older_run_never_overwrites_a_newer_report(runner: Runner) -> None:
    runner.run, runner.minute = 501, 5
    runner.github.pulls[7].head = "9" * 40
    newer = deliver(runner, rendered={**RENDERED, "comment": "newer"})
    runner.run, runner.minute, runner.payload = 500, 0, pull_request_event(runner.github)
    runner.payload["pull_request"]["head"]["sha"] = HEAD

    assert deliver(runner, rendered={**RENDERED, "comment": "older"}) == newer
    assert runner.github.bodies(7)[0].endswith("newer")


def test_a_run_started_again_on_the_same_head_replaces_the_report(runner: Runner) -> None:
    """Someone accepts, and starts the held job again: an older run, a newer attempt."""
    runner.run = 600
    deliver(runner)
    runner.run, runner.attempt, runner.minute = 500, 2, 9
    deliver(runner, FINE, {**RENDERED, "comment": "accepted"})

    assert runner.github.bodies(7)[0].endswith("accepted")


def test_a_comment_deleted_between_list_and_update_is_written_anew(runner: Runner) -> None:
    deliver(runner)
    runner.github.fail("list_comments", after=True, then=runner.github.comments.clear)
    runner.run = 501

    assert deliver(runner) is not None
    assert len(runner.github.bodies(7)) == 1


def test_an_older_run_that_slips_in_after_the_update_is_overwritten(runner: Runner) -> None:
    deliver(runner)
    (item,) = runner.github.comments.values()
    old = item["body"]

    def slip_in() -> None:
        item["body"] = old

    runner.github.fail("update_comment", after=True, then=slip_in)
    runner.run, runner.minute = 501, 5
    deliver(runner, rendered={**RENDERED, "comment": "newer"})

    assert runner.github.bodies(7)[0].endswith("newer")


def test_double_comments_of_ours_are_reduced_to_the_oldest(runner: Runner) -> None:
    deliver(runner)
    (body,) = runner.github.bodies(7)
    runner.github.comment(7, BOT, body)
    lowest = min(runner.github.comments)
    runner.run = 501
    deliver(runner, rendered={**RENDERED, "comment": "one"})

    assert list(runner.github.comments) == [lowest]
    assert runner.github.bodies(7)[0].endswith("one")


def test_running_is_announced_above_the_last_report(runner: Runner) -> None:
    deliver(runner)
    runner.github.pulls[7].head = "9" * 40
    runner.run, runner.minute = 501, 5
    forge = runner.forge()
    for _ in range(2):
        url = forge.announce("⏳ Checking `9999999`.", key="check malware")
    (body,) = runner.github.bodies(7)

    assert body.count("⏳ Checking `9999999`. The report below is for") == 1
    assert body.endswith("# Blocked")
    assert "run=501" in body.splitlines()[0]
    assert forge.publish(replace(FINE, source=forge.source()), RENDERED, key="check malware") == url
    assert "⏳" not in runner.github.bodies(7)[0]


def test_running_makes_the_first_comment(runner: Runner) -> None:
    assert runner.forge().announce("⏳ Checking.", key="check malware") is not None
    assert "⏳ Checking." in runner.github.bodies(7)[0]


UNCHANGED = replace(FINE, findings=[Finding(metric="recall", outcome=Outcome.UNCHANGED)])
BETTER = replace(FINE, findings=[Finding(metric="recall", outcome=Outcome.BETTER)])


@pytest.mark.parametrize(
    ("mode", "report", "comments"),
    [
        ("always", UNCHANGED, 1),
        ("changes", UNCHANGED, 0),
        ("changes", BETTER, 1),
        ("changes", replace(UNCHANGED, notices=[Notice(text="policy edited", level="danger")]), 1),
        ("changes", replace(UNCHANGED, drift={"drifted": True}), 1),
        ("changes", WORSE, 1),
        ("failures", BETTER, 0),
        ("failures", WORSE, 1),
        ("off", WORSE, 0),
    ],
)
def test_modes(runner: Runner, mode: Any, report: Report, comments: int) -> None:
    forge = runner.forge(comment=mode)
    if mode != "always":
        assert forge.announce("⏳", key="check malware") is None
    deliver(runner, report, comment=mode)

    assert len(runner.github.bodies(7)) == comments
    assert "all of it" in runner.summary


def test_a_quiet_mode_still_brings_an_old_failure_up_to_date(runner: Runner) -> None:
    deliver(runner, WORSE, comment="failures")
    runner.run = 501
    deliver(runner, FINE, {**RENDERED, "comment": "fine again"}, comment="failures")

    assert runner.github.bodies(7)[0].endswith("fine again")


@pytest.mark.parametrize("filler", ["x", "é", "▇", "😀"])
def test_a_comment_is_never_over_the_limit(runner: Runner, filler: str) -> None:
    long = filler * (COMMENT_LIMIT // len(filler.encode()))
    deliver(runner, rendered={"comment": long, "markdown": long + "and more"})
    (body,) = runner.github.bodies(7)

    assert len(body.encode()) <= COMMENT_LIMIT
    assert "left out here as a whole" in body
    assert filler * 50 not in body
    assert "https://github.example/octo/models/actions/runs/500" in body


def test_the_longest_body_that_fits_is_kept_whole(runner: Runner) -> None:
    marker = (
        len("<!-- mlops-ci key=check%20malware run=500 attempt=1 head= time=2026-11-23T04:00:00Z -->\n") + 40
    )
    exact = "x" * (COMMENT_LIMIT - marker)
    deliver(runner, rendered={"comment": exact})

    assert len(runner.github.bodies(7)[0]) == COMMENT_LIMIT


# Who we are


def test_another_tokens_comments_are_not_taken_for_ours(runner: Runner) -> None:
    deliver(runner)
    runner.github.add_user("release-robot[bot]", "write", kind="Bot")
    runner.github.tokens["app-token"] = "release-robot[bot]"
    runner.run = 501
    deliver(runner, token="app-token")
    runner.run = 502
    deliver(runner, token="app-token")

    assert len(runner.github.bodies(7)) == 1
    assert len(runner.github.bodies(7, "release-robot[bot]")) == 1


def test_without_graphql_the_answer_to_the_first_comment_says_who_we_are(runner: Runner) -> None:
    runner.github.add_user("release-robot[bot]", "write", kind="Bot")
    runner.github.tokens["app-token"] = "release-robot[bot]"
    for run in (500, 501):
        runner.github.fail("viewer", status=404)
        runner.run = run
        deliver(runner, token="app-token")

    assert len(runner.github.bodies(7, "release-robot[bot]")) == 1


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
