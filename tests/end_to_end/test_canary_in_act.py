"""A canary as its users have it: promote.yml starts it and canary.yml looks, through act, on GitHub's git and API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from act import Hub, Run, export_action
from fakes.git_server import GitServer
from fakes.github import GitHub
from forge_demo import demo_on_forge
from mlflow_parts import Server, emptied

from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.cli.demo import CHANGES
from mlops_ci.core.canary.state import EVENT, Canary, latest
from mlops_ci.core.ledger import History
from mlops_ci.demo.repository import DemoRepository

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "templates" / "workflows" / "github"
MODEL = "digits"
SHARE = 0.5
# A false positive calls another digit a one. Windows of two seconds: a look comes some time after its rows.
MORE = """
promotion: {{deploy_command: 'echo "$MLOPS_CI_VERSION:$MLOPS_CI_CHALLENGER:$MLOPS_CI_SHARE" >> {routed}'}}
canary:
  outcomes: outcomes/*.csv
  id: request
  rates:
    false_positives: {{column: y_pred, label: y_true, positive: "1", margin: 0.02}}
  steps: [0.5, 1]
  min_windows: 1
  window: 2
  settle: 0
"""
# The line of canary.yml that says where a team brings its outcomes in.
COMMENT = "# - run: aws s3 sync s3://BUCKET/outcomes outcomes"


@dataclass(frozen=True)
class Shop:
    """A team's repository on GitHub with a champion, and what its service wrote of its requests."""

    hub: Hub
    forge: GitServer
    demo: DemoRepository
    server: Server
    action: Path
    served: Path
    routed: Path

    def run(self, workflow: str, event: str) -> Run:
        # By this name the artifact's client does not take the server for a GitHub Enterprise, which it refuses.
        server = self.forge.url.replace("127.0.0.1", "github.localhost")
        return self.hub.run(
            f".github/workflows/{workflow}.yml",
            event=event,
            actions={"OWNER/mlops-ci@REF": self.action},
            variables={"MLFLOW_TRACKING_URI": self.server.uri},
            env={"GITHUB_SERVER_URL": server},
            python=Path(sys.executable).parent,
            keep=True,
            timeout=900,
        )

    def verb(self, *arguments: str) -> None:
        """Run a verb in the team's work tree, as at a desk."""
        subprocess.run(
            [sys.executable, "-m", "mlops_ci", *arguments, "--pipeline-python", sys.executable],
            cwd=self.demo.work_tree,
            env={**os.environ, "MLFLOW_TRACKING_URI": self.server.uri},
            check=True,
        )

    def history(self) -> History:
        return GitLedger(str(self.hub.remote), self.hub.folder / "ledger.git").read(MODEL)

    def canary(self) -> Canary:
        found = latest(self.history())
        assert found is not None
        return found

    def aliases(self) -> dict[str, str]:
        return dict(MlflowRegistry(self.server.uri).aliases(MODEL))

    def surge(self, since: float) -> None:
        """Serve two windows from the canary's start on; version 2 calls four of ten digits a one, version 1 one."""
        lines = ["request,time,model_version,y_true,y_pred"]
        for row in range(800):
            version = 1 + row % 2
            label = 2 + row % 8
            wrong = row // 2 % 20 < (8 if version == 2 else 1)
            moment = datetime.fromtimestamp(since + 4 * (row + 0.5) / 800, UTC)
            lines.append(f"r{row},{moment.isoformat()},{version},{label},{1 if wrong else label}")
        (self.served / "requests.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, mlflow_server: Server) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("guarded")
    served, routed = folder / "served", folder / "routed.txt"
    served.mkdir()
    with GitHub() as github:
        hub = Hub(folder, github)
        demo = demo_on_forge(hub, folder / "demo")
        shutil.copytree(WORKFLOWS, demo.work_tree / ".github" / "workflows")
        looking = demo.work_tree / ".github" / "workflows" / "canary.yml"
        shipped = looking.read_text()
        assert shipped.count(COMMENT) == 1
        looking.write_text(shipped.replace(COMMENT, f"- run: cp -R '{served}' outcomes"))
        with (demo.work_tree / "mlops-ci.yaml").open("a") as file:
            file.write(MORE.format(routed=routed))
        demo.first_version()
        with GitServer(hub.remotes, writers=[github.token]) as forge:
            action = export_action(ROOT, folder / "action")
            shop = Shop(hub, forge, demo, mlflow_server, action, served, routed)
            shop.verb("adopt", "--from-pipeline")
            yield shop
        shutil.rmtree(folder / "runs", ignore_errors=True)
        assert github.violations == []
    emptied(MlflowRegistry(mlflow_server.uri))  # the server is the whole run's


def test_a_merged_candidate_becomes_a_canary_whose_surge_the_schedule_rolls_back_once(shop: Shop) -> None:
    better, message, _ = CHANGES["better"]
    shop.demo.branch("better", better, message)
    shop.verb("check", "--target", "main")
    shop.demo.merge("better")

    promoted = shop.run("promote", "push")
    assert promoted.jobs["promote"] == "success", promoted.log
    step = promoted.step("promote", "OWNER/mlops-ci")
    assert (step.outputs["exit-code"], step.outputs.get("promoted-version", "")) == ("0", "")
    assert "version 2 is a canary with 50% of the traffic" in promoted.summary
    assert shop.aliases() == {"champion": "1", "challenger": "2"}
    assert shop.routed.read_text().split()[-1] == "1:2:0.5"

    shop.surge(shop.canary().segments[0].since)
    found = shop.run("canary", "schedule")
    assert found.jobs == {"look": "failure"}, found.log
    step = found.step("look", "look")
    assert (step.outputs["exit-code"], step.outputs["verdict"]) == ("1", "fail")
    assert (step.outputs["champion-version"], step.outputs.get("promoted-version", "")) == ("1", "")
    assert "version 2 rolled back: false_positives 5.00% -> 40.00%" in unescape(found.summary)
    assert any("version 2 rolled back" in item.text for item in step.annotations)
    report = json.loads(Path(step.outputs["report-json"]).read_text(encoding="utf-8"))
    assert report["details"]["decision"] == "rollback"
    assert found.step("look", "upload-artifact").result == "success", found.log
    assert found.step("look", "upload-artifact").outputs["artifact-id"]
    assert shop.aliases() == {"champion": "1"}
    assert shop.routed.read_text().split()[-1] == "1::0"
    history = shop.history()
    assert [(one.details["act"], one.phase) for one in history.entries if one.event == EVENT] == [
        ("start", "intent"),
        ("start", "committed"),
        ("look", "recorded"),
        ("end", "intent"),
        ("end", "committed"),
    ]
    canary = shop.canary()
    assert (canary.champion, canary.challenger, canary.outcome) == ("1", "2", "rollback")
    assert ("POST", "/octo/models/git-receive-pack", "x-access-token") in shop.forge.asked

    # The schedule goes on: there is nothing left to do, and nobody is called again.
    routed = shop.routed.read_text()
    again = shop.run("canary", "schedule")
    assert again.jobs == {"look": "success"}, again.log
    step = again.step("look", "look")
    assert (step.outputs["exit-code"], step.outputs.get("verdict", ""), step.annotations) == ("0", "", [])
    assert "version 2 rolled back" in again.summary
    assert shop.history().head == history.head
    assert (shop.routed.read_text(), shop.aliases()) == (routed, {"champion": "1"})
