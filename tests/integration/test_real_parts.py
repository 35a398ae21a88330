"""The whole story on real services: PostgreSQL, S3 for artifacts and for data, two clones of one remote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo, search_path
from real_parts import mlflow_on, postgres, s3_environment, s3_store

pytestmark = pytest.mark.e2e

SETTINGS = """\
registry: {model: classifier}
pipeline: {targets: [evaluate]}
candidate: {model: models}
evaluation: {predictions: reports/predictions.csv, score: null}
metrics:
  accuracy: {margin: 0.1}
"""


@dataclass(frozen=True)
class Clone:
    """A clone of the team's remote, with the services' addresses."""

    repo: DvcRepo
    uri: str
    environment: dict[str, str]

    def mlops(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run our command as a user does; return its JSON report."""
        output = self.repo.root.parent / f"report-{time.monotonic_ns()}.json"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "GITHUB_"))}
        environment |= self.environment | {"MLFLOW_TRACKING_URI": self.uri, "PATH": search_path()}
        done = subprocess.run(
            [sys.executable, "-m", "mlops_ci", *arguments, "--output", str(output)],
            cwd=self.repo.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        report: dict[str, Any] = json.loads(output.read_text()) if output.exists() else {}
        return report

    def dvc(self, *arguments: str) -> None:
        self.repo.run(sys.executable, "-m", "dvc", *arguments, environment=self.environment)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    folder = tmp_path_factory.mktemp("services")
    with s3_store(folder) as port, postgres(folder) as database:
        environment = s3_environment(port)
        with mlflow_on(database, "s3://mlflow/artifacts", folder, environment) as server:
            yield server.uri, port


@pytest.fixture
def clones(tmp_path: Path, dvc_template: DvcRepo, services: tuple[str, int]) -> tuple[Clone, Clone]:
    """Ada's clone, which has the data, and a CI's, which has nothing."""
    uri, port = services
    environment = {name: value for name, value in s3_environment(port).items() if name.startswith("AWS_")}
    ada = Clone(copy_dvc_repo(dvc_template, tmp_path / "team"), uri, environment)
    url = f"http://127.0.0.1:{port}"
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = s3://dvc/data\n    endpointurl = {url}\n"
    ada.repo.write(".dvc/config", config)
    ada.repo.write("mlops-ci.yaml", SETTINGS)
    ada.repo.edit("params.yaml", "0.5", "0.45")
    ada.dvc("repro", "-q")
    ada.dvc("push", "-q")
    ada.repo.commit("On S3, with a threshold of 0.45")
    ada.repo.push()
    return ada, Clone(ada.repo.clone("ci"), uri, environment)


def test_check_squash_promote_and_rollback_on_real_services(clones: tuple[Clone, Clone]) -> None:
    ada, ci = clones
    ada.mlops("adopt", "--from-pipeline", "--pipeline-python", sys.executable)

    # A pull request: the pipeline is reproduced and judged in a clone that has no data.
    ada.repo.git("switch", "-q", "-c", "better")
    ada.repo.edit("params.yaml", "0.45", "0.5")
    judged = ada.repo.commit("A better threshold")
    ada.repo.push("better")
    ci.repo.git("fetch", "-q", "origin")
    ci.repo.git("switch", "-q", "better")
    report = ci.mlops("check", "--target", "main", "--pipeline-python", sys.executable)
    assert report["verdict"] == "pass", report
    ci.repo.git("checkout", "-q", "-f", "main")

    # The merge: squashed, so that the commit that was judged is nowhere on main.
    ada.repo.git("switch", "-q", "main")
    ada.repo.git("merge", "-q", "--squash", "better")
    merged = ada.repo.commit("A better threshold (#7)")
    ada.repo.push()
    ci.repo.git("pull", "-q", "origin", "main")
    assert ci.repo.git("rev-parse", "HEAD") == merged != judged

    promoted = ci.mlops("promote", "--actor", "ci-bot")
    assert promoted["headline"] == "classifier: version 2 is the champion"
    assert ci.mlops("promote", "--actor", "ci-bot")["headline"].endswith("is the champion already")

    # From the other clone: what is this, and back.
    told = ada.mlops("lineage", judged[:12], "--verify")
    (version,) = told["details"]["versions"]
    assert (version["version"], version["commit"], version["candidate_commit"]) == ("2", merged, judged)
    assert told["details"]["ledger"]["verified"] is True
    start = time.monotonic()
    back = ada.mlops("rollback", "--reason", "false alarms", "--actor", "ada")
    took = time.monotonic() - start
    assert back["headline"] == "classifier: went back from version 2 to version 1"
    assert took < 60
    held = ci.mlops("promote", code=3)
    assert "rolled back by ada (false alarms)" in held["headline"]
    again = ci.mlops("promote", "--again", "the alarms were right")
    assert again["headline"] == "classifier: version 2 is the champion"
    whole = ada.mlops("lineage", "--verify")
    assert [event["what"] for event in whole["details"]["versions"][1]["happenings"]] == [
        "promoted",
        "rolled back",
        "promoted",
    ]
    assert ada.mlops("reconcile")["headline"].endswith("ledger and registry agree, version 2 is the champion")
