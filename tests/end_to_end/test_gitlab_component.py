"""The GitLab component, run by gitlab-ci-local: two real jobs, a note on the merge request, JUnit."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fakes.gitlab import GitLab
from production_rows import DATA, newer, served

from mlops_ci.core.onboarding.workflows import gitlab_include
from mlops_ci.demo.repository import DemoRepository

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / ".cache" / "end_to_end" / "browser" / "node_modules" / ".bin" / "gitlab-ci-local"
INCLUDE = "stages: [test]\ninclude:\n  - local: ci/mlops-ci.yml\n    inputs:\n      install: 'true'\n"


COMPONENT = ROOT / "templates" / "gitlab" / "template.yml"
needs_runner = pytest.mark.skipif(
    not RUNNER.exists() or not shutil.which("rsync"), reason="run tests/end_to_end/setup.sh first"
)


def jobs(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the jobs that a pipeline had, by its last lines."""
    return set(re.findall(r"^\s*(?:PASS|FAIL)\s+(mlops-ci-\S+)", plain(done.stdout), re.MULTILINE))


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@needs_runner
def test_a_worse_model_fails_the_pipeline_and_is_told_on_the_merge_request(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    subprocess.run(
        [binaries / "mlops-ci", "demo", "--dir", tmp_path / "demo"], check=True, capture_output=True
    )
    repository = tmp_path / "demo" / "repository"
    git(repository, "checkout", "-f", "worse")
    (repository / "ci").mkdir()
    shutil.copy(COMPONENT, repository / "ci" / "mlops-ci.yml")
    (repository / ".gitlab-ci.yml").write_text(INCLUDE)
    git(repository, "add", "-A")
    git(repository, "commit", "-m", "ci")
    with GitLab() as gitlab:
        variables = gitlab.environment(repository) | {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_COMMIT_SHA": git(repository, "rev-parse", "HEAD"),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(repository, "rev-parse", "main"),
            "MLOPS_CI_GITLAB_TOKEN": "t",
            "MLFLOW_TRACKING_URI": f"sqlite:///{repository}/mlflow.db",
        }
        del variables["CI_PROJECT_DIR"]
        given = [part for name, value in variables.items() for part in ("--variable", f"{name}={value}")]
        done = subprocess.run(
            [RUNNER, "--force-shell-executor", *given],
            cwd=repository, capture_output=True, text=True, timeout=600, check=False,
            env={"HOME": str(tmp_path), "PATH": f"{binaries}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert "PASS  mlops-ci-reproduce" in done.stdout
        assert "FAIL  mlops-ci-check" in done.stdout
        (body,) = gitlab.bodies()
    assert "merging this makes the model worse: accuracy" in body
    (report,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("*.junit.xml")
    assert ET.parse(report).getroot()[0].get("failures") == "1"
    (outputs,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("mlops-ci.env")
    assert "MLOPS_CI_VERDICT=fail\n" in outputs.read_text()
    (metrics,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("metrics.txt")
    assert 'mlops_ci_exit_code{model="digits"} 1\n' in metrics.read_text()


WATCHED = """
monitor: {data: 'production/*.csv', window: 1d, delay: 15m, min_rows: 50, min_labels: 50}
retrain: {data: data/digits.csv}
canary: {outcomes: 'outcomes/*.csv', rates: {slow: {column: latency, objective: 100, margin: 0.01}}}
"""


class Project:
    """A project on GitLab whose production is watched: its pipelines run here, as a schedule or an event starts them."""

    def __init__(self, folder: Path, gitlab: GitLab) -> None:
        self.folder, self.gitlab = folder, gitlab
        self.binaries = Path(sys.executable).parent
        self.demo = DemoRepository(folder / "demo")
        self.demo.make()
        self.tree = self.demo.work_tree
        (self.tree / "ci").mkdir()
        shutil.copy(COMPONENT, self.tree / "ci" / "mlops-ci.yml")
        (folder / "served.csv").write_text(served(4, broken=True))
        (folder / "newer.csv").write_text(newer(self.tree / DATA))
        text = gitlab_include("acme/mlops-ci@1", ["monitor", "retrain", "canary"])
        for old, new in {
            "component: $CI_SERVER_FQDN/acme/mlops-ci/gitlab@1": "local: ci/mlops-ci.yml",
            "    inputs:\n": "    inputs:\n      install: 'true'\n",
            'production: "true"': f"production: mkdir -p production && cp {folder}/served.csv production/",
            'outcomes: "true"': "outcomes: mkdir -p outcomes",
            'newer-data: "true"': f"newer-data: cp -f {folder}/newer.csv {DATA}",
        }.items():
            assert old in text
            text = text.replace(old, new)
        (self.tree / ".gitlab-ci.yml").write_text(text)
        with (self.tree / "mlops-ci.yaml").open("a") as file:
            file.write(WATCHED)
        self.demo.first_version()
        self.verb("adopt", "--from-pipeline", "--pipeline-python", sys.executable)

    def verb(self, *arguments: str) -> None:
        uri = f"sqlite:///{self.tree}/mlflow.db"
        env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
        subprocess.run(
            [self.binaries / "mlops-ci", *arguments], cwd=self.tree, env=env, check=True, capture_output=True
        )

    def pipeline(self, **given: str) -> subprocess.CompletedProcess[str]:
        variables = self.gitlab.environment(self.tree) | {
            "CI_COMMIT_SHA": git(self.tree, "rev-parse", "HEAD"),
            "CI_COMMIT_BRANCH": "main",
            "CI_DEFAULT_BRANCH": "main",
            "MLOPS_CI_GITLAB_TOKEN": "t",
            "MLOPS_CI_LEDGER": git(self.tree, "remote", "get-url", "origin"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.tree}/mlflow.db",
            **given,
        }  # fmt: skip
        for name in [
            name for name in variables if name.startswith("CI_MERGE_REQUEST") or name == "CI_PROJECT_DIR"
        ]:
            del variables[name]
        given_to = [part for name, value in variables.items() for part in ("--variable", f"{name}={value}")]
        return subprocess.run(
            [RUNNER, "--force-shell-executor", *given_to],
            cwd=self.tree, capture_output=True, text=True, timeout=600, check=False,
            env={"HOME": str(self.folder), "PATH": f"{self.binaries}:{os.environ['PATH']}"},
        )  # fmt: skip


@needs_runner
def test_schedules_watch_production_and_a_reason_brings_newer_data(tmp_path: Path) -> None:
    with GitLab() as gitlab:
        project = Project(tmp_path, gitlab)
        watched = project.pipeline(CI_PIPELINE_SOURCE="schedule", MLOPS_CI_RUN="monitor")
        assert watched.returncode == 0, watched.stdout + watched.stderr
        assert jobs(watched) == {"mlops-ci-monitor"}
        (issue,) = gitlab.issues.values()
        assert (issue["title"], issue["state"]) == ("digits: prediction drift, proven loss", "opened")
        (started,) = gitlab.pipelines
        given = {one["key"]: one["value"] for one in started["variables"]}
        assert (started["ref"], given["MLOPS_CI_EVENT"], given["MLOPS_CI_MODEL"]) == (
            "main",
            "mlops-ci-retrain",
            "digits",
        )
        kept = {
            path.relative_to(path.parents[1]).as_posix()
            for path in project.tree.rglob("mlops-ci-report/*/*.html")
        }
        assert {place.split("/")[0] for place in kept} == {"monitor", "retrain"}

        brought = project.pipeline(CI_PIPELINE_SOURCE="api", **given)
        assert brought.returncode == 0, brought.stdout + brought.stderr
        assert jobs(brought) == {"mlops-ci-data"}
        (proposal,) = gitlab.proposals.values()
        assert proposal["source_branch"].startswith("mlops-ci/data-")
        remote = project.demo.folder / "origin.git"
        changed = git(remote, "diff", "--name-only", "main", proposal["source_branch"])
        assert changed.split() == [f"{DATA}.dvc"]

        looked = project.pipeline(CI_PIPELINE_SOURCE="schedule", MLOPS_CI_RUN="canary")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert jobs(looked) == {"mlops-ci-canary"}
        assert "no canary" in looked.stdout


MAIN = {"CI_COMMIT_BRANCH": "main"}
EVENTS = [
    ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": "better"}, {"reproduce", "check"}),
    ({"CI_PIPELINE_SOURCE": "push", **MAIN}, {"promote"}),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "better"}, set()),
    ({"CI_PIPELINE_SOURCE": "schedule", **MAIN}, set()),
    ({"CI_PIPELINE_SOURCE": "schedule", **MAIN, "MLOPS_CI_RUN": "reconcile"}, {"reconcile"}),
    ({"CI_PIPELINE_SOURCE": "schedule", **MAIN, "MLOPS_CI_RUN": "canary"}, {"canary"}),
    ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "better", "MLOPS_CI_RUN": "monitor"}, set()),
    ({"CI_PIPELINE_SOURCE": "api", **MAIN, "MLOPS_CI_EVENT": "mlops-ci-retrain"}, {"data"}),
    (
        {"CI_PIPELINE_SOURCE": "api", "CI_COMMIT_BRANCH": "better", "MLOPS_CI_EVENT": "mlops-ci-retrain"},
        set(),
    ),
]


@needs_runner
def test_each_event_starts_its_jobs_and_another_branch_none_that_have_secrets(tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    shutil.copy(COMPONENT, tmp_path / "ci" / "mlops-ci.yml")
    include = INCLUDE.replace("install: 'true'", "install: 'true'\n      promote: PROMOTE")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "remote", "add", "origin", "git@gitlab.example:acme/shop.git")
    for promote in ("true", "false"):
        (tmp_path / ".gitlab-ci.yml").write_text(include.replace("PROMOTE", promote))
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "-qm", "ci")
        for given, expected in EVENTS if promote == "true" else EVENTS[1:2]:
            variables = {"CI_DEFAULT_BRANCH": "main", **given}
            options = [
                part for name, value in variables.items() for part in ("--variable", f"{name}={value}")
            ]
            done = subprocess.run(
                [RUNNER, "--force-shell-executor", "--list-json", *options],
                cwd=tmp_path, capture_output=True, text=True, check=True,
                env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            )  # fmt: skip
            listed = json.loads(done.stdout[done.stdout.index("\n[") :])
            started = {job["name"].removeprefix("mlops-ci-") for job in listed if job["when"] != "never"}
            assert started == (expected if promote == "true" else set()), given
