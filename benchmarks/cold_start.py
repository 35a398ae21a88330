# ruff: noqa: E501 (installs and the page as they are written)
"""Cold and warm start of the action through its own steps, beside documented installs of its peers, in one run.

    python -m benchmarks.cold_start --output docs/benchmarks/cold_start.md

Each contender is installed into an empty folder: cold, with empty caches, and warm, with what the cold run left in
them. Then it is started. CPU counts the installer and all its children: on a busy machine it is what can be compared.
Footprint is what stands on the disk afterwards, without caches. A contender that cannot be installed here says why.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PASSED = (
    "PIP_",
    "UV_INDEX",
    "UV_DEFAULT",
    "NPM_",
    "SSL_",
    "REQUESTS_",
    "NODE_EXTRA",
    "HTTP",
    "http",
    "no_proxy",
)


@dataclass(frozen=True)
class Contender:
    """One way to get a tool onto a runner: how it is documented to be installed, and what shows that it starts."""

    name: str
    install: str
    start: str
    uv: bool = False


ACTION = 'RUNNER_TEMP="$PWD" MLOPS_CI_COMMAND={verb} MLOPS_CI_EVIDENCE=e MLOPS_CI_TRACKING_URI= MLOPS_CI_EXTRA_PACKAGES= '
ACTION += str(ROOT / "scripts" / "setup-action.sh")
PYTHON = "mlops-ci/env/bin/python -I -m mlops_ci {verb} --help"
CONTENDERS = (
    Contender("mlops-ci: the job that decides (`check --evidence`)", ACTION.format(verb="check"), PYTHON.format(verb="check")),
    Contender("the same, where the runner has uv already", ACTION.format(verb="check"), PYTHON.format(verb="check"), uv=True),
    Contender("mlops-ci: the job that reproduces (brings DVC)", ACTION.format(verb="reproduce"), PYTHON.format(verb="reproduce")),
    Contender(
        "CML (`npm install @dvcorg/cml`)",
        "npm install --no-audit --no-fund --prefix cml @dvcorg/cml 2>&1 | grep -v 'complete log' | head -2 >&2; test -d cml/node_modules/@dvcorg",
        "cml/node_modules/.bin/cml --version",
    ),
    Contender("DVC, which CML's guide adds (`pip install dvc`)", "python3 -m venv dvc && dvc/bin/pip install -q dvc", "dvc/bin/dvc --version"),
    Contender(
        "Evidently (`pip install evidently 'pandas<3'`: with pandas 3 it does not import)",
        "python3 -m venv evidently && evidently/bin/pip install -q evidently 'pandas<3'",
        "evidently/bin/python -c 'import evidently; from evidently import Report'",
    ),
    Contender(
        "MLflow's validation (`pip install mlflow`)",
        "python3 -m venv mlflow && mlflow/bin/pip install -q mlflow",
        "mlflow/bin/python -c 'from mlflow import validate_evaluation_results'",
    ),
    Contender("GTO (`pip install gto`)", "python3 -m venv gto && gto/bin/pip install -q gto", "gto/bin/gto --version"),
)  # fmt: skip


@dataclass(frozen=True)
class Took:
    """What one command took; `problem` says why it failed."""

    wall: float
    cpu: float
    problem: str = ""


def run(command: str, folder: Path, home: Path) -> Took:
    """Run a command with a home of its own, so that no cache but its own helps it."""
    env = {key: value for key, value in os.environ.items() if key.startswith(PASSED)}
    env |= {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(home / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
        "DVC_NO_ANALYTICS": "1",
    }
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = (done.stderr or done.stdout).strip().splitlines()[-1:] if done.returncode else []
    return Took(time.monotonic() - start, cpu, said[0] if said else "failed" if done.returncode else "")


def megabytes(folder: Path) -> float:
    """Return what a folder takes, each file once."""
    seen = {}
    for path in folder.rglob("*"):
        if not path.is_symlink() and path.is_file():
            stat = path.stat()
            seen[stat.st_ino] = stat.st_size
    return sum(seen.values()) / 1e6


def measured(one: Contender, scratch: Path) -> str:
    """Return a row of the table."""
    home, place = scratch / "home", scratch / "place"
    for folder in (home, place):
        folder.mkdir(parents=True)
    if one.uv:
        (home / "bin").mkdir()
        (home / "bin" / "uv").symlink_to(Path(sys.executable).parent / "uv")
    cold = run(one.install, place, home)
    if cold.problem:
        return f"| {one.name} | could not be installed here: {cold.problem[:80]} | | | | |"
    size = megabytes(place)
    first = run(one.start, place, home)
    again = run(one.start, place, home)
    shutil.rmtree(place)
    place.mkdir()
    warm = run(one.install, place, home)
    problem = first.problem or warm.problem
    if problem:
        return f"| {one.name} | installed, and failed: {problem[:80]} | | | | |"
    cells = [f"{took.wall:.1f} ({took.cpu:.1f})" for took in (cold, warm, first, again)]
    return f"| {one.name} | {' | '.join(cells)} | {size:.0f} |"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", help="A part of a contender's name.")
    options = parser.parse_args()
    rows = []
    for one in CONTENDERS:
        if options.only and options.only not in one.name:
            continue
        with tempfile.TemporaryDirectory(prefix="cold-start-") as scratch:
            rows.append(measured(one, Path(scratch)))
            print(rows[-1], flush=True)
    load = os.getloadavg()[0]
    page = PAGE.format(
        rows="\n".join(rows), python=platform.python_version(), cores=os.cpu_count(), load=load
    )
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


PAGE = """# Cold and warm start

Measured by `python -m benchmarks.cold_start`: each tool as it is documented to be installed, into an empty folder; cold
with empty caches, warm with what the cold run left there; then started, the first time and again. Seconds of wall time,
and in brackets of CPU with all children. Footprint on disk without caches. Python {python}, {cores} cores, load
average at the end {load:.1f}: on a loaded machine compare the CPU, the wall time is that of the queue.

| | cold install | warm install | first start | next start | MB |
| --- | --: | --: | --: | --: | --: |
{rows}

The action's own steps: `scripts/setup-action.sh` (which brings uv where there is none, and installs by our lock file),
then the verb with `--help`. Jobs that run the change's code get copies of all files, not links into a cache that a stage
could write to; the job that only decides is spared that. Nothing is byte-compiled ahead: one command is run.
"""

if __name__ == "__main__":
    main()
