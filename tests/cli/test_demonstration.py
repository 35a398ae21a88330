"""The long demonstration's parts: its data, its clock, its story, and the picture at the end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from mlops_ci.cli.session import clock
from mlops_ci.commands.tools import utc_now
from mlops_ci.core.report import plain
from mlops_ci.core.timeline import Seen, Serving, Step, Timeline
from mlops_ci.demo.bikes import write_hours
from mlops_ci.demo.story import OtherwiseError, Story
from mlops_ci.render.timeline import picture

THEN = datetime(2011, 7, 1, tzinfo=UTC)


def test_the_hours_before_a_day_with_what_is_missing(tmp_path: Path) -> None:
    write_hours(tmp_path / "data" / "hours.csv", before="2011-01-03")
    header, *rows = (tmp_path / "data" / "hours.csv").read_text().splitlines()
    assert header == "id,date,hour,weekday,workingday,weather,temp,feels_like,humidity,wind,count"
    assert rows[0] == "2011010100,2011-01-01,0,5,0,clear,3.28,3.001,81,0,16"
    assert {row.split(",")[1] for row in rows} == {"2011-01-01", "2011-01-02"}
    assert len(rows) == 47
    write_hours(tmp_path / "all.csv", before="2013-01-01")
    every = (tmp_path / "all.csv").read_text().splitlines()[1:]
    assert len(every) == 17_379
    assert sum(row.split(",")[5] == "" for row in every) == 1_258


def test_a_simulation_hands_in_its_clock_and_nobody_else_can(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.group()
    def cli() -> None: ...

    @cli.command()
    def when() -> object:
        return clock()

    assert cli.main(["when"], standalone_mode=False, obj=lambda: THEN)() == THEN
    for name in ("MLOPS_CI_NOW", "MLOPS_CI_CLOCK", "SOURCE_DATE_EPOCH"):
        monkeypatch.setenv(name, "1309478400")
    assert cli.main(["when"], standalone_mode=False) is utc_now
    assert clock() is utc_now


def story(code: int, said: list[str]) -> Story:
    def verb(*arguments: str, report: str) -> tuple[int, Mapping[str, Any]]:
        return code, {"headline": f"{report}: done"}

    def say(text: str, nl: bool = True) -> None:
        said.append(text)

    return Story(verb=verb, say=say, reports=Path("reports"), clock=lambda: THEN)


def test_a_verb_is_told_kept_and_numbered() -> None:
    said: list[str] = []
    one = story(0, said)
    one.run("adopt", "--from-pipeline")
    one.run("canary", "look")
    one.step("Looked", "All is well.", kind="good")
    assert [run["name"] for run in one.runs] == ["01-adopt", "02-canary-look"]
    assert one.steps[0].command == "mlops-ci canary look"
    assert one.steps[0].page == "reports/02-canary-look.html"
    assert one.steps[0].time == "2011-07-01T00:00:00Z"
    assert "      02-canary-look: done" in said


def test_a_verb_that_ends_otherwise_ends_the_story() -> None:
    with pytest.raises(OtherwiseError, match="ended with 1, not 0"):
        story(1, []).run("check")
    assert story(1, []).run("canary", "look", ends=1)


def test_the_picture_escapes_words_and_keeps_its_flags_inside() -> None:
    day = "2011-07-{:02}T00:00:00Z".format
    steps = [Step(time=day(30), title="<b>&", said="") for _ in range(12)]
    line = Timeline(
        metric="accuracy",
        servings=[Serving(version="<1>", since=day(1), until=day(30), rolled_back=True)],
        windows=[Seen(since=day(1), until=day(15), version="<1>", value=0.9)],
        steps=steps,
    )
    drawn = str(picture(plain(line)))
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert "&lt;1&gt;" in drawn
    flags = [
        float(part.split('"')[1]) for part in drawn.split("<circle")[1:] for part in [part.split("cx=")[1]]
    ]
    assert len(flags) == 12
    assert max(flags) <= 920 - 12
    assert all(later - earlier >= 18.9 for earlier, later in itertools.pairwise(flags))


def test_there_is_no_picture_of_no_time() -> None:
    assert str(picture(plain(Timeline(metric="accuracy")))) == ""
