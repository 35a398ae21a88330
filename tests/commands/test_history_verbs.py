"""The verbs on the command line: options, exit codes, and failures that are reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from promotion_parts import Story

from mlops_ci.cli.main import cli
from mlops_ci.errors import UsageError


@pytest.fixture
def inside(story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a verb in the repository, return its exit code and its JSON report."""
    monkeypatch.chdir(story.repo.root)
    for name in ("GITHUB_ACTIONS", "GITHUB_ACTOR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        output = tmp_path / "report.json"
        output.unlink(missing_ok=True)
        code = cli.main([*arguments, "--output", str(output)], standalone_mode=False)
        return int(code or 0), json.loads(output.read_text()) if output.exists() else {}

    return run


def test_the_story_on_the_command_line(inside: Any, story: Story, tmp_path: Path) -> None:
    # The commands of the story's settings write beside the settings file here.
    code, report = inside("promote", "--dry-run")
    assert (code, report["headline"]) == (0, "classifier: would be promoted")
    assert [action["applied"] for action in report["actions"]] == [False, False, False]
    code, report = inside("promote", "--actor", "grace")
    assert (code, report["details"]["promoted_version"]) == (0, "2")
    assert (story.repo.root / "deployed.txt").read_text().split() == ["2"]
    statement = tmp_path / "statement.json"
    code, report = inside("lineage", "2", "--provenance", str(statement))
    assert report["details"]["versions"][0]["happenings"][0]["actor"] == "grace"
    assert json.loads(statement.read_text())["subject"][0]["name"] == "models:/classifier/2"
    code, report = inside("rollback", "--reason", "alarms")
    assert (code, report["headline"]) == (0, "classifier: went back from version 2 to version 1")
    code, report = inside("reconcile")
    assert (code, report["details"]["champion"]) == (0, "1")
    assert inside("promote")[0] == 3


def test_a_failure_is_a_report_with_its_exit_code(inside: Any, story: Story) -> None:
    story.registry().set_alias("classifier", "champion", "1")
    code, report = inside("promote", "--ledger", str(story.repo.root / "nowhere"))
    assert (code, report["headline"]) == (4, "classifier: promote failed")
    assert report["verdict"] == "error"


def test_wrong_usage_is_said_at_once(inside: Any) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        inside("reconcile", "--restore", "--accept")
    with pytest.raises(UsageError, match="never was champion"):
        inside("rollback", "--to", "9")


def test_from_staging_to_production_on_the_command_line(
    inside: Any, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = """\
  environments:
    staging: {champion: staging, deploy_command: null, probe_command: null}
    production: {after: staging, tracking_uri: "sqlite:///live.db"}
"""
    story.repo.write("mlops-ci.yaml", story.settings_text + more)
    story.repo.write(".gitignore", "/live.db\n/deployed.txt\n" + (story.repo.root / ".gitignore").read_text())
    story.repo.commit("environments")
    story.repo.push()
    # A job's variable is about another server than the environment's own.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert inside("promote", "--environment", "staging")[1]["headline"].endswith("version 2 is the champion")
    code, report = inside("promote", "--environment", "production")
    assert (code, report["headline"]) == (0, "classifier: version 1 is the champion")
    assert story.aliases() == {"champion": "1", "staging": "2"}
    assert (story.repo.root / "live.db").exists()
    code, report = inside("lineage", "--environment", "production", "--verify")
    assert (code, report["details"]["versions"][0]["from"]["environment"]) == (0, "staging")
    assert inside("reconcile", "--environment", "staging")[1]["details"]["champion"] == "2"
    with pytest.raises(UsageError, match="name no environment 'live'"):
        inside("rollback", "--environment", "live")
    with pytest.raises(UsageError, match="cannot be promoted from itself"):
        inside("promote", "--environment", "staging", "--from", "staging")
