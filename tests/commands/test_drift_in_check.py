"""What drift does to a check: by `gate.on_drift`, and never more than that."""

from __future__ import annotations

import random

import numpy as np
import pytest
from guarded_repo import SETTINGS, GuardedRepo

from mlops_ci.api_drift import drift
from mlops_ci.commands.drift import with_drift
from mlops_ci.core.verdict import Result, Verdict

RNG = np.random.default_rng(0)
SAME = RNG.normal(size=500)
MOVED = drift({"x": SAME}, {"x": RNG.normal(2, 1, 500)})
QUIET = drift({"x": SAME}, {"x": RNG.normal(size=500)})
PASS, FAIL = Verdict(verdict=Result.PASS), Verdict(verdict=Result.FAIL)


@pytest.mark.parametrize(
    ("found", "unread", "on_drift", "code", "said"),
    [
        (QUIET, "", "block", 0, 0),
        (MOVED, "", "ignore", 0, 0),
        (MOVED, "", "warn", 0, 1),
        (MOVED, "", "approve", 3, 1),
        (MOVED, "", "block", 1, 1),
        (None, "", "block", 0, 0),
        (None, "Drift was not looked at: no file", "warn", 0, 1),
        (None, "Drift was not looked at: no file", "block", 3, 1),
    ],
)
def test_a_passing_check(found, unread, on_drift, code, said):
    verdict, notices = with_drift(PASS, found, unread, on_drift)
    assert verdict.exit_code == code
    assert len(notices) == said


def test_a_failing_check_stays_failed():
    assert with_drift(FAIL, MOVED, "", "approve")[0].exit_code == 1


def test_an_approval_of_something_else_does_not_lift_the_block():
    verdict, _ = with_drift(PASS.on_hold(), MOVED, "", "block")
    assert (verdict.exit_code, verdict.held) == (1, False)


def test_the_report_of_a_check_has_the_drift(guarded: GuardedRepo) -> None:
    block = "drift: {reference: data/raw.csv, current: data/raw.csv}\n"
    guarded.settle(**{"mlops-ci.yaml": SETTINGS + block})
    guarded.change(threshold=0.5001)
    done = guarded.check()
    assert done.code == 0
    assert done.json["drift"]["drifted"] is False
    assert done.json["drift"]["columns"]
    kept = mlflow_client(guarded).list_artifacts(done.json["candidate"]["run_id"], "evidence")
    assert "evidence/profile.json" in [item.path for item in kept]


def test_data_that_cannot_be_read_are_told(guarded: GuardedRepo) -> None:
    guarded.settle(
        **{"mlops-ci.yaml": SETTINGS + "drift: {reference: data/raw.csv, current: data/none.csv}\n"}
    )
    guarded.change(threshold=0.5001)
    done = guarded.check()
    assert done.code == 0
    assert done.json["drift"] is None
    assert "Drift was not looked at" in str(done.json["notices"])
    assert "none.csv" in str(done.json["notices"])


def mlflow_client(guarded: GuardedRepo):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{guarded.repo.root.parent / 'mlflow.db'}")


DRIFT = "drift: {reference: data/prepared/train.csv, current: data/production.csv}\n"


def production(shift: float) -> str:
    draw = random.Random(42)
    rows = [f"{i},{draw.random() + shift:.4f},{i % 2}" for i in range(1000, 2000)]
    return "\n".join(["id,x,y", *rows]) + "\n"


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("approve", 3), ("block", 1), ("ignore", 0)])
def test_drifted_data_do_what_the_policy_says(policy: str, code: int, guarded: GuardedRepo) -> None:
    settings = SETTINGS + DRIFT + f"gate: {{on_drift: {policy}}}\n"
    guarded.settle(**{"mlops-ci.yaml": settings, "data/production.csv": production(2.0)})
    guarded.change(**{"README.md": "x"})
    done = guarded.check()
    assert done.code == code, done.json
    if policy == "ignore":
        assert done.json["drift"] is None
    else:
        assert done.json["drift"]["drifted"]
        assert "The data drifted: " in str(done.json["notices"])
        assert {"name", "drifted", "effect", "effect_size", "pvalue"} <= set(done.json["drift"]["columns"][0])
