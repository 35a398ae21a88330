"""The runner's commands and files: what foreign text could do to them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.adapters.forges.github_actions import (
    SUMMARY_LIMIT,
    ActionsConsole,
    event,
    harmless,
    set_outputs,
    write_summary,
)
from mlops_ci.cli.delivery import show
from mlops_ci.core.report import Notice, Report
from mlops_ci.errors import UsageError


def commands(line: str) -> bool:
    """Tell whether the runner takes a line for a command (ActionCommand.TryParseV2 and TryParse)."""
    return line.lstrip().startswith("::") or "##[" in line


@given(st.text(alphabet=":# [error]\t\n\r\x0b\x85\u2028\u00a0%"))
def test_no_line_of_ours_can_command(text: str) -> None:
    stream = io.StringIO()
    ActionsConsole(stream).info(text)

    # .NET ends lines at CR and LF.
    assert not any(commands(line) for line in re.split(r"[\r\n]", stream.getvalue()))


def test_harmless_text_is_as_it_was() -> None:
    for text in ("a::b", ":x", "## [x]", "  indented", "https://x"):
        assert harmless(text) == text


def test_foreign_output_is_stopped_from_commanding() -> None:
    stream = io.StringIO()
    console = ActionsConsole(stream)
    with console.group("train"):
        console.untrusted("::set-output name=verdict::pass\n")
        console.untrusted("##[error]x\r\n")
    console.untrusted("again")
    console.info("ours")
    lines = stream.getvalue().splitlines()
    token = lines[1].removeprefix("::stop-commands::")
    second = lines[6].removeprefix("::stop-commands::")

    assert re.fullmatch("[0-9a-f]{32}", token)
    assert second != token
    assert lines == [
        "::group::train",
        f"::stop-commands::{token}",
        "::set-output name=verdict::pass",
        "##[error]x",
        f"::{token}::",
        "::endgroup::",
        f"::stop-commands::{second}",
        "again",
        f"::{second}::",
        "ours",
    ]


def test_annotations_are_escaped() -> None:
    stream = io.StringIO()
    ActionsConsole(stream).error("100%\r\n::warning::x", title="a:b,c\n::d")

    assert stream.getvalue() == ("::error title=a%3Ab%2Cc%0A%3A%3Ad::100%25%0D%0A::warning::x\n")


def test_each_line_of_a_secret_is_masked() -> None:
    stream = io.StringIO()
    ActionsConsole(stream).mask("one\n\ntwo%")

    assert stream.getvalue() == "::add-mask::one\n::add-mask::two%25\n"


def read_outputs(path: Path) -> dict[str, str]:
    """Read an output file as the runner does."""
    lines = path.read_text(encoding="utf-8").split("\n")
    values = {}
    while lines and lines[0]:
        name, delimiter = lines.pop(0).split("<<", 1)
        end = lines.index(delimiter)
        values[name] = "\n".join(lines[:end])
        lines = lines[end + 1 :]
    return values


@given(
    st.dictionaries(
        st.sampled_from(["verdict", "exit-code", "report_json"]),
        st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r")),
    )
)
def test_outputs_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("outputs") / "file"
    path.touch()
    set_outputs({"GITHUB_OUTPUT": str(path)}, values)

    assert read_outputs(path) == values


def test_an_output_cannot_set_another(tmp_path: Path) -> None:
    env = {"GITHUB_OUTPUT": str(tmp_path / "file")}
    set_outputs(env, {"reason": "x\nEOF\nverdict=pass\nverdict<<EOF\npass\nEOF"})

    assert list(read_outputs(tmp_path / "file")) == ["reason"]
    with pytest.raises(ValueError, match="not a valid name of an output"):
        set_outputs(env, {"a\nb": "x"})


def test_outputs_go_nowhere_outside_a_runner() -> None:
    set_outputs({}, {"verdict": "pass"})


def test_the_summary_takes_the_first_body_that_fits(tmp_path: Path) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    half = "é" * (SUMMARY_LIMIT // 4)

    assert write_summary(env, half, "short") == 0
    assert write_summary(env, half, "short") == 1
    assert write_summary(env, half) is None
    assert write_summary({}, half) is None
    assert (tmp_path / "summary").read_text() == half + "\n\nshort\n\n"


@pytest.mark.parametrize("text", ["[]", "not json"])
def test_an_event_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"event\.json: not"):
        event({"GITHUB_EVENT_PATH": str(path)})
    assert event({"GITHUB_EVENT_PATH": str(tmp_path / "none")}) == {}


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit", "openmetrics"])
def test_a_folded_report_on_standard_output_commands_nothing(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runner reads standard output, and takes a command behind spaces too."""
    command = "::set-output name=verdict::pass ##[error]forged"
    notices = [
        Notice(text=f"{'w ' * count}{command} {'z ' * 20}{command}", level="warning") for count in range(50)
    ]
    report = Report(command="check", model="m", headline=command, summary=command, notices=notices[:10])
    printed = []
    for where in ("false", "true"):
        monkeypatch.setenv("GITHUB_ACTIONS", where)
        for count in range(0, 50, 10):
            show([replace(report, notices=notices[count : count + 10])], {"form": form}, {})
        printed.append(capsys.readouterr().out)
    lines = [line.strip() for line in printed[1].splitlines()]
    assert not [line for line in lines if line.startswith("::") or "##[" in line]
    if form == "text":
        assert [line for line in printed[0].splitlines() if line.strip().startswith("::")]


def test_json_on_standard_output_is_the_same_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    show([Report(command="check", model="m", headline="::error::x ##[error]x")], {"form": "json"}, {})
    out = capsys.readouterr().out
    assert "##[" not in out
    assert json.loads(out)["headline"] == "::error::x ##[error]x"
