"""JSON by its published schema, read back whole; JUnit that tools can read."""

import json
import re
import runpy
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from sample_reports import MODEL, STATES
from test_escaping import HOSTILE, filled

from mlops_ci.adapters.report_files import read_reports
from mlops_ci.core.report import Report
from mlops_ci.render import render

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "report.json").read_text(encoding="utf-8"))
# tests, failures, errors
JUNIT = {
    "pass": (3, 0, 0), "better": (3, 0, 0), "fail": (6, 2, 0), "held": (3, 1, 0), "approved": (3, 0, 0), "needs-approval": (4, 1, 0),
    "notice": (3, 0, 0), "blocked": (3, 1, 0), "error": (1, 0, 1), "unchanged": (3, 0, 0), "no-champion": (0, 0, 0), "point-only": (1, 1, 0),
}  # fmt: skip


def test_the_published_schema_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_report_schema.py"))
    assert script["PLACE"].read_text(encoding="utf-8") == script["schema"](), (
        "run python scripts/write_report_schema.py"
    )


@pytest.mark.parametrize("state", STATES)
def test_a_report_is_valid_and_is_read_back_as_it_was(state: str, tmp_path: Path) -> None:
    text = render(STATES[state], "json")
    jsonschema.validate(json.loads(text), SCHEMA)
    place = tmp_path / "report.json"
    place.write_text(text, encoding="utf-8")
    (again,) = read_reports(place)
    assert isinstance(again, Report)
    for form in ("json", "markdown", "html", "text", "junit", "openmetrics", "comment"):
        assert render(again, form) == render(STATES[state], form)


@pytest.mark.parametrize("state", STATES)
def test_junit_counts_what_stops_the_merge(state: str) -> None:
    suite = ET.fromstring(render(STATES[state], "junit"))[0]
    assert (int(suite.get("tests", 0)), int(suite.get("failures", 0)), int(suite.get("errors", 0))) == JUNIT[
        state
    ]
    assert len(suite.findall("testcase")) == JUNIT[state][0]
    assert suite.get("name") == f"mlops-ci.{MODEL}"
    stopped = STATES[state].exit_code != 0
    assert stopped == bool(suite.findall("testcase/failure") or suite.findall("testcase/error"))


def test_a_failure_says_why() -> None:
    failure = ET.fromstring(render(STATES["fail"], "junit")).find(".//failure")
    assert failure is not None
    assert failure.get("message", "").startswith("recall falls from")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_leave_the_xml_whole(value: str) -> None:
    plain = ET.fromstring(render(filled("x"), "junit"))
    hostile = ET.fromstring(render(filled(value + "x"), "junit"))
    assert [one.tag for one in hostile.iter()] == [one.tag for one in plain.iter()]


SAMPLE = re.compile(r'(\w+)(\{\w+="[^"]*"(?:,\w+="[^"]*")*\}) (\S+)')


def samples(text: str) -> dict[tuple[str, str], str]:
    """Read OpenMetrics text by its grammar: typed families, one after the other, and an end."""
    *lines, end = text.splitlines()
    assert end == "# EOF"
    family, found = "", {}
    for line in lines:
        if line.startswith("# TYPE "):
            family, kind = line.removeprefix("# TYPE ").split(" ")
            assert kind == "gauge"
        elif not line.startswith(f"# HELP {family} "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == family
            assert (family, match[2]) not in found
            float(match[3])
            found[family, match[2]] = match[3]
    return found


@pytest.mark.parametrize("state", STATES)
def test_openmetrics_hold_each_metric_once(state: str) -> None:
    report = STATES[state]
    found = samples(render(report, "openmetrics"))
    overall = [one for one in report.findings if one.slice is None]
    assert found["mlops_ci_exit_code", f'{{model="{MODEL}"}}'] == str(report.exit_code)
    for one in overall:
        labels = f'{{model="{MODEL}",metric="{one.metric}"}}'
        if one.candidate is not None:
            assert float(found["mlops_ci_candidate", labels]) == pytest.approx(one.candidate)
        if one.difference is not None:
            assert float(found["mlops_ci_difference", labels]) == pytest.approx(one.difference)
    assert len([name for name, _ in found if name == "mlops_ci_margin"]) == len(overall)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_leave_openmetrics_whole(value: str) -> None:
    text = render(filled(value + "x"), "openmetrics")
    assert {name for name, _ in samples(text)} == {
        name for name, _ in samples(render(filled("x"), "openmetrics"))
    }
    # GitLab reads each line as a shell would
    assert all(len(shlex.split(line)) == 2 for line in text.splitlines() if not line.startswith("#"))
