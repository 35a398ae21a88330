"""JSON by its published schema, read back whole; JUnit that tools can read."""

import json
import runpy
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
    for form in ("json", "markdown", "html", "text", "junit", "comment"):
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
