"""`monitor` and `retrain` on the command line of a repository with a real champion."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from guarded_repo import SETTINGS, GuardedRepo

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
