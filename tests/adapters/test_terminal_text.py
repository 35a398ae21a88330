"""The text of a report: 80 columns, aligned by what a terminal shows, and in colours where there are any."""

import io
import re
import subprocess
import sys

import pytest
from sample_reports import STATES
from test_terminal import Repository, Tty

from mlops_ci.adapters.colours import coloured, wanted
from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.render import render
from mlops_ci.render.layout import cells, table


@pytest.mark.parametrize("state", STATES)
def test_a_report_fits_in_80_columns(state: str) -> None:
    for line in render(STATES[state], "text").splitlines():
        assert cells(line) <= 80, line


def test_what_needs_attention_comes_first_and_columns_line_up() -> None:
    lines = render(STATES["fail"], "text").splitlines()
    start = next(place for place, line in enumerate(lines) if line and set(line) == {"─"})
    rows = [line for line in lines[start + 1 : lines.index("", start)] if not line.startswith("    ")]
    assert [row[0] for row in rows] == ["❌", "❌", "✅", "✅", "❔", "✅"]
    assert {cells(row) for row in rows} == {cells(lines[start])} == {80}


def test_a_name_is_folded_and_figures_are_never_cut() -> None:
    made = str(table(["metric", "value"], [["a_rather_long_name of something", "−123,456.789"]], "nr", 30))
    assert made.splitlines()[2:] == ["a_rather_long_    −123,456.789", "name of", "something"]
    assert "1" * 40 in str(table(["m", "v"], [["m" * 50, "1" * 40]], "nr", 30))


def test_wide_signs_take_two_columns() -> None:
    assert [cells(text) for text in ("❌", "é", "e\u0301", "日本", "−0.1")] == [2, 1, 1, 4, 4]
    lines = str(table(["", "name"], [["✅", "日本"], ["·", "x"]], "ll", 80)).splitlines()
    assert lines[2:] == ["✅  日本", "·   x"]


def test_a_wider_terminal_folds_less() -> None:
    assert "false_positive_rate ↓" in render(STATES["fail"], "text", width=110)
    assert "false_positive_rate ↓" not in render(STATES["fail"], "text")


def test_colours_change_nothing_but_colours() -> None:
    for report in STATES.values():
        text = render(report, "text")
        made = coloured(text)
        assert "\x1b[" in made
        assert re.sub(r"\x1b\[[\d;]*m", "", made) == text


def test_the_verdict_has_the_tone_of_its_sign() -> None:
    assert coloured(render(STATES["fail"], "text")).startswith("\x1b[1;31m❌ malware-detector")
    assert coloured(render(STATES["held"], "text")).startswith("\x1b[1;33m✋ malware-detector")
    assert coloured(render(STATES["pass"], "text")).startswith("\x1b[1m✅ malware-detector")


@pytest.mark.parametrize(("stream", "env", "expected"), [
    (Tty(), {}, True), (Tty(), {"NO_COLOR": "1"}, False), (Tty(), {"TERM": "dumb"}, False), (io.StringIO(), {}, False),
])  # fmt: skip
def test_a_terminal_gets_them_and_a_pipe_does_not(
    stream: io.StringIO, env: dict[str, str], expected: bool
) -> None:
    assert wanted(stream, env) is expected
    forge = TerminalForge(Repository(), console=TerminalConsole(io.StringIO()), stream=stream, env=env)
    forge.publish(STATES["fail"], {"text": render(STATES["fail"], "text")}, key="check")
    assert ("\x1b" in stream.getvalue()) is expected


def test_a_pipe_does_not_pay_for_rich() -> None:
    script = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from sample_reports import STATES\n"
        "from mlops_ci.render import render\n"
        "import mlops_ci.adapters.forges.terminal, mlops_ci.cli.delivery\n"
        "render(STATES['fail'], 'text')\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_rich_a_report_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert coloured("❌ worse\n") == "❌ worse\n"
