"""Writes the HTML page of the long demonstration: its timeline, from the ledger and its steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlops_ci.adapters.files import write_atomic
from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.core.report import Report, plain
from mlops_ci.core.timeline import Timeline, servings_of, windows_of
from mlops_ci.demo.repository import DemoRepository
from mlops_ci.demo.story import Story
from mlops_ci.render import render

MODEL, METRIC = "busy-hours", "accuracy"
SUMMARY = (
    "Bicycles rented in Washington D.C., July 2011 to March 2012: real hours, real weather. What served"
    " when, how often it was right, and what was done, by commands on a schedule and by merges. Windows and"
    " canaries are as the ledger has them."
)


def write_page(repository: DemoRepository, story: Story, since: str, until: str) -> Path:
    """Write ``timeline.html``, and its values as ``timeline.json``; return the page."""
    ledger = GitLedger(str(repository.folder / "origin.git"), repository.folder / "ledger.git")
    history = ledger.read(MODEL)
    timeline = Timeline(
        metric=METRIC,
        servings=servings_of(history, since, until),
        windows=windows_of(history, METRIC),
        steps=story.steps,
    )
    champions = [one.version for one in timeline.servings if one.role == "champion"]
    details: dict[str, Any] = {
        "timeline": plain(timeline),
        "runs": story.runs,
        "ledger": {"head": history.head, "entries": len(history.entries)},
    }
    report = Report(
        command="timeline",
        model=MODEL,
        headline=f"{MODEL}: the loop, once around: {len(champions)} champions in {len(story.steps)} steps",
        summary=SUMMARY,
        details=details,
    )
    page = repository.folder / "timeline.html"
    write_atomic(page, render(report, "html"))
    values = json.dumps(report.to_dict(), indent=2) + "\n"
    write_atomic(repository.folder / "timeline.json", values)
    return page
