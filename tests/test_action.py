"""action.yml, the command line and the workflows agree with each other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from mlops_ci.cli.main import VERBS, cli

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "templates" / "workflows").rglob("*.yml")),
]
INPUTS = {
    "command", "config", "working-directory", "evidence", "github-token", "mlflow-tracking-uri", "comment",
    "pipeline-python", "extra-packages",
}  # fmt: skip
OUTPUTS = {
    "verdict", "exit-code", "report-json", "report-html", "comment-url", "champion-version", "candidate-run-id",
    "promoted-version", "drift",
}  # fmt: skip


def test_inputs_and_outputs_are_the_promised_ones() -> None:
    assert set(ACTION["inputs"]) == INPUTS
    assert set(ACTION["outputs"]) == OUTPUTS
    assert ACTION["inputs"]["command"]["default"] == "check"
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def test_every_variable_of_the_action_is_read_by_the_command_line_or_the_set_up() -> None:
    script = (ROOT / "scripts" / "setup-action.sh").read_text()
    read = {
        name
        for verb in VERBS
        for parameter in cli.get_command(None, verb).params  # type: ignore[arg-type, union-attr]
        for name in ([parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or [])
    }
    for step in ACTION["runs"]["steps"]:
        for variable in step["env"]:
            assert variable in read or variable in script or variable in step["run"], variable


def set_up(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up with a uv that only says how it was called."""
    uv = folder / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\necho "uv $*"\n')
    uv.chmod(0o755)
    given = {"MLOPS_CI_COMMAND": "", "MLOPS_CI_EVIDENCE": "", "MLOPS_CI_TRACKING_URI": ""}
    env = {"PATH": f"{uv.parent}:/usr/bin:/bin", "RUNNER_TEMP": str(folder), "MLOPS_CI_EXTRA_PACKAGES": ""}
    return subprocess.run(
        [ROOT / "scripts" / "setup-action.sh"],
        env=env | given | more,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "extras"),
    [
        ({"MLOPS_CI_COMMAND": "promote"}, ""),
        ({"MLOPS_CI_COMMAND": "check", "MLOPS_CI_EVIDENCE": "evidence"}, ""),
        ({"MLOPS_CI_COMMAND": "reproduce", "MLOPS_CI_EVIDENCE": "evidence"}, " --extra dvc"),
        (
            {"MLOPS_CI_COMMAND": "check", "MLOPS_CI_TRACKING_URI": "sqlite:///a.db"},
            " --extra dvc --extra local",
        ),
    ],
)
def test_the_set_up_installs_what_the_command_needs(
    given: dict[str, str], extras: str, tmp_path: Path
) -> None:
    done = set_up(tmp_path, **given)
    assert (done.returncode, done.stdout.strip()) == (
        0,
        f"uv sync --quiet --locked --no-editable --project {ROOT}{extras}",
    )


def test_an_empty_array_is_no_unset_variable_to_an_old_bash() -> None:
    """`set -u` and bash before 4.4 (macOS has 3.2) make an empty array's elements an error."""
    script = (ROOT / "scripts" / "setup-action.sh").read_text()
    for name in re.findall(r"^(\w+)=\(\)$", script, re.MULTILINE):
        assert script.count(f'"${{{name}[@]}}"') == script.count(f'${{{name}[@]+"${{{name}[@]}}"}}') > 0


def test_a_windows_runner_is_told(tmp_path: Path) -> None:
    done = set_up(tmp_path, RUNNER_OS="Windows")
    assert (done.returncode, "Linux or macOS" in done.stdout) == (2, True)


def test_nothing_is_expanded_inside_a_script() -> None:
    documents = [ACTION["runs"]["steps"]]
    documents += [
        job.get("steps", [])
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
    ]
    for steps in documents:
        for step in steps:
            assert "${{" not in step.get("run", ""), step


def test_newer_data_of_one_model_do_not_cancel_anothers() -> None:
    template = yaml.safe_load((ROOT / "templates" / "workflows" / "github" / "retrain.yml").read_text())
    called = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())
    for limit in (template["concurrency"], called["jobs"]["data"]["concurrency"]):
        assert limit["cancel-in-progress"] is True
        assert "github.event.client_payload.model" in limit["group"]


def test_third_party_actions_are_pinned_by_commit() -> None:
    for path in [ROOT / "README.md", ROOT / "action.yml", *WORKFLOWS]:
        for used in re.findall(r"\buses: (\S+)", path.read_text()):
            assert re.fullmatch(r"\S+@[0-9a-f]{40}", used) or used.startswith(
                ("OWNER/mlops-ci@", "OWNER/mlops-ci/", "./")
            ), f"{path.name}: {used}"


@pytest.mark.parametrize("verb", [*VERBS])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    command = cli.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    assert f"mlops-ci {verb}" in (command.help or ""), "show how it is called"
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from mlops_ci.cli.main import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'sklearn', 'mlflow', 'dvc', 'pyarrow', 'pydantic', 'jinja2', 'requests', 'yaml'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines()[-1] == "imported: []"
    assert all(verb in done.stdout for verb in VERBS)


def test_a_check_imports_nothing_that_only_other_verbs_need() -> None:
    script = "import sys, mlops_ci.cli.gate; print(sorted({'pandas', 'sklearn', 'scipy.stats', 'mlflow', 'dvc', 'requests', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
