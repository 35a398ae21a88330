"""The main job as its users have it: the root action in a workflow, a DVC pipeline, an MLflow server, GitHub."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from act import Hub, Run, calling, export_action
from fakes.git_server import GitServer
from fakes.github import GitHub
from forge_demo import adopt_champion, demo_on_forge
from ledger_parts import git
from mlflow_parts import Server, emptied

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.cli.demo import CHANGES
from mlops_ci.demo.repository import DemoRepository

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# The workflows that `init` writes, as they are.
WORKFLOWS = ROOT / "templates" / "workflows" / "github"
ONE_JOB, TWO_JOBS = "mlops-ci-one-job", "mlops-ci"
URI = "mlflow-tracking-uri: ${{ vars.MLFLOW_TRACKING_URI }}"
CALLER = calling("gate", "{contents: read, pull-requests: write}", URI, on="pull_request")


@dataclass(frozen=True)
class Shop:
    """A team's repository on GitHub, with a champion in MLflow."""

    hub: Hub
    demo: DemoRepository
    server: Server
    action: Path
    python: Path

    def check(self, number: int, workflow: str = ONE_JOB) -> Run:
        """Run a workflow on a pull request."""
        return self.hub.run(
            f".github/workflows/{workflow}.yml",
            number=number,
            actions={"OWNER/mlops-ci@REF": self.action},
            variables={"MLFLOW_TRACKING_URI": self.server.uri},
            python=self.python,
            keep=True,
            timeout=900,
        )

    def open(self, number: int, branch: str, edits: dict[str, tuple[str, str]]) -> None:
        """Open a pull request with some edits."""
        self.demo.branch(branch, edits, f"Try {branch}")
        self.hub.open_pull(number, branch)

    def comment(self, number: int) -> str:
        """Return the one comment of a pull request."""
        (body,) = self.hub.github.bodies(number)
        return body


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, mlflow_server: Server) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with GitHub() as github:
        hub = Hub(folder, github)
        demo = demo_on_forge(hub, folder / "demo")
        shutil.copytree(WORKFLOWS, demo.work_tree / ".github" / "workflows")
        (demo.work_tree / ".github" / "workflows" / "calling.yml").write_text(CALLER)
        (demo.work_tree / "requirements.txt").write_text("pyyaml\nscikit-learn==1.6.1\n")
        # The team's own interpreter: another scikit-learn than ours, and nothing of ours.
        subprocess.run([sys.executable, "-m", "venv", str(folder / "theirs")], check=True)
        python = folder / "theirs" / "bin"
        demo.first_version()
        adopt_champion(demo, mlflow_server.uri)
        yield Shop(hub, demo, mlflow_server, export_action(ROOT, folder / "action"), python)
        shutil.rmtree(folder / "runs", ignore_errors=True)
        assert github.violations == []
    emptied(MlflowRegistry(mlflow_server.uri))  # the server is the whole run's


def test_a_worse_model_is_blocked_and_a_better_push_updates_the_comment(shop: Shop) -> None:
    worse, _, _ = CHANGES["worse"]
    shop.open(1, "worse", worse)
    run = shop.check(1)
    step = run.step("gate", "OWNER/mlops-ci")

    assert (run.exit_code, step.outputs["verdict"], step.outputs["exit-code"]) == (1, "fail", "1")
    assert step.outputs["champion-version"] == "1"
    body = shop.comment(1)
    assert "merging this makes the model worse" in body
    assert "accuracy falls from" in body
    assert "more than the 0.020 this team accepts" in body
    assert any("accuracy falls from" in item.text for item in step.annotations)
    assert "merging this makes the model worse" in run.summary
    (number,) = shop.hub.github.comments
    report = json.loads(Path(step.outputs["report-json"]).read_text(encoding="utf-8"))
    (finding,) = report["findings"]
    assert (finding["metric"], finding["outcome"], report["source"]["pull_request"]) == (
        "accuracy",
        "worse",
        1,
    )
    assert report["lineage"]["git_commit"] == shop.hub.github.pulls[1].head

    shop.hub.commit(
        {
            "params.yaml": (shop.demo.work_tree / "params.yaml")
            .read_text()
            .replace("components: 8", "components: 30")
        },
        branch="worse",
        message="Back to 30 components",
    )
    run = shop.check(1)

    assert (run.exit_code, run.step("gate", "OWNER/mlops-ci").outputs["verdict"]) == (0, "pass")
    assert list(shop.hub.github.comments) == [number]
    assert "makes the model worse" not in shop.comment(1)
    assert f"head={shop.hub.github.pulls[1].head}" in shop.comment(1)


def test_an_equal_model_passes(shop: Shop) -> None:
    equal, _, _ = CHANGES["equal"]
    shop.open(2, "equal", equal)
    run = shop.check(2)

    assert run.exit_code == 0, run.log
    assert run.step("gate", "OWNER/mlops-ci").outputs["exit-code"] == "0"
    assert "accuracy" in shop.comment(2)


def test_a_change_of_documentation_is_unchanged_and_runs_no_stage(shop: Shop) -> None:
    shop.open(3, "docs", {"README.md": ("#", "# More words\n\n#")})
    run = shop.check(3)
    step = run.step("gate", "OWNER/mlops-ci")

    assert (run.exit_code, step.outputs["verdict"]) == (0, "pass"), run.log
    assert "Running stage" not in step.log
    assert step.outputs["exit-code"] == "0"


def test_two_jobs_block_a_worse_model_too(shop: Shop) -> None:
    worse, _, _ = CHANGES["worse"]
    shop.open(4, "worse-in-two-jobs", worse)
    run = shop.check(4, TWO_JOBS)

    assert run.jobs == {"reproduce": "success", "gate": "failure"}, run.log
    gate = run.step("gate", "mlops-ci")
    assert (gate.outputs["verdict"], gate.outputs["exit-code"]) == ("fail", "1")
    assert "Running stage 'train'" in run.step("reproduce", "OWNER/mlops-ci").log
    assert "Running stage" not in gate.log
    assert "accuracy falls from" in shop.comment(4)


def test_two_jobs_that_could_not_reproduce_say_so(shop: Shop) -> None:
    shop.open(5, "broken", {"src/train.py": ("import", "raise SystemExit('no GPU here')\nimport")})
    run = shop.check(5, TWO_JOBS)

    assert run.jobs["gate"] == "failure"
    assert "could not tell" in shop.comment(5)


def after_merge(shop: Shop, forge: GitServer, event: str) -> Run:
    """Run the promotion workflow as GitHub does after a push to main, or on its schedule."""
    return shop.hub.run(
        ".github/workflows/promote.yml",
        event=event,
        actions={"OWNER/mlops-ci@REF": shop.action},
        variables={"MLFLOW_TRACKING_URI": shop.server.uri},
        env={"GITHUB_SERVER_URL": forge.url},
        python=shop.python,
        timeout=900,
    )


def test_what_is_merged_is_promoted_and_the_schedule_finds_what_was_not(shop: Shop) -> None:
    better, _, _ = CHANGES["better"]
    shop.open(6, "better", better)
    assert shop.check(6).exit_code == 0
    for command in (
        ["switch", "--quiet", "main"],
        ["pull", "--quiet", "origin", "main"],
        ["merge", "--quiet", "--squash", "better"],
    ):
        shop.demo.run("git", *command)
    shop.demo.commit("A better model (#6)")
    shop.demo.run("git", "push", "--quiet", "origin", "main")
    merged = git(shop.hub.remote, "rev-parse", "main")

    registry = MlflowRegistry(shop.server.uri)
    with GitServer(shop.hub.remotes) as forge:
        # The promotion's job never ran: the hourly one says so, and fails to be seen.
        found = after_merge(shop, forge, "schedule")
        assert found.jobs["reconcile"] == "failure", found.log
        assert found.step("reconcile", "OWNER/mlops-ci").outputs["exit-code"] == "3"
        assert f"Commit {merged[:12]} is merged" in found.summary
        assert "it was never promoted. Run <code>mlops-ci promote</code>" in found.summary

        # A token that may not write: nothing is moved, and it is said what is missing.
        denied = after_merge(shop, forge, "push")
        assert denied.step("promote", "OWNER/mlops-ci").outputs["exit-code"] == "4", denied.log
        assert "contents: write" in denied.summary + denied.log
        assert registry.aliases("digits")["champion"] == "1"

        forge.writers.add(shop.hub.github.token)
        done = after_merge(shop, forge, "push")
        assert done.jobs["promote"] == "success", done.log
        assert done.step("promote", "OWNER/mlops-ci").outputs["promoted-version"] == "2"
        assert "version 2 is the champion" in done.summary
        assert ("POST", "/octo/models/git-receive-pack", "x-access-token") in forge.asked
        assert registry.aliases("digits") == {"champion": "2", "previous": "1"}
        assert "refs/heads/mlops-ci-ledger" in git(shop.hub.remote, "for-each-ref")

        again = after_merge(shop, forge, "schedule")
        assert again.jobs["reconcile"] == "success", again.log
        assert "ledger and registry agree, version 2 is the champion" in again.summary


def test_the_reusable_gate_blocks_a_worse_model(shop: Shop) -> None:
    worse, _, _ = CHANGES["worse"]
    shop.open(7, "worse-by-calling", worse)
    run = shop.check(7, "calling")

    assert run.exit_code == 1, run.raw[-3000:]
    assert "failure" in run.jobs.values()
    # Proven or held: the champion is the one that the test before has promoted.
    assert any(f"accuracy {word}" in shop.comment(7) for word in ("falls from", "looks"))
