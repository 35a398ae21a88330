"""Monitoring and retraining as their users have them: the shipped workflows through act, on a forge that keeps state."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from act import Hub, Run, export_action
from fakes.github import GitHub
from mlflow_parts import Server, emptied

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.demo.repository import DemoRepository

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "templates" / "workflows" / "github"
MORE = """
monitor: {data: 'production/*.csv', window: 1d, delay: 15m, min_rows: 50, min_labels: 50}
retrain: {data: data/digits.csv}
"""
# What a team writes in the place of the comment in retrain.yml.
EXPORT = "- run: python -c \"import pathlib; p = pathlib.Path('data/digits.csv'); rows = pathlib.Path('newer.csv').read_text(); p.write_text(rows)\""


def served(days: int, *, broken: bool) -> str:
    """Write what was asked on the last days: half of the answers wrong, or nearly all right."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = ["id,time,y_true,y_pred"]
    for day in range(days, 0, -1):
        for row in range(200):
            moment = today - timedelta(days=day) + timedelta(minutes=7 * row)
            label = row % 10
            answer = 1 if broken and row % 2 else label
            lines.append(f"{day}-{row},{moment:%Y-%m-%dT%H:%M:%S},{label},{answer}")
    return "\n".join(lines) + "\n"


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
        demo = DemoRepository(folder / "demo")
        demo.make()
        demo.run("git", "remote", "set-url", "origin", str(hub.remote))
        demo.dvc("remote", "modify", "storage", "url", str(demo.folder / "storage"))
        tree = demo.work_tree
        shutil.copytree(WORKFLOWS, tree / ".github" / "workflows")
        retraining = tree / ".github" / "workflows" / "retrain.yml"
        retraining.write_text(
            retraining.read_text().replace("# - run: python src/export.py data/train.csv", EXPORT)
        )
        with (tree / "mlops-ci.yaml").open("a") as file:
            file.write(MORE)
        with (tree / "data" / "digits.csv").open() as file:
            rows = list(csv.reader(file))
        newer = [
            rows[0],
            *rows[1:],
            *([str(100_000 + place), *row[1:]] for place, row in enumerate(rows[1:200])),
        ]
        (tree / "newer.csv").write_text("\n".join(",".join(row) for row in newer) + "\n")
        (tree / "production").mkdir()
        (tree / "production" / "served.csv").write_text(served(4, broken=True))
        demo.first_version()
        env = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_server.uri}
        adopt = ["adopt", "--from-pipeline", "--pipeline-python", sys.executable]
        subprocess.run([sys.executable, "-m", "mlops_ci", *adopt], cwd=tree, env=env, check=True)
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
