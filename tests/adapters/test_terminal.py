"""The terminal as a forge: plain in a pipe, and nothing foreign drives it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.core.report import Report, Source
from mlops_ci.errors import UsageError


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Repository:
    """A repository with one commit on a branch."""

    root = Path()

    def head(self) -> str:
        return "a" * 40

    def resolve(self, revision: str) -> str | None:
        return self.head()

    def target_tip(self, branch: str | None) -> tuple[str, str] | None:
        return (branch or "main", "b" * 40) if branch != "gone" else None

    def read(self, revision: str, path: str) -> bytes | None:
        return None

    def changed(self, base: str, head: str) -> list[str]:
        return []


def say(stream: io.StringIO, **env: str) -> str:
    console = TerminalConsole(stream, env=env)
    with console.group("train"):
        console.info("two\nlines")
        console.warn("hot", title="stage")
        console.untrusted("\x1b[2J\x1b]0;title\x07epoch 1\repoch \x1b[31m2\x1b[0m\x07\n")
    console.error("failed")
    console.mask("secret")
    return stream.getvalue()


def test_a_pipe_gets_plain_text() -> None:
    assert say(io.StringIO()) == ("train\n  two\n  lines\n  warning: stage: hot\n  epoch 2\nerror: failed\n")


def test_a_terminal_gets_colours_unless_told_not_to() -> None:
    assert say(Tty()).startswith("\x1b[1mtrain\x1b[0m\n  two\n")
    assert "\x1b" not in say(Tty(), NO_COLOR="1")
    assert "\x1b" not in say(Tty(), TERM="dumb")


def test_the_report_goes_to_stdout_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    forge = TerminalForge(Repository(), console=TerminalConsole(err), stream=out)
    forge.announce("⏳ Checking `aaaaaaa` against **v12**", key="check")
    report = Report(command="check", headline="no worse", source=forge.source())

    assert forge.publish(report, {"text": "PASS\n\x1b]52;c;eA==\x07no worse\n\n"}, key="check") is None
    assert out.getvalue() == "PASS\nno worse\n"
    assert err.getvalue() == "⏳ Checking aaaaaaa against v12\n"


def test_source_is_head_against_the_target() -> None:
    now = datetime(2026, 11, 23, 4, tzinfo=UTC)
    forge = TerminalForge(Repository(), now=lambda: now)

    assert forge.source() == Source(head="a" * 40, base="b" * 40, target="main", time="2026-11-23T04:00:00Z")
    with pytest.raises(UsageError, match="there is no branch 'gone'"):
        TerminalForge(Repository(), target="gone").source()


def test_an_encoding_that_lacks_a_sign_costs_the_sign() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    forge = TerminalForge(Repository(), console=TerminalConsole(io.StringIO()), stream=stream)
    forge.publish(Report(command="check"), {"text": "✅ no worse\ud800"}, key="check")

    assert raw.getvalue() == b"? no worse?\n"
