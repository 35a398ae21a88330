"""The fixture `model_gate`, as a user's test suite gets it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Gate = Callable[..., Any]


def frame(n: int, wrong: int) -> Any:
    truth = [0, 1] * (n // 2)
    return pd.DataFrame(
        {"id": range(n), "y_true": truth, "y_pred": [1 - t if i < wrong else t for i, t in enumerate(truth)]}
    )


def test_a_worse_model_fails_the_test_with_the_verdict(model_gate: Gate) -> None:
    with pytest.raises(AssertionError) as told:
        model_gate(frame(1_000, 20), frame(1_000, 90), {"accuracy": 0.01})
    first, finding = str(told.value).splitlines()[:2]
    assert first == "the model gate says fail: merging this makes the model worse"
    assert finding.startswith("  worse: accuracy falls from 0.980 to 0.910")


def test_an_equal_model_passes_and_the_verdict_comes_back(model_gate: Gate) -> None:
    verdict = model_gate(frame(1_000, 20), frame(1_000, 20), {"metrics": {"accuracy": {"margin": 0.01}}})
    assert (str(verdict.verdict), verdict.findings[0].outcome) == ("pass", "unchanged")


def test_what_is_not_settled_does_as_told(model_gate: Gate) -> None:
    old, new = frame(300, 20), frame(300, 24)
    assert str(model_gate(old, new, {"accuracy": 0.02}).verdict) == "inconclusive"
    assert str(model_gate(old, new, {"accuracy": 0.01}, inconclusive="pass").verdict) == "inconclusive"
    with pytest.raises(AssertionError, match="not settled"):
        model_gate(old, new, {"accuracy": 0.02}, inconclusive="fail")


def test_a_suite_elsewhere_finds_the_fixture_by_itself(tmp_path: Path) -> None:
    frame(400, 4).to_csv(tmp_path / "old.csv", index=False)
    frame(400, 80).to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "test_model.py").write_text(
        "def test_it(model_gate):\n    model_gate('old.csv', 'new.csv', {'accuracy': 0.01})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "AssertionError: the model gate says fail: merging" in done.stdout
    assert "def gate(" not in done.stdout
