"""Reports to deliver to GitHub, and how a command delivers them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fakes.runner import Runner

from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result

HEAD = "a" * 40
WORSE = Report(command="check", model="malware", verdict=Result.FAIL, exit_code=1, headline="recall fell")
FINE = Report(command="check", model="malware", verdict=Result.PASS, exit_code=0, headline="no worse")
RENDERED = {"markdown": "# Blocked\n\nall of it", "comment": "# Blocked", "text": "Blocked", "json": "{}"}


def deliver(
    runner: Runner, report: Report = WORSE, rendered: dict[str, str] = RENDERED, **values: Any
) -> str | None:
    """Publish as a command does: the report carries the forge's source."""
    forge = runner.forge(**values)
    url = forge.publish(replace(report, source=forge.source()), rendered, key="check malware")
    forge.conclude(report.exit_code, report.headline)
    return url
