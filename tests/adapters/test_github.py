"""The comment on a pull request, against the fake that obeys GitHub's own description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.github import BOT, GitHub
from fakes.runner import Runner, pull_request_event
from github_parts import FINE, HEAD, RENDERED, WORSE, deliver

from mlops_ci.adapters.forges.github import COMMENT_LIMIT
from mlops_ci.core.report import Notice, Report
from mlops_ci.core.verdict import Finding, Outcome


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    return Runner(github, tmp_path)


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
