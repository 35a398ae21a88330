"""What drift does to a check: by `gate.on_drift`, and never more than that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from guarded_repo import SETTINGS, GuardedRepo

from mlops_ci.api_drift import drift, profile
from mlops_ci.commands.drift import Looked, look, with_drift
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.settings import read_settings

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
    verdict, notices = with_drift(PASS, Looked(found=found, unread=unread), on_drift)
    assert verdict.exit_code == code
    assert len(notices) == said


def test_a_failing_check_stays_failed():
    assert with_drift(FAIL, Looked(found=MOVED), "approve")[0].exit_code == 1


def settings(text: str):
    base = b"registry: {model: m}\nmetrics: {accuracy: {margin: 0.01}}\n"
    return read_settings(base + text.encode(), "mlops-ci.yaml")[0]


def test_look_reads_from_the_folder_of_the_settings(tmp_path: Path):
    for name, values in (("a", SAME), ("b", SAME + 2)):
        (tmp_path / f"{name}.csv").write_text("x\n" + "\n".join(map(str, values)))
    looked = look(settings("drift: {reference: a.csv, current: b.csv}\n"), drift, profile, tmp_path)
    assert looked.found is not None
    assert looked.found.drifted
    assert looked.unread == ""
    assert Profile.from_json(looked.profile).rows == 500
    looked = look(settings("drift: {reference: a.csv, current: none.csv}\n"), drift, profile, tmp_path)
    assert looked.found is None
    assert looked.profile
    assert "none.csv does not exist" in looked.unread
    assert look(settings(""), drift, profile, tmp_path) == Looked()


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


def mlflow_client(guarded: GuardedRepo):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{guarded.repo.root.parent / 'mlflow.db'}")
