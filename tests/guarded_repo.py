"""A DVC repository with settings, an embedded MLflow and a champion: what `mlops-ci check` runs in."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo

from mlops_ci.cli.main import main

SETTINGS = """\
registry: {model: moons}
pipeline: {targets: [evaluate]}
candidate: {model: models, metrics: metrics.json}
evaluation: {predictions: reports/predictions.csv}
metrics:
  accuracy: {margin: 0.05}
"""


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.out)
        return report


@dataclass(frozen=True)
class GuardedRepo:
    """A checkout whose main branch is guarded; `call` runs the command line in it."""

    repo: DvcRepo
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def call(self, *arguments: str, folder: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
        with self.monkeypatch.context() as patched:
            patched.chdir(folder or self.repo.root)
            patched.setattr(sys, "argv", ["mlops-ci", *arguments])
            patched.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
            patched.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{self.repo.root.parent / 'mlflow.db'}")
            for name in [name for name in os.environ if name.startswith("GITHUB_")]:
                patched.delenv(name)
            for name, value in (env or {}).items():
                patched.setenv(name, value)
            self.capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        said = self.capsys.readouterr()
        return Outcome(code=int(ended.value.code or 0), out=said.out, err=said.err)

    def check(self, *arguments: str) -> Outcome:
        return self.call("check", "--format", "json", *arguments)

    def change(self, threshold: float | None = None, **files: str) -> None:
        """Commit a change on a branch of its own."""
        self.repo.git("switch", "-qc", "change")
        if threshold is not None:
            self.repo.write("params.yaml", f"train:\n  threshold: {threshold}\n")
        for path, text in files.items():
            self.repo.write(path, text)
        self.repo.commit()

    def settle(self, **files: str) -> None:
        """Commit to main, and push."""
        for path, text in files.items():
            self.repo.write(path, text)
        self.repo.commit()
        self.repo.push()
        self.repo.git("fetch", "-q", "origin")


def make_guarded(template: DvcRepo, database: Path, folder: Path) -> DvcRepo:
    """Put the settings on main, and an empty MLflow beside the checkout."""
    repo = copy_dvc_repo(template, folder)
    repo.write("mlops-ci.yaml", SETTINGS)
    repo.commit("Guard the model")
    repo.push()
    repo.git("fetch", "-q", "origin")
    shutil.copy(database, repo.root.parent / "mlflow.db")
    return repo


def adopt(repo: DvcRepo) -> DvcRepo:
    """Make main's model the champion; its artifacts stay where they are first written."""
    uri = f"sqlite:///{repo.root.parent / 'mlflow.db'}"
    repo.run(
        sys.executable, "-m", "mlops_ci", "adopt", "--from-pipeline", environment={"MLFLOW_TRACKING_URI": uri}
    )
    return repo
