"""Whether the versions of MLflow and DVC that pyproject.toml claims work: each in an environment of its own.

    python -m benchmarks.compatibility run [--only NAME] [--output FILE]    # a row that is there is replaced
    python -m benchmarks.compatibility table [--output FILE]

For each row an environment is made (uv, pinned), with mlops-ci from this checkout, and the demonstration
runs in it: a champion is adopted, a worse change is blocked, a better one passes, is promoted, rolled
back, promoted again, and the ledger verified. Rows with a server start one of the named version, and the
client of the environment talks to it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "compatibility.json"
OLDEST, NEWEST = {"mlflow": "3.1.0", "dvc": "3.66.1"}, {"mlflow": "3.17.2", "dvc": "3.67.1"}
# A team's own DVC may be older than the one that we install: before 3.66 it fails with pathspec 1.
THEIRS = "3.55.0"
# Servers are upgraded later than clients; MLflow 3's own client asks for what this one does not have.
BEFORE = "2.22.4"
# With SQLAlchemy 2.1 MLflow 3.1 does not start, in any use but over HTTP.
OF_ITS_TIME = ("setuptools<81", "sqlalchemy<2.1")
SHOWN = ("mlflow", "mlflow-skinny", "dvc", "numpy", "scikit-learn", "pyarrow", "pydantic", "sqlalchemy")


def lower_bounds() -> dict[str, str]:
    """Return the lowest version that pyproject.toml allows of each package that we need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    found = {}
    for one in map(Requirement, needed):
        (bound,) = [part.version for part in one.specifier if part.operator == ">="]
        found[one.name] = bound
    return found


@dataclass(frozen=True)
class Row:
    """Versions that work together, or do not; `server` is None for sqlite."""

    name: str
    client: str
    dvc: str
    server: str | None = None
    python: str = "3.11"
    more: tuple[str, ...] = ()
    lowest: bool = False
    works: bool = True


ROWS = (
    Row("oldest of all, sqlite", OLDEST["mlflow"], OLDEST["dvc"], more=OF_ITS_TIME, lowest=True),
    Row("newest of all, sqlite", NEWEST["mlflow"], NEWEST["dvc"]),
    Row("newest of all, Python 3.12", NEWEST["mlflow"], NEWEST["dvc"], python="3.12"),
    Row("newest of all, Python 3.13", NEWEST["mlflow"], NEWEST["dvc"], python="3.13"),
    Row("oldest client, newest server", OLDEST["mlflow"], NEWEST["dvc"], server=NEWEST["mlflow"]),
    Row("newest client, oldest server", NEWEST["mlflow"], OLDEST["dvc"], server=OLDEST["mlflow"]),
    Row("newest client, a server of MLflow 2", NEWEST["mlflow"], NEWEST["dvc"], server=BEFORE, works=False),
    Row("a team's older DVC", NEWEST["mlflow"], THEIRS, more=("pathspec<1",)),
)


def run(*command: str, folder: Path | None = None, code: int = 0, **variables: str) -> str:
    """Run a program; return what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "VIRTUAL_ENV", "PYTHON"))}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    if done.returncode != code:
        raise RuntimeError(
            f"{' '.join(command[:2])} ended with {done.returncode}: {done.stdout}{done.stderr}"[-2000:]
        )
    return done.stdout


def environment(folder: Path, python: str, *packages: str) -> Path:
    """Make an environment; return its interpreter."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    run(uv, "venv", "--quiet", "--python", python, str(folder))
    inside = folder / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", str(inside), *packages)
    return inside


@contextlib.contextmanager
def server(folder: Path, mlflow: str, python: str) -> Iterator[str]:
    """Run an MLflow server of a version on sqlite; yield its address."""
    inside = Path(sys.executable)
    if version("mlflow") != mlflow:
        inside = environment(folder / "environment", python, f"mlflow=={mlflow}", *OF_ITS_TIME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(inside), "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = f"{inside.parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **variables, "PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            uri, end = f"http://127.0.0.1:{port}", time.monotonic() + 180
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{uri}/health", timeout=2).close()
                    break
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError((folder / "server.log").read_text()[-2000:])
                time.sleep(0.5)
            yield uri
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait(30)


STORY = """
import json, os, subprocess, sys
from pathlib import Path
from mlops_ci.cli.demo import CHANGES
from mlops_ci.demo.repository import DemoRepository

def mlops(*arguments, code=0):
    command = [sys.executable, "-m", "mlops_ci", *arguments]
    done = subprocess.run(command, cwd=demo.work_tree, capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout

demo = DemoRepository(Path(sys.argv[1]))
demo.make()
demo.first_version()
python = ["--pipeline-python", sys.executable]
mlops("adopt", "--from-pipeline", *python)
for name, code in (("worse", 1), ("better", 0)):
    edits, message, _ = CHANGES[name]
    demo.branch(name, edits, message)
    mlops("check", "--target", "main", *python, code=code)
    demo.run("git", "checkout", "--quiet", "--force", ".")
    demo.run("git", "switch", "--quiet", "main")
demo.run("git", "merge", "--quiet", "--squash", "better")
demo.commit("A better model (#1)")
demo.run("git", "push", "--quiet")
assert "version 2 is the champion" in mlops("promote")
assert "from version 2 to version 1" in mlops("rollback", "--reason", "a test")
mlops("promote", code=3)
assert "version 2 is the champion" in mlops("promote", "--again", "a test")
assert "agree" in mlops("lineage", "--verify")
assert "ledger and registry agree" in mlops("reconcile")
"""


def packages(one: Row) -> list[str]:
    """Return what one row's environment is made of: the lowest of all that we need, or today's."""
    local = "mlflow-skinny" if one.server is not None else "mlflow"
    pins = {"mlflow-skinny": one.client, local: one.client, "dvc": one.dvc}
    if one.lowest:
        pins = lower_bounds() | pins
    return [str(ROOT), *(f"{name}=={version}" for name, version in pins.items()), *one.more]


def row(one: Row, folder: Path) -> dict[str, Any]:
    """Run the story with one row's versions; return what came of it."""
    started = time.monotonic()
    found: dict[str, Any] = {"row": one.name, "client": one.client, "dvc": one.dvc, "python": one.python}
    found |= {"server": one.server or "sqlite", "pins": list(one.more)}
    try:
        inside = environment(folder / "environment", one.python, *packages(one))
        listed = run(shutil.which("uv") or "uv", "pip", "list", "--format", "json", "--python", str(inside))
        found["installed"] = {p["name"]: p["version"] for p in json.loads(listed) if p["name"] in SHOWN}
        with contextlib.ExitStack() as stack:
            variables = {"PATH": f"{inside.parent}{os.pathsep}{os.environ['PATH']}"}
            if one.server is not None:
                (folder / "server").mkdir()
                variables["MLFLOW_TRACKING_URI"] = stack.enter_context(
                    server(folder / "server", one.server, one.python)
                )
            run(str(inside), "-c", STORY, str(folder / "demo"), folder=folder, **variables)
        found["outcome"] = "works"
    except RuntimeError as error:
        found["outcome"] = str(error).replace(str(folder), "")
    return found | {"seconds": round(time.monotonic() - started)}


def table(figures: list[dict[str, Any]]) -> str:
    """Return the matrix in Markdown."""
    lines = ["| | client | server | DVC | Python | outcome |", "|:--|:--|:--|:--|:--|:--|"]
    for one in figures:
        outcome = "works" if one["outcome"] == "works" else "does not"
        cells = (one["row"], one["client"], one["server"], one["dvc"], one["python"], outcome)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def stored(path: Path) -> list[dict[str, Any]]:
    """Return the rows that ran, in the matrix' order."""
    found = {one["row"]: one for one in json.loads(path.read_text())} if path.exists() else {}
    return [found[one.name] for one in ROWS if one.name in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--only", default="", help="rows whose name has this")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.what == "table":
        print(table(stored(options.output)), end="")
        return
    failed = False
    for one in ROWS:
        if options.only not in one.name:
            continue
        with tempfile.TemporaryDirectory() as name:
            found = row(one, Path(name))
        print(json.dumps(found, indent=1).replace("\\n", "\n"), flush=True)
        failed |= (found["outcome"] == "works") != one.works
        kept = {each["row"]: each for each in stored(options.output)} | {one.name: found}
        rows = [kept[each.name] for each in ROWS if each.name in kept]
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
