"""The GitHub forge inside a runner: what it writes is what the runner takes, and foreign output is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from act import Hub, Run
from fakes.github import GitHub

pytestmark = pytest.mark.e2e

DELIVER = """
import os
from dataclasses import replace
from mlops_ci.adapters.forges.github import GitHubForge
from mlops_ci.adapters.forges.github_actions import ActionsConsole
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result

console = ActionsConsole()
forge = GitHubForge(token=os.environ["TOKEN"], console=console, comment="always")
console.mask("hush-hush")
forge.announce("Checking.", key="check malware")
with console.group("train"):
    console.untrusted("::error::forged annotation\\n")
    console.untrusted("::set-output name=verdict::pass\\n")
    console.untrusted("::add-mask::recall\\n")
console.info("::error::forged by a name, hush-hush")
report = Report(command="check", model="malware", verdict=Result.FAIL, exit_code=1, headline="recall fell")
report = replace(report, source=forge.source())
rendered = {"markdown": "# Blocked\\n\\nin full", "comment": "# Blocked", "text": "Blocked", "json": "{}"}
url = forge.publish(report, rendered, key="check malware")
forge.outputs({"verdict": "fail", "comment-url": url or "", "text": "a\\nEOF\\nverdict=pass"})
raise SystemExit(report.exit_code)
"""
WORKFLOW = """
on: [pull_request, pull_request_target, workflow_run, merge_group]
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: check
        run: exec "$PYTHON" deliver.py
        env:
          TOKEN: ${{ secrets.GITHUB_TOKEN }}
"""


@pytest.fixture
def hub(tmp_path: Path, github: GitHub) -> Hub:
    made = Hub(tmp_path, github)
    made.commit({"deliver.py": DELIVER, ".github/workflows/check.yml": WORKFLOW})
    made.commit({"data.txt": "new\n"}, branch="change")
    made.open_pull(7, "change")
    return made


def run(hub: Hub, **values: object) -> Run:
    env = {"PYTHON": sys.executable}
    return hub.run(".github/workflows/check.yml", env=env, **values)  # type: ignore[arg-type]


def test_a_report_reaches_the_comment_the_summary_annotations_and_outputs(hub: Hub) -> None:
    done = run(hub, number=7)
    check = done.step("gate", "check")

    assert (done.exit_code, check.result) == (1, "failure")
    (body,) = hub.github.bodies(7)
    assert body.endswith("# Blocked")
    assert f"head={hub.github.pulls[7].head}" in body
    assert done.summary == "# Blocked\n\nin full\n\n"
    assert [(item.level, item.text) for item in check.annotations] == [("error", "recall fell")]
    assert check.outputs["verdict"] == "fail"
    assert check.outputs["text"] == "a\nEOF\nverdict=pass"
    assert check.outputs["comment-url"].startswith("https://github.example/octo/models/pull/7#issuecomment-")
    assert "::error::forged annotation" in check.log

    hub.commit({"data.txt": "newer\n"}, branch="change")
    again = run(hub, number=7)
    (updated,) = hub.github.bodies(7)
    assert updated != body
    assert again.step("gate", "check").outputs["comment-url"] == check.outputs["comment-url"]


def test_a_fork_is_reported_on_from_a_workflow_run(hub: Hub) -> None:
    hub.github.add_pull(9, "1" * 40, head_repository="eve/models", branch="patch", author="eve")
    started_by = {
        "event": "pull_request",
        "head_sha": "1" * 40,
        "head_branch": "patch",
        "head_repository": {"full_name": "eve/models"},
        "pull_requests": [],
    }
    done = run(hub, event="workflow_run", payload=hub.event("workflow_run", workflow_run=started_by))

    assert done.step("gate", "check").outputs["verdict"] == "fail"
    assert len(hub.github.bodies(9)) == 1
    assert "head=" + "1" * 40 in hub.github.bodies(9)[0]


def test_pull_request_target_is_about_the_head(hub: Hub) -> None:
    run(hub, event="pull_request_target", number=7)
    assert f"head={hub.github.pulls[7].head}" in hub.github.bodies(7)[0]


def test_a_merge_group_has_a_summary_and_no_comment(hub: Hub) -> None:
    group = {"head_sha": "2" * 40, "base_sha": "3" * 40, "base_ref": "refs/heads/main"}
    done = run(hub, event="merge_group", payload=hub.event("merge_group", merge_group=group))

    assert done.summary == "# Blocked\n\nin full\n\n"
    assert hub.github.comments == {}


def test_a_read_only_token_leaves_the_report_in_the_summary(hub: Hub) -> None:
    hub.github.grants.clear()
    done = run(hub, number=7)

    assert done.step("gate", "check").outputs["verdict"] == "fail"
    assert "pull-requests: write" in done.summary
    assert done.summary.endswith("# Blocked\n\nin full\n\n")
