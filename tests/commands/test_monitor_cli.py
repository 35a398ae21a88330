"""`monitor` and `retrain` on the command line of a repository with a real champion."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from guarded_repo import SETTINGS, GuardedRepo

from mlops_ci.adapters.mlflow.client import Connection
from mlops_ci.cli.monitoring import _with_issue
from mlops_ci.core.report import Report

BLOCKS = """\
monitor: {data: 'production/*.csv', min_rows: 50, min_labels: 50}
retrain: {reason: loss, command: 'echo "$MLOPS_CI_CHAMPION" > started.txt', brings_data: true}
"""


def served(days: int, right: float) -> str:
    draw = random.Random(1)
    lines = ["id,time,y_true,y_pred"]
    for day in range(days):
        for row in range(200):
            moment = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day, minutes=7 * row)
            label = draw.randint(0, 1)
            answer = label if draw.random() < right else 1 - label
            lines.append(f"{day}-{row},{moment:%Y-%m-%dT%H:%M:%S},{label},{answer}")
    return "\n".join(lines) + "\n"


def test_a_loss_is_told_kept_and_starts_the_command_once(guarded: GuardedRepo) -> None:
    guarded.settle(**{"mlops-ci.yaml": SETTINGS + BLOCKS, "production/a.csv": served(3, 0.5)})
    at = ("--at", "2026-03-05T02:00", "--format", "json")
    done = guarded.call("monitor", *at)
    assert done.code == 0, done.err
    assert "proven loss" in done.json["headline"]
    assert len(done.json["details"]["judged"]) == 3
    assert guarded.call("monitor", *at).json["details"]["judged"] == []
    started = guarded.call("retrain", *at)
    assert started.code == 0, started.err
    assert started.json["details"]["started"] is True
    assert (guarded.repo.root / "started.txt").read_text().strip() == "1"
    assert guarded.call("retrain", *at).json["details"]["why"] == "no windows"


def experiments(database: Path) -> set[str]:
    with Connection(f"sqlite:///{database}", None, database.parent).calls("list the experiments") as client:
        return {experiment.name for experiment in client.search_experiments()}


def test_the_trends_of_an_environment_go_to_its_own_server(guarded: GuardedRepo) -> None:
    root = guarded.repo.root
    here, there = root.parent / "mlflow.db", root.parent / "production.db"
    shutil.copy(here, there)
    settings = (
        SETTINGS
        + BLOCKS
        + (
            "promotion:\n  environments:\n    live: {tracking_uri: 'sqlite:///../production.db', token_variable: LIVE_TOKEN}\n"
        )
    )
    guarded.settle(**{"mlops-ci.yaml": settings, "production/a.csv": served(3, 0.5)})
    at = ("monitor", "--environment", "live", "--at", "2026-03-05T02:00", "--format", "json")
    refused = guarded.call(*at)
    assert refused.code == 2
    assert "the variable LIVE_TOKEN is empty" in refused.err
    # The job's own variable (as always here) names another server.
    done = guarded.call(*at, env={"LIVE_TOKEN": "t"})
    assert done.code == 0, done.err
    assert len(done.json["details"]["judged"]) == 3
    assert "mlops-ci/moons/monitor" in experiments(there)
    assert "mlops-ci/moons/monitor" not in experiments(here)


def test_each_environment_has_an_issue_of_its_own() -> None:
    heard: list[tuple[str, str, bool]] = []
    forge = SimpleNamespace(issue=lambda key, title, body: heard.append((key, title, body is not None)))
    session = SimpleNamespace(forge=forge, options={}, root=Path())
    for where in (None, "staging"):
        promotion = SimpleNamespace(environment=where)
        unit = SimpleNamespace(
            settings=SimpleNamespace(monitor=SimpleNamespace(issue=True), promotion=promotion)
        )
        for title in ("m: data drift", ""):
            details = {"issue": {"title": title, "open": False}}
            report = Report(command="monitor", model="m", headline="", details=details)
            _with_issue(session, unit, report)  # type: ignore[arg-type]
    assert heard == [
        ("monitor m", "m: data drift", False),
        ("monitor m", "", False),
        ("monitor m staging", "staging: m: data drift", False),
        ("monitor m staging", "", False),
    ]
