"""The canary's verbs on the command line: settings, wiring, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from canary_parts import CANARY
from promotion_parts import Story

from mlops_ci.cli.main import cli
from mlops_ci.errors import UsageError


def test_a_canary_from_the_command_line(
    story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(story.repo.root)
    for name in ("GITHUB_ACTIONS", "GITHUB_ACTOR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        output = tmp_path / "report.json"
        code = cli.main(["canary", *arguments, "--output", str(output)], standalone_mode=False)
        return int(code or 0), json.loads(output.read_text())

    code, report = run("status")
    assert (code, report["headline"]) == (0, "classifier: there is no canary")
    with pytest.raises(UsageError, match="no canary is set up for 'classifier'"):
        run("look")
    with pytest.raises(UsageError, match="no canary of 'classifier' is running"):
        run("stop")
    story.repo.write("mlops-ci.yaml", story.settings_text + CANARY)
    story.repo.commit("Guard it")
    story.repo.push()
    code, report = run("start", "--actor", "grace")
    assert (code, report["headline"]) == (0, "classifier: version 2 is a canary with 5% of the traffic")
    code, report = run("look")
    assert (code, report["details"]["decision"], report["details"]["canary"]["windows"]) == (0, "continue", 0)
    code, report = run("stop", "--reason", "enough seen")
    assert report["headline"] == "classifier: the canary of version 2 was stopped: enough seen"
    assert story.aliases() == {"champion": "1"}
    code, report = run("look")
    assert (code, report["details"]["canary"]["outcome"]) == (0, "stop")
