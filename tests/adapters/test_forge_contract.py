"""What every forge must do, whichever it is: one row a forge."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.gitlab import GitLab
from fakes.runner import Runner
from test_terminal import Repository

from mlops_ci.adapters.forges.github_actions import ActionsConsole
from mlops_ci.adapters.forges.gitlab import GitLabForge
from mlops_ci.adapters.forges.gitlab_notes import SectionConsole
from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.ports import Console, Forge
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError, UsageError

REPORT = Report(command="check", model="malware", verdict=Result.FAIL, exit_code=1, headline="recall fell")


@dataclass
class Stage:
    """A forge, what a person sees of it, and how to break its service."""

    forge: Forge
    console: Console
    log: io.StringIO
    shown: Callable[[], str]
    comments: Callable[[], list[str]] | None
    break_down: Callable[[], None]
    issues: Callable[[], list[tuple[str, str]]] | None = None
    started: Callable[[], list[str]] | None = None
    proposed: Callable[[], list[str]] | None = None
    close: Callable[[], None] = lambda: None


def on_github(github: GitHub, folder: Path) -> Stage:
    runner = Runner(github, folder)
    return Stage(
        forge=runner.forge(),
        console=ActionsConsole(runner.log),
        log=runner.log,
        shown=lambda: "".join(github.bodies(7)),
        comments=lambda: github.bodies(7),
        break_down=lambda: github.fail(None, status=503, times=1_000),
        issues=lambda: [(one["title"], one["state"]) for one in github.issues.values()],
        started=lambda: [one["event_type"] for one in github.dispatches],
        proposed=lambda: [one.branch for one in github.pulls.values() if one.number != 7],
    )


def on_terminal(github: GitHub, folder: Path) -> Stage:
    out, log = io.StringIO(), io.StringIO()
    console = TerminalConsole(log)
    return Stage(
        forge=TerminalForge(Repository(), console=console, stream=out),
        console=console,
        log=log,
        shown=out.getvalue,
        comments=None,
        break_down=lambda: None,
    )


def on_gitlab(github: GitHub, folder: Path) -> Stage:
    gitlab = GitLab()
    gitlab.__enter__()
    out = io.StringIO()
    console = SectionConsole(out)
    return Stage(
        forge=GitLabForge(token="t", env=gitlab.environment(folder), console=console, sleep=lambda _: None),
        console=console,
        log=out,
        shown=lambda: "".join(gitlab.bodies()),
        comments=gitlab.bodies,
        break_down=lambda: setattr(gitlab, "broken", True),
        issues=lambda: [
            (one["title"], one["state"].removesuffix("ed") if one["state"] == "opened" else "closed")
            for one in gitlab.issues.values()
        ],
        started=lambda: [one["variables"][0]["value"] for one in gitlab.pipelines],
        proposed=lambda: [one["source_branch"] for one in gitlab.proposals.values()],
        close=gitlab.__exit__,
    )


FORGES = [on_github, on_gitlab, on_terminal]


@pytest.fixture(params=FORGES, ids=lambda make: make.__name__.removeprefix("on_"))
def stage(request: pytest.FixtureRequest, github: GitHub, tmp_path: Path) -> Iterator[Stage]:
    made: Stage = request.param(github, tmp_path)
    yield made
    made.close()


def publish(stage: Stage, text: str, key: str = "check malware") -> str | None:
    report = replace(REPORT, source=stage.forge.source())
    return stage.forge.publish(
        report, {"markdown": text, "comment": text, "text": text, "json": "{}"}, key=key
    )


def test_source_names_head_target_and_time_and_stays_the_same(stage: Stage) -> None:
    source = stage.forge.source()

    assert (len(source.head), source.target, source.time[-1]) == (40, "main", "Z")
    assert stage.forge.source() == source


def test_a_change_has_the_head_of_the_source_and_no_approvals(stage: Stage) -> None:
    change = stage.forge.pull_request()

    if change is None:
        assert stage.forge.source().pull_request is None
    else:
        assert (change.number, change.head) == (stage.forge.source().pull_request, stage.forge.source().head)
        assert stage.forge.approvals(change) == []


def test_a_report_is_shown(stage: Stage) -> None:
    publish(stage, "recall fell")
    assert "recall fell" in stage.shown()


def test_announce_then_publish_is_one_comment_a_key(stage: Stage) -> None:
    stage.forge.announce("Checking.", key="check malware")
    first = publish(stage, "first")
    second = publish(stage, "second")

    assert first == second
    assert "second" in stage.shown()
    if stage.comments:
        publish(stage, "other", key="check spam")
        assert len(stage.comments()) == 2


def test_several_reports_share_one_comment(stage: Stage) -> None:
    source = stage.forge.source()
    reports = [replace(REPORT, model=name, source=source) for name in ("malware", "spam")]
    forms = [{"text": f"{one.model} fell", "markdown": f"{one.model} fell"} for one in reports]
    for _ in range(2):
        stage.forge.announce("Checking.", key="check together")
        stage.forge.publish_together(reports, forms, "malware fell, spam fell", key="check together")
    if stage.comments:
        (body,) = stage.comments()
        assert body.endswith("malware fell, spam fell")
    else:
        assert "malware fell\n\nspam fell\n" in stage.shown()


def test_what_is_replaced_is_taken_back_and_nothing_else(stage: Stage) -> None:
    publish(stage, "settings are broken", key="check of mlops-ci.yaml")
    publish(stage, "spam fell", key="check spam")
    publish(stage, "recall fell")
    stage.forge.retire({"check of mlops-ci.yaml", "check never written"})
    if stage.comments:
        assert [body.splitlines()[-1] for body in stage.comments()] == ["spam fell", "recall fell"]
    stage.break_down()
    stage.forge.retire({"check spam"})


def test_a_service_that_is_down_costs_no_verdict(stage: Stage) -> None:
    stage.forge.source()
    stage.break_down()
    stage.forge.announce("Checking.", key="check malware")
    publish(stage, "recall fell")
    stage.forge.publish_together([REPORT], [{"text": "recall fell"}], "recall fell", key="check together")


def test_outputs_take_any_text(stage: Stage) -> None:
    stage.forge.outputs({"verdict": "fail", "report-json": "a\nb=c\n::error::x"})


def test_foreign_output_commands_nothing(stage: Stage) -> None:
    with stage.console.group("train"):
        stage.console.untrusted("loss 0.1")
    assert "loss 0.1" in stage.log.getvalue()


def test_an_issue_is_one_a_key_kept_up_to_date_and_closed(stage: Stage) -> None:
    first = stage.forge.issue("monitor malware", "malware: data drift", "Three columns moved.")
    second = stage.forge.issue("monitor malware", "malware: data drift, proven loss", "And recall fell.")
    assert first == second
    stage.forge.issue("monitor spam", "spam: data drift", "One column moved.")
    if stage.issues:
        assert stage.issues() == [("malware: data drift, proven loss", "open"), ("spam: data drift", "open")]
    else:
        assert "malware: data drift" in stage.log.getvalue()
    assert stage.forge.issue("monitor malware", "", None) is None
    if stage.issues:
        assert [state for _, state in stage.issues()] == ["closed", "open"]
    stage.forge.issue("monitor malware", "", None)  # closing what is closed is nothing
    if stage.issues:
        assert stage.forge.issue("monitor malware", "malware: again", "Again.") != first
        assert [state for _, state in stage.issues()] == ["closed", "open", "open"]


def test_a_service_that_is_down_costs_no_issue_but_is_said(stage: Stage) -> None:
    stage.break_down()
    stage.forge.issue("monitor malware", "malware: data drift", "x")
    assert "issue" in stage.log.getvalue()


def test_an_event_is_started_or_refused_never_lost(stage: Stage) -> None:
    if stage.started is None:
        with pytest.raises(UsageError, match=r"retrain\.command"):
            stage.forge.dispatch("mlops-ci-retrain", {"model": "malware"})
        return
    assert stage.forge.dispatch("mlops-ci-retrain", {"model": "malware"})
    assert stage.started() == ["mlops-ci-retrain"]
    stage.break_down()
    with pytest.raises(ServiceError):
        stage.forge.dispatch("mlops-ci-retrain", {"model": "malware"})


def test_a_branch_is_proposed_once_and_brought_up_to_date(stage: Stage) -> None:
    first = stage.forge.propose("mlops-ci/data-1", "Update data/train.csv", "Newer data.")
    assert stage.forge.propose("mlops-ci/data-1", "Update data/train.csv", "Newer still.") == first
    if stage.proposed:
        assert stage.proposed() == ["mlops-ci/data-1"]
