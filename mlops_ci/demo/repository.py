"""A throw-away repository with a DVC pipeline on real data, a DVC remote and a git remote, all local."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.demo.digits import write_digits
from mlops_ci.errors import PipelineError, UsageError
from mlops_ci.render import template_folder

MARK = ".mlops-ci-demo"
_NAME = "mlops-ci demo"


@dataclass(frozen=True, kw_only=True)
class Example:
    """The content of a demonstration.

    Attributes
    ----------
    template
        Folder of its files among the shipped templates.
    data
        The file that DVC versions, in the repository.
    write
        Writes the first version of it.
    about
        Message of the first commit.
    """

    template: str
    data: str
    write: Callable[[Path], None]
    about: str


DIGITS = Example(
    template="demo",
    data="data/digits.csv",
    write=write_digits,
    about="A classifier of handwritten digits",
)


class DemoRepository:
    """The demonstration's folder.

    Attributes
    ----------
    folder
        Holds everything: ``repository``, ``origin.git``, ``storage`` (the DVC remote) and ``reports``.
    """

    def __init__(self, folder: Path, example: Example = DIGITS) -> None:
        self.example = example
        self.folder = folder.absolute()
        self.work_tree = self.folder / "repository"
        self.reports = self.folder / "reports"

    def make(self) -> None:
        """Write the repository, with its data versioned by DVC; an earlier demonstration is replaced.

        Raises
        ------
        UsageError
            If the folder holds something else.
        """
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / MARK).exists():
            raise UsageError(f"{self.folder} is not empty", remedy="choose another folder with --dir")
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(template_folder() / self.example.template, self.work_tree)
        (self.folder / MARK).touch()
        (self.folder / "storage").mkdir()
        self.reports.mkdir()
        (self.work_tree / ".gitignore").write_text("/mlflow.db\n/mlruns/\n/mlartifacts/\n__pycache__/\n")
        self.example.write(self.work_tree / self.example.data)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("git", "init", "--quiet", "--bare", "--initial-branch=main", "../origin.git")
        self.run("git", "remote", "add", "origin", "../origin.git")
        self.dvc("init", "--quiet")
        self.dvc("remote", "add", "--quiet", "--default", "storage", "../storage")
        self.dvc("config", "core.analytics", "false")
        self.dvc("add", "--quiet", self.example.data)

    def first_version(self) -> None:
        """Run the pipeline, push data and outputs to the DVC remote, and commit to main."""
        self.dvc("repro", "--quiet")
        self.dvc("push", "--quiet")
        self.commit(self.example.about)
        self.run("git", "push", "--quiet", "--set-upstream", "origin", "main")

    def branch(self, name: str, edits: dict[str, tuple[str, str]], message: str) -> None:
        """Commit a change to main on a branch of its own, and push it."""
        self.run("git", "switch", "--quiet", "--force", "main")
        self.run("git", "switch", "--quiet", "--create", name)
        for file, (old, new) in edits.items():
            path = self.work_tree / file
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        self.commit(message)
        self.run("git", "push", "--quiet", "origin", name)

    def merge(self, name: str) -> None:
        """Merge a branch into main as a forge does it, and push main."""
        self.run("git", "switch", "--quiet", "--force", "main")
        self.run("git", "merge", "--quiet", "--no-ff", "--no-edit", name)
        self.run("git", "push", "--quiet", "origin", "main")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", f"--message={message}")

    def dvc(self, *arguments: str) -> None:
        """Run our environment's DVC."""
        self.run(sys.executable, "-m", "dvc", *arguments)

    def run(self, *command: str) -> None:
        """Run a program in the work tree, with the demonstration's environment."""
        environment = {**os.environ, **demo_environment()}
        try:
            subprocess.run(
                command, cwd=self.work_tree, env=environment, check=True, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise UsageError(
                f"{command[0]} is not installed", remedy="install it, then run the demo again"
            ) from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout).strip().splitlines()[-3:]
            raise PipelineError(f"`{' '.join(command)}` failed: {' '.join(last)}") from None


def demo_environment() -> Mapping[str, str]:
    """Return an environment with a fixed git identity, no user configuration, and our Python."""
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", _NAME), ("EMAIL", "demo@example.invalid"))
    }
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    # The models are small: threads that wait for each other take longer, by far on a busy machine.
    alone["OMP_NUM_THREADS"] = "1"
    # Stages call `python`: it has to be the one that has scikit-learn.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**identity, **alone, "PATH": path}
