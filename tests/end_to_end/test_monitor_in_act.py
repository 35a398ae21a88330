"""Monitoring and retraining as their users have them: the shipped workflows through act, on a forge that keeps state."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from act import Hub, Run, calling, export_action
from fakes.github import GitHub
from forge_demo import adopt_champion, demo_on_forge
from mlflow_parts import Server, emptied
from production_rows import DATA, newer, served

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.demo.repository import DemoRepository

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "templates" / "workflows" / "github"
MORE = """
monitor: {data: 'production/*.csv', window: 1d, delay: 15m, min_rows: 50, min_labels: 50}
retrain: {data: data/digits.csv}
canary: {outcomes: 'production/*.csv', rates: {slow: {column: latency, objective: 100, margin: 0.01}}}
"""
# Callers of the reusable workflows, as these say in their first lines.
CALLERS = {
    "monitor": (
        "{contents: write, issues: write}",
        "production: mkdir -p production && cp later.csv production/",
    ),
    "retrain": ("{contents: write, pull-requests: write}", "newer-data: cp newer.csv data/digits.csv"),
    "canary": ("{contents: write}", "outcomes: test -e production/served.csv"),
}
URI = "mlflow-tracking-uri: ${{ vars.MLFLOW_TRACKING_URI }}"
# What a team writes in the place of the comment in retrain.yml.
EXPORT = "- run: python -c \"import pathlib; p = pathlib.Path('data/digits.csv'); rows = pathlib.Path('newer.csv').read_text(); p.write_text(rows)\""


class Shop:
    """A team's repository on GitHub with a champion, watched."""

    def __init__(self, hub: Hub, demo: DemoRepository, server: Server, action: Path, python: Path) -> None:
        self.hub, self.demo, self.server, self.action, self.python = hub, demo, server, action, python

    def run(self, workflow: str, event: str) -> Run:
        return self.hub.run(
            f".github/workflows/{workflow}.yml",
            event=event,
            actions={"OWNER/mlops-ci@REF": self.action},
            variables={"MLFLOW_TRACKING_URI": self.server.uri},
            env={"MLOPS_CI_LEDGER": str(self.hub.remote)},
            python=self.python,
            timeout=900,
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, mlflow_server: Server) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("watched")
    with GitHub() as github:
        hub = Hub(folder, github)
        demo = demo_on_forge(hub, folder / "demo")
        tree = demo.work_tree
        shutil.copytree(WORKFLOWS, tree / ".github" / "workflows")
        retraining = tree / ".github" / "workflows" / "retrain.yml"
        retraining.write_text(
            retraining.read_text().replace("# - run: python src/export.py data/train.csv", EXPORT)
        )
        for name, (permissions, given) in CALLERS.items():
            caller = tree / ".github" / "workflows" / f"calling-{name}.yml"
            caller.write_text(calling(name, permissions, URI, given))
        with (tree / "mlops-ci.yaml").open("a") as file:
            file.write(MORE)
        (tree / "newer.csv").write_text(newer(tree / DATA))
        (tree / "later.csv").write_text(served(4, broken=False))
        (tree / "production").mkdir()
        (tree / "production" / "served.csv").write_text(served(4, broken=True))
        demo.first_version()
        adopt_champion(demo, mlflow_server.uri)
        yield Shop(
            hub, demo, mlflow_server, export_action(ROOT, folder / "action"), Path(sys.executable).parent
        )
        shutil.rmtree(folder / "runs", ignore_errors=True)
        assert github.violations == []
    emptied(MlflowRegistry(mlflow_server.uri))  # the server is the whole run's


def test_a_loss_in_production_opens_an_issue_starts_a_retraining_once_and_newer_data_are_proposed(
    shop: Shop,
) -> None:
    github = shop.hub.github
    run = shop.run("monitor", "schedule")
    assert run.exit_code == 0, run.log
    (issue,) = github.issues.values()
    assert (issue["title"], issue["state"]) == ("digits: prediction drift, proven loss", "open")
    assert [one["event_type"] for one in github.dispatches] == ["mlops-ci-retrain"]

    again = shop.run("monitor", "schedule")
    assert again.exit_code == 0, again.log
    assert len(github.issues) == len(github.dispatches) == 1

    done = shop.run("retrain", "repository_dispatch")
    assert done.exit_code == 0, done.log
    (pull,) = github.pulls.values()
    assert pull.branch.startswith("mlops-ci/data-")
    listed = subprocess.run(
        ["git", "diff", "--name-only", "main", pull.branch],
        cwd=shop.hub.remote,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["data/digits.csv.dvc"]

    shop.demo.run("git", "switch", "--quiet", "--force", "main")
    (shop.demo.work_tree / "production" / "served.csv").write_text(served(4, broken=False))
    shop.demo.commit("Production is well again")
    shop.demo.run("git", "push", "--quiet", "origin", "main")
    well = shop.run("monitor", "schedule")
    assert well.exit_code == 0, well.log
    assert github.issues[issue["number"]]["state"] == "closed"


def test_the_same_by_calling_the_reusable_workflows(shop: Shop) -> None:
    github = shop.hub.github
    # A pull request is an issue, too.
    (number,) = [number for number in github.issues if number not in github.pulls]
    github.issues[number]["state"] = "open"
    watched = shop.run("calling-monitor", "schedule")
    assert watched.exit_code == 0, watched.log
    assert "digits: " in watched.summary
    assert "not training again" in watched.summary
    assert github.issues[number]["state"] == "closed"

    (pull,) = github.pulls.values()
    github.pulls.clear()
    subprocess.run(["git", "branch", "-D", pull.branch], cwd=shop.hub.remote, check=True, capture_output=True)
    proposed = shop.run("calling-retrain", "repository_dispatch")
    assert proposed.exit_code == 0, proposed.log
    assert [one.branch for one in github.pulls.values()] == [pull.branch]

    looked = shop.run("calling-canary", "schedule")
    assert looked.exit_code == 0, looked.log
    assert "no canary" in looked.summary
