"""The reusable workflows, called as `OWNER/mlops-ci/.github/workflows/NAME.yml@REF`, with a stand-in for the action."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from act import REUSABLE, Hub, calling
from fakes.github import GitHub

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
# Says what it was given, leaves evidence, and ends as a check of a worse model does.
STAND_IN = {
    **ACTION,
    "outputs": {
        name: {**one, "value": f"${{{{ steps.run.outputs.{name} }}}}"}
        for name, one in ACTION["outputs"].items()
    },
    "runs": {
        "using": "composite",
        "steps": [
            {
                "id": "run",
                "shell": "bash",
                "env": {
                    "VERB": "${{ inputs.command }}",
                    "EVIDENCE": "${{ inputs.evidence }}",
                    "TOKEN": "${{ inputs.github-token }}",
                    "URI": "${{ inputs.mlflow-tracking-uri }}",
                    "CONFIG": "${{ inputs.config }}",
                },
                "run": 'echo "verb=$VERB uri=$URI none=$([ "$TOKEN" = none ] && echo yes || echo no) mlflow=${MLFLOW_TRACKING_TOKEN:-nothing} key=$([ "$AWS_ACCESS_KEY_ID" = a-key ] && echo yes || echo no) config=$CONFIG'
                ' model=${MLOPS_CI_MODEL:-all} app=$([ "$TOKEN" = of-an-app ] && echo yes || echo no) brought=$(cat brought 2>/dev/null)"\n'
                'if [ "$VERB" = reproduce ]; then mkdir -p "$EVIDENCE" && echo bundle >"$EVIDENCE/manifest.json"; exit 0; fi\n'
                'if [ "$VERB" = check ]; then cat "$EVIDENCE/manifest.json"; echo "verdict=fail" >>"$GITHUB_OUTPUT"; exit 1; fi\n'
                'touch "$RUNNER_TEMP/page.html"; echo "report-html=$RUNNER_TEMP/page.html" >>"$GITHUB_OUTPUT"\n'
                'echo "promoted-version=7" >>"$GITHUB_OUTPUT"',
            }
        ],
    },
}
URI = "mlflow-tracking-uri: http://mlflow.example"
CHANGES = "{contents: write, pull-requests: write}"
SECRET = "    secrets:\n      MLFLOW_TRACKING_TOKEN: very-secret\n"


# Of each further workflow: what its caller gives, the event, and what its steps are to say.
MODEL_EVENT = {"action": "mlops-ci-retrain", "client_payload": {"model": "suns"}}
SAYS = "uri=http://mlflow.example none=no mlflow=***"  # a secret is not shown
WATCHING = {
    "canary": (
        "{contents: write}",
        'outcomes: test "$AWS_ACCESS_KEY_ID" = a-key && echo requests >brought',
        [f"verb=canary look {SAYS} key=yes config=models.yaml model=all app=no brought=requests"],
    ),
    "monitor": (
        "{contents: write, issues: write}",
        "production: echo rows >brought",
        [
            f"verb=monitor {SAYS} key=no config=models.yaml model=all app=no brought=rows",
            f"verb=retrain {SAYS} key=no config=models.yaml model=all app=no brought=rows",
        ],
    ),
    "retrain": (
        "{contents: write, pull-requests: write}",
        "newer-data: echo newer >brought",
        [f"verb=data {SAYS} key=yes config=models.yaml model=suns app=yes brought=newer"],
    ),
}


@pytest.fixture
def hub(tmp_path: Path, github: GitHub) -> Hub:
    made = Hub(tmp_path, github)
    files = {
        f".github/workflows/{name}.yml": calling(name, CHANGES, URI, on="[pull_request, push]") + SECRET
        for name in ("gate", "promote")
    }
    files |= {
        f".github/workflows/{name}.yml": calling(name, granted, URI, "config: models.yaml", given)
        + "    secrets: inherit\n"
        for name, (granted, given, _) in WATCHING.items()
    }
    made.commit({"requirements.txt": "", **files}, message="base")
    made.commit({"data.txt": "new\n"}, branch="change")
    made.open_pull(7, "change")
    action = tmp_path / "action"
    shutil.copytree(ROOT / ".github", action / ".github")
    (action / "action.yml").write_text(yaml.safe_dump(STAND_IN))
    return made


def test_the_gate_in_two_jobs(hub: Hub, tmp_path: Path) -> None:
    run = hub.run(".github/workflows/gate.yml", number=7, actions={"OWNER/mlops-ci@REF": tmp_path / "action"})
    assert run.exit_code == 1, run.raw[-3000:]
    lines = [line for line in run.raw.splitlines() if "verb=" in line and "raw_output" in line]
    assert any("verb=reproduce uri= none=yes mlflow=nothing" in line for line in lines), run.raw[-3000:]
    # The second job has the address and the credential, and the first one's evidence.
    assert any("verb=check uri=http://mlflow.example none=no" in line for line in lines), lines
    assert "bundle" in run.log


def test_promotion(hub: Hub, tmp_path: Path) -> None:
    run = hub.run(
        ".github/workflows/promote.yml", event="push", actions={"OWNER/mlops-ci@REF": tmp_path / "action"}
    )
    assert run.exit_code == 0, run.log
    assert any("verb=promote uri=http://mlflow.example" in line for line in run.raw.splitlines())


@pytest.mark.parametrize("name", WATCHING)
def test_what_watches_production(name: str, hub: Hub, tmp_path: Path) -> None:
    run = hub.run(
        f".github/workflows/{name}.yml",
        event="repository_dispatch" if name == "retrain" else "schedule",
        payload=hub.event("repository_dispatch", **MODEL_EVENT) if name == "retrain" else None,
        actions={"OWNER/mlops-ci@REF": tmp_path / "action"},
        secrets={
            "MLFLOW_TRACKING_TOKEN": "very-secret",
            "AWS_ACCESS_KEY_ID": "a-key",
            "MLOPS_CI_TOKEN": "of-an-app",
        },
    )
    assert run.exit_code == 0, run.raw[-3000:]
    lines = [line for line in run.raw.splitlines() if "verb=" in line and "raw_output" in line]
    for said in WATCHING[name][2]:
        assert any(said in line for line in lines), lines
    assert len(lines) == len(WATCHING[name][2])


def test_each_is_called_by_somebody() -> None:
    assert {"gate", "promote", *WATCHING} == set(REUSABLE)
    named = {
        path.stem
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        if "workflow_call" in path.read_text()
    }
    assert named == set(REUSABLE)
