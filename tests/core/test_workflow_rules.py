"""The pitfalls of workflows that `doctor` finds, each on the workflow that `init` writes with one edit."""

from pathlib import Path

import pytest
import yaml

from mlops_ci.core.onboarding.workflow_rules import check_workflow
from mlops_ci.core.onboarding.workflows import Values, filled

ROOT = Path(__file__).parents[2]
ACTION = "acme/mlops-ci@" + "a" * 40
TWO_JOBS = filled(
    (ROOT / "templates/workflows/github/mlops-ci.yml").read_text(), Values(action=ACTION, schemes=("s3",))
)
CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"


def states(text: str) -> dict[str, str]:
    return {check.message: check.state for check in check_workflow("w.yml", yaml.safe_load(text))}


@pytest.mark.parametrize(
    "name", ["mlops-ci.yml", "mlops-ci-one-job.yml", "mlops-ci-forks.yml", "mlops-ci-gate.yml", "promote.yml"]
)
def test_what_init_writes_has_no_pitfall(name: str) -> None:
    text = filled(
        (ROOT / "templates/workflows/github" / name).read_text(), Values(action=ACTION, schemes=("s3",))
    )
    assert states(text) == {"runs mlops-ci, and has none of the known pitfalls": "ok"}


@pytest.mark.parametrize(
    ("old", "new", "state", "said"),
    [
        ("  pull_request:\n", "  pull_request:\n    paths: [src/**]\n", "failed", "pending for ever"),
        ("  pull_request:\n", "  pull_request_target:\n", "failed", "gives the secrets"),
        (", edited]", "]", "warning", "keeps the verdict on the old one"),
        ("  merge_group:\n", "", "warning", "merge queue"),
        ("    if: always()\n    runs-on", "    runs-on", "failed", "a skipped check counts as passed"),
        ("    if: always()\n    runs-on", "    if: github.actor != 'ada'\n    runs-on", "failed", "is skipped when"),
        ("  gate:\n", "  gate:\n    continue-on-error: true\n", "failed", "blocks nothing"),
        ("      pull-requests: write\n", "", "failed", "may not comment"),
        ("          fetch-depth: 0\n", "", "failed", "checks out one commit"),
        ("          persist-credentials: false\n", "", "warning", "leaves its token"),
        (CHECKOUT, "actions/checkout@v5", "warning", "a tag can be moved"),
        (ACTION, "OWNER/mlops-ci@REF", "failed", "still says OWNER/mlops-ci@REF"),
        ("secrets.DVC_AWS_ACCESS_KEY_ID", "secrets.MLFLOW_TRACKING_TOKEN", "warning", "holds a secret"),
        ("permissions: {}", "", "ok", "none of the known pitfalls"),
        ("      contents: read\n      pull-requests: write\n", "      contents: write\n      pull-requests: write\n", "warning", "may push"),
    ],
)  # fmt: skip
def test_each_pitfall_is_found(old: str, new: str, state: str, said: str) -> None:
    assert old in TWO_JOBS
    found = states(TWO_JOBS.replace(old, new))
    assert [one for message, one in found.items() if said in message] in ([state], [state, state]), found


def test_a_workflow_of_something_else_is_left_alone() -> None:
    assert check_workflow("ci.yml", yaml.safe_load("on: push\njobs: {a: {steps: [{run: make}]}}")) == []
    assert check_workflow("ci.yml", ["no", "workflow"]) == []


def test_a_call_of_the_reusable_gate_is_judged_too() -> None:
    text = "on: pull_request\njobs: {a: {permissions: {contents: read}, uses: acme/mlops-ci/.github/workflows/gate.yml@v1}}"
    found = states(text)
    assert found.pop("job `a` may not comment on pull requests") == "failed"
    assert set(found.values()) == {"warning"}  # no `edited`, no merge_group, a tag
    assert len(found) == 3


def test_a_script_that_calls_the_check_is_found_too() -> None:
    text = "on: {pull_request: {paths: [x]}}\njobs: {a: {steps: [{run: mlops-ci check}]}}"
    assert any("pending for ever" in message for message in states(text))
