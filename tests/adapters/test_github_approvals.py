"""Approvals of a held change: who may give them, and which comments count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.github import GitHub
from fakes.runner import Runner

from mlops_ci.core.report import Approval
from mlops_ci.errors import ServiceError

HEAD = "a" * 40
ACCEPT = f"/mlops-ci accept {HEAD} the loss is on retired devices"


@pytest.fixture
def runner(github: GitHub, tmp_path: Path) -> Runner:
    for role in ("admin", "maintain", "write", "triage", "read", "none"):
        github.add_user(f"{role}-user", role)
    return Runner(github, tmp_path)


def approvals(runner: Runner) -> list[Approval]:
    forge = runner.forge()
    change = forge.pull_request()
    assert change is not None
    return forge.approvals(change)


@pytest.mark.parametrize("role", ["write", "maintain", "admin"])
@pytest.mark.parametrize(
    "body", [ACCEPT, f"\n {ACCEPT} \r\n\r\nMore words.", ACCEPT.replace(HEAD, HEAD.upper())]
)
def test_who_may_write_can_accept(runner: Runner, role: str, body: str) -> None:
    item = runner.github.comment(7, f"{role}-user", body)

    assert approvals(runner) == [
        Approval(
            actor=f"{role}-user",
            commit=HEAD,
            reason="the loss is on retired devices",
            url=f"https://github.example/octo/models/pull/7#issuecomment-{item['id']}",
        )
    ]


@pytest.mark.parametrize(
    ("login", "body", "values", "why"),
    [
        ("triage-user", ACCEPT, {}, "it takes write access"),
        ("read-user", ACCEPT, {}, "it takes write access"),
        ("none-user", ACCEPT, {}, "it takes write access"),
        ("ada", ACCEPT, {}, "the author of a change cannot accept it"),
        ("robot[bot]", ACCEPT, {}, "only people can accept"),
        ("write-user", f"/mlops-ci accept {'b' * 40} fine", {}, "the head is now aaaaaaa"),
        ("write-user", "/mlops-ci accept aaaaaaa fine", {}, "it must name the full commit"),
        ("write-user", "/mlops-ci accept", {}, "it must name the full commit"),
        ("write-user", f"/mlops-ci accept {HEAD}", {}, "it gives no reason"),
        ("write-user", ACCEPT, {"edited": True}, "it was edited; write a new comment"),
    ],
)
def test_what_does_not_count_is_explained(
    runner: Runner, login: str, body: str, values: Any, why: str
) -> None:
    runner.github.add_user("robot[bot]", "write", kind="Bot")
    runner.github.roles["ada"] = "admin"
    runner.github.comment(7, login, body, **values)

    assert approvals(runner) == []
    (line,) = runner.log.getvalue().splitlines()
    assert line.startswith(f"'/mlops-ci accept' by {login} does not count: ")
    assert why in line


@pytest.mark.parametrize(
    "body",
    [
        f"> {ACCEPT}",
        f"Shall I write\n{ACCEPT}\n?",
        f"```\n{ACCEPT}\n```",
        f"/mlops-ci acceptable {HEAD} fine",
        "Looks good.",
        "",
    ],
)
def test_what_is_no_command_is_passed_over_in_silence(runner: Runner, body: str) -> None:
    runner.github.comment(7, "admin-user", body)

    assert approvals(runner) == []
    assert runner.log.getvalue() == ""
    assert runner.github.count("permission") == 0


def test_permission_is_read_now(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)
    assert len(approvals(runner)) == 1
    runner.github.roles["write-user"] = "read"
    assert approvals(runner) == []


def test_a_push_drops_approvals(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)
    runner.github.pulls[7].head = "c" * 40

    assert approvals(runner) == []
    assert "it names commit aaaaaaa, and the head is now ccccccc" in runner.log.getvalue()


def test_a_push_between_reading_the_change_and_deciding_drops_approvals(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)
    forge = runner.forge()
    change = forge.pull_request()
    assert change is not None
    runner.github.pulls[7].head = "c" * 40

    assert forge.approvals(change) == []
    assert "the head is now ccccccc" in runner.log.getvalue()


def test_an_approval_on_page_35_is_found(runner: Runner) -> None:
    for number in range(3_410):
        runner.github.comment(7, "read-user", f"comment {number}")
    runner.github.comment(7, "write-user", ACCEPT)

    assert len(approvals(runner)) == 1


def test_a_command_in_a_deleted_users_comment_does_not_count(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)["login"] = None

    assert approvals(runner) == []
    assert "by ghost does not count: only people can accept" in runner.log.getvalue()


def test_a_login_cannot_command_the_log(runner: Runner) -> None:
    runner.github.comment(7, "write-user", f"/mlops-ci accept {HEAD[:7]} ::error::x")
    approvals(runner)

    assert "::" not in runner.log.getvalue().replace("https:", "")


def test_a_github_that_is_down_is_no_approval(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)
    runner.github.fail("permission", status=502, times=1_000)
    with pytest.raises(ServiceError, match=r"GitHub: .*answered 502"):
        approvals(runner)


def test_a_token_that_may_not_read_comments_leaves_the_check_held(runner: Runner) -> None:
    runner.github.comment(7, "write-user", ACCEPT)
    runner.github.fail("list_comments", status=403, message="Resource not accessible by integration")

    assert approvals(runner) == []
    assert "pull-requests: read" in runner.summary
