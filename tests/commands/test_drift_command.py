"""`mlops-ci drift` and `profile` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_ci.core.drift.profile import Profile


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(1)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        level = rng.choice(["x", "y|<b>", "rare"], 2000, p=[0.6, 0.399, 0.001])
        pd.DataFrame({"size": rng.normal(mean, 1, 2000), "level": level}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlops_ci", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_text_and_exit_codes(folder):
    done = run(folder, "drift", "a.csv", "b.csv")
    assert done.returncode == 0
    assert "1 of 2 columns moved" in done.stdout
    assert "▁" in done.stdout
    assert run(folder, "drift", "a.csv", "b.csv", "--on-drift", "block").returncode == 1
    assert run(folder, "drift", "a.csv", "b.csv", "--on-drift", "approve").returncode == 3
    assert run(folder, "drift", "a.csv", "a.csv", "--on-drift", "block").returncode == 0


def test_json(folder):
    made = json.loads(run(folder, "drift", "a.csv", "b.csv", "--format", "json").stdout)
    assert made["command"] == "drift"
    assert made["drift"]["drifted"] is True
    assert [column["name"] for column in made["drift"]["columns"]] == ["size", "level"]


def test_markdown_is_escaped_and_html_draws(folder):
    text = run(folder, "drift", "a.csv", "b.csv", "--format", "markdown").stdout
    assert "| 🟠 | size | KS 0." in text
    page = run(folder, "drift", "a.csv", "b.csv", "--format", "html").stdout
    assert page.count("<polygon") == 2
    assert "…" not in page[page.index("<polygon") : page.index("</svg>")]  # cut points draw nothing
    assert "<b>" not in page


def test_profile_and_compare_with_it(folder):
    done = run(folder, "profile", "a.csv", "-o", "p.json")
    assert done.returncode == 0, done.stderr
    text = (folder / "p.json").read_text()
    assert "rare" not in text
    assert Profile.from_json(text).rows == 2000
    assert "1 of 2 columns moved" in run(folder, "drift", "p.json", "b.csv").stdout
    assert "no drift" in run(folder, "drift", "p.json", "a.csv").stdout


def test_wrong_usage(folder):
    done = run(folder, "drift", "a.csv")
    assert done.returncode == 2
    assert "name both" in done.stderr
    done = run(folder, "drift", "a.csv", "none.csv")
    assert done.returncode == 5
    assert "none.csv does not exist" in done.stderr
    assert "Traceback" not in done.stderr
