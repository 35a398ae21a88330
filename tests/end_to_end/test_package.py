"""From sdist to wheel to a clean environment: the package brings its templates along."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Finding, Outcome, Result

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv", "--quiet"]


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_a_wheel_made_from_the_sdist_renders_every_format(tmp_path: Path) -> None:
    run(*UV, "build", "--out-dir", str(tmp_path / "dist"), str(ROOT), cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (_,) = (tmp_path / "dist").glob("*.tar.gz")
    run(*UV, "venv", "--python", sys.executable, str(tmp_path / "env"), cwd=tmp_path)
    python = str(tmp_path / "env" / "bin" / "python")
    run(*UV, "pip", "install", "--python", python, str(wheel), cwd=tmp_path)
    finding = Finding(metric="accuracy", outcome=Outcome.WORSE, champion=0.9, candidate=0.8, difference=-0.1)
    report = Report(
        command="check", model="m", verdict=Result.FAIL, exit_code=1, headline="worse", findings=[finding]
    )
    (tmp_path / "report.json").write_text(json.dumps(report.to_dict()))
    command = [str(tmp_path / "env" / "bin" / "mlops-ci"), "report", "report.json", "--format"]
    for form in ("text", "markdown", "html", "json"):
        assert "worse" in run(*command, form, cwd=tmp_path)
    place = run(python, "-c", "import mlops_ci.render as r; print(r.template_folder())", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(tmp_path / "env")
    for name in (
        "demo/dvc.yaml",
        "demo-loop/hours.csv.gz",
        "workflows/github/mlops-ci.yml",
        "report/check.md.j2",
    ):
        assert (Path(place) / name).is_file()
