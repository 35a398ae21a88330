"""No verb imports what it does not use: what is loaded after its `--help`, and after it has done its work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sample_reports import STATES

from mlops_ci.cli.main import VERBS
from mlops_ci.render import render

WATCHED = {
    "numpy", "pandas", "scipy", "scipy.stats", "sklearn", "mlflow", "dvc", "pyarrow", "pyarrow.dataset", "pydantic", "jinja2", "requests", "yaml",
    "rich", "pyspark", "matplotlib",
}  # fmt: skip
# What every verb on a repository needs: its settings, and the gate. The others load nothing for their help.
REPOSITORY = {"numpy", "scipy", "pyarrow", "pydantic", "yaml"}
LIGHT = {"compare", "plan", "drift", "profile", "report"}
ROWS = "id,y_true,y_pred\n" + "".join(f"{i},{i % 2},{i % 2}\n" for i in range(60))


def loaded(folder: Path, *arguments: str) -> set[str]:
    """Return what a call of the command line has loaded of what is watched."""
    script = (
        "import contextlib, io, json, sys\n"
        f"sys.argv = ['mlops-ci', *{list(arguments)!r}]\n"
        "from mlops_ci.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try: main()\n"
        "    except SystemExit as ended: assert not ended.code, ended.code\n"
        f"print(json.dumps([name for name in {sorted(WATCHED)!r} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_no_service_and_no_heavy_library(verb: str, tmp_path: Path) -> None:
    allowed = set() if verb in LIGHT else REPOSITORY | {"jinja2"}
    assert loaded(tmp_path, verb, "--help") <= allowed


@pytest.mark.parametrize(("arguments", "expected"), [
    # scipy.stats takes half a second: a table of quantiles is needed for paired t only
    (["compare", "a.csv", "b.csv", "--metric", "accuracy=0.1"], {"numpy", "scipy", "pyarrow", "pydantic", "yaml", "jinja2"}),
    (["plan", "--margin", "0.01", "--disagreement", "0.06"], {"numpy", "scipy", "jinja2"}),
    (["report", "report.json"], {"pydantic", "jinja2"}),
    (["report", "report.json", "--output", "report.html"], {"pydantic", "jinja2"}),
    (["profile", "a.csv", "-o", "profile.json"], {"numpy", "pyarrow", "jinja2", "pyarrow.dataset"}),
    (["drift", "a.csv", "b.csv"], {"numpy", "scipy", "pyarrow", "jinja2", "pyarrow.dataset"}),
], ids=lambda value: " ".join(value[:1]) if isinstance(value, list) else "")  # fmt: skip
def test_a_verb_at_work_loads_only_what_it_uses(
    arguments: list[str], expected: set[str], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    (tmp_path / "b.csv").write_text(ROWS)
    (tmp_path / "report.json").write_text(render(STATES["fail"], "json"))
    assert loaded(tmp_path, *arguments) <= expected


def test_completion_answers_without_loading_any_verb(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['mlops-ci']\n"
        "from mlops_ci.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {sorted({module for module, _ in VERBS.values()})!r} if 'mlops_ci.cli.' + name in sys.modules])"
    )
    env = {"_MLOPS_CI_COMPLETE": "bash_complete", "COMP_WORDS": "mlops-ci re", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env, cwd=tmp_path
    )
    *found, modules = done.stdout.splitlines()
    assert found == [f"plain,{verb}" for verb in VERBS if verb.startswith("re")]
    assert modules == "[]"
    env |= {"COMP_WORDS": "mlops-ci plan --mar", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env, cwd=tmp_path
    )
    assert done.stdout.splitlines()[0] == "plain,--margin"
