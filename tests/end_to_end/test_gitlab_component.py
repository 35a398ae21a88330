"""The GitLab component, run by gitlab-ci-local: two real jobs, a note on the merge request, JUnit."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fakes.gitlab import GitLab

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / ".cache" / "end_to_end" / "browser" / "node_modules" / ".bin" / "gitlab-ci-local"
INCLUDE = "stages: [test]\ninclude:\n  - local: ci/mlops-ci.yml\n    inputs:\n      install: 'true'\n"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.skipif(
    not RUNNER.exists() or not shutil.which("rsync"), reason="run tests/end_to_end/setup.sh first"
)
def test_a_worse_model_fails_the_pipeline_and_is_told_on_the_merge_request(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    subprocess.run(
        [binaries / "mlops-ci", "demo", "--dir", tmp_path / "demo"], check=True, capture_output=True
    )
    repository = tmp_path / "demo" / "repository"
    git(repository, "checkout", "-f", "worse")
    (repository / "ci").mkdir()
    shutil.copy(ROOT / "templates" / "gitlab" / "template.yml", repository / "ci" / "mlops-ci.yml")
    (repository / ".gitlab-ci.yml").write_text(INCLUDE)
    git(repository, "add", "-A")
    git(repository, "commit", "-m", "ci")
    with GitLab() as gitlab:
        variables = gitlab.environment(repository) | {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_COMMIT_SHA": git(repository, "rev-parse", "HEAD"),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(repository, "rev-parse", "main"),
            "MLOPS_CI_GITLAB_TOKEN": "t",
            "MLFLOW_TRACKING_URI": f"sqlite:///{repository}/mlflow.db",
        }
        del variables["CI_PROJECT_DIR"]
        given = [part for name, value in variables.items() for part in ("--variable", f"{name}={value}")]
        done = subprocess.run(
            [RUNNER, "--force-shell-executor", *given],
            cwd=repository, capture_output=True, text=True, timeout=600, check=False,
            env={"HOME": str(tmp_path), "PATH": f"{binaries}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert "PASS  mlops-ci-reproduce" in done.stdout
        assert "FAIL  mlops-ci-check" in done.stdout
        (body,) = gitlab.bodies()
    assert "merging this makes the model worse: accuracy" in body
    (report,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("*.junit.xml")
    assert ET.parse(report).getroot()[0].get("failures") == "1"
    (outputs,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("mlops-ci.env")
    assert "MLOPS_CI_VERDICT=fail\n" in outputs.read_text()
    (metrics,) = (repository / ".gitlab-ci-local" / "artifacts").rglob("metrics.txt")
    assert 'mlops_ci_exit_code{model="digits"} 1\n' in metrics.read_text()
