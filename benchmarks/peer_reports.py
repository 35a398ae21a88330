"""How long a report takes, beside other tools: two files of 10,000 predictions each, compared and written up.

    python -m benchmarks.peer_reports [--repeats 5] [--output FILE]

Each tool has an environment of its own, made by uv with the pins of `benchmarks.peers.environments`; ours
is installed by its lock file, as the action does. Whole processes are timed, imports and all, after one run
that is not counted. Each is given a candidate as good as the champion and one that is two points worse, and
what it says is written down. What cannot be installed, or does not compare, is said.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import PINS, cache, python_of

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "benchmarks" / "peers" / "reports"
ROWS, ACCURACY, LOSS = 10_000, 0.92, 0.02


@dataclass(frozen=True)
class Peer:
    """A tool and its nearest thing to comparing two files; `said` is what it concluded."""

    name: str
    environment: str
    start: list[str]
    command: Callable[[Path, Path, str], list[str]]
    said: Callable[[subprocess.CompletedProcess[str]], str]
    does: str
    prepare: Callable[[Path, Path], None] = field(default=lambda _python, _place: None)
    compares: bool = True


def last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that was printed, without paths."""
    lines = [line for line in (done.stdout or done.stderr).strip().splitlines() if line.strip()]
    return lines[-1][:120] if lines else f"exit code {done.returncode}"


def ours(done: subprocess.CompletedProcess[str]) -> str:
    """Return what our exit code says."""
    words = {0: "passes", 1: "proven worse", 3: "not settled: held"}
    return f"{words.get(done.returncode, done.stderr[-100:])} (exit {done.returncode})"


def table(done: subprocess.CompletedProcess[str]) -> str:
    """Return what `dvc metrics diff` prints of the change: no verdict."""
    found = re.findall(r"\|\s*(-?[\d.]+)\s*\|\s*$", done.stdout.strip(), re.MULTILINE)
    return f"a table: change {found[-1]}" if found else last(done)


def repository(python: Path, place: Path) -> None:
    """Make what `dvc metrics diff` compares: the champion's metrics.json in git, the candidate's as it is."""
    for name in ("equal", "worse"):
        folder = place / name
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps({"accuracy": scored(place / "champion.csv")}))
        (folder / "dvc.yaml").write_text("metrics:\n- metrics.json\n")
        quiet("git", "init", "-q", folder=folder)
        quiet(python.parent / "dvc", "init", "-q", folder=folder)
        quiet("git", "add", "--all", folder=folder)
        quiet("git", "commit", "-qm", "champion", folder=folder)
        (folder / "metrics.json").write_text(json.dumps({"accuracy": scored(place / f"{name}.csv")}))


def tags(python: Path, place: Path) -> None:
    """Register a version in a git repository, for `gto show` to find."""
    folder = place / "registry"
    folder.mkdir()
    quiet("git", "init", "-q", folder=folder)
    quiet("git", "commit", "-q", "--allow-empty", "-m", "x", folder=folder)
    quiet(python.parent / "gto", "register", "model", "--version", "v1.0.0", folder=folder)


PEERS = (
    Peer(
        "mlops-ci",
        "mlops-ci",
        ["bin/python", "-c", "from mlops_ci import compare"],
        lambda env, place, name: [
            *[str(env / "bin" / "mlops-ci"), "compare", "champion.csv", f"{name}.csv"],
            *["--metric", "accuracy=0.01", "--output", f"{name}.html"],
        ],
        ours,
        "`compare`: paired by id, an interval, a verdict, an HTML page",
    ),
    Peer(
        "Evidently",
        "evidently",
        ["bin/python", "-c", "from evidently import Report"],
        lambda env, place, name: [
            *[str(env / "bin" / "python"), str(SCRIPTS / "evidently_report.py")],
            *["champion.csv", f"{name}.csv", f"{name}-evidently.html"],
        ],
        last,
        "`ClassificationPreset` with its tests, the champion as reference, an HTML page",
    ),
    Peer(
        "MLflow's validation",
        "mlflow",
        ["bin/python", "-c", "from mlflow import validate_evaluation_results"],
        lambda env, place, name: [
            *[str(env / "bin" / "python"), str(SCRIPTS / "mlflow_report.py")],
            *["champion.csv", f"{name}.csv", str(place / "report")],
        ],
        last,
        "`mlflow.models.evaluate` of both, `validate_evaluation_results`: any gain passes",
    ),
    Peer(
        "DVC, for CML's comment",
        "dvc",
        ["bin/dvc", "--version"],
        lambda env, place, name: [
            *[str(env / "bin" / "dvc"), "--cd", str(place / name), "metrics", "diff", "--md"]
        ],
        table,
        "`dvc metrics diff --md` of two metrics.json: the table that CML's guide puts into a comment",
        prepare=repository,
    ),
    Peer(
        "GTO",
        "gto",
        ["bin/gto", "--version"],
        lambda env, place, name: [
            *[str(env / "bin" / "gto"), "show", "--repo", str(place / "registry"), "--plain"]
        ],
        lambda done: "lists versions",
        "compares nothing: `gto show`",
        prepare=tags,
        compares=False,
    ),
)


def quiet(*command: object, folder: Path) -> None:
    """Run a command that must end well, and may commit or tag."""
    who = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    environment = {**os.environ, **{f"GIT_{one}": "ada@example.org" for one in who}}
    words = [str(part) for part in command]
    subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)


def predictions(folder: Path) -> None:
    """Write the champion's predictions and those of the two candidates, on the same rows."""
    truth = random.Random(1)
    labels = [truth.randint(0, 1) for _ in range(ROWS)]
    hard = random.Random(2)
    # Two models fail on much the same rows: what one gets wrong is decided by the row more than by chance.
    difficulty = [hard.random() for _ in range(ROWS)]
    for name, accuracy, seed in (
        ("champion", ACCURACY, 3),
        ("equal", ACCURACY, 4),
        ("worse", ACCURACY - LOSS, 5),
    ):
        noise = random.Random(seed)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "y_true", "y_pred"])
            for row, label in enumerate(labels):
                right = noise.random() < accuracy if noise.random() < 0.5 else difficulty[row] < accuracy
                writer.writerow([row, label, label if right else 1 - label])


def scored(path: Path) -> float:
    """Return the accuracy of a file of predictions."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return sum(row["y_true"] == row["y_pred"] for row in rows) / len(rows)


def own_environment() -> Path | str:
    """Install this working tree by its lock file, as the action does; return its interpreter, or why not."""
    folder = cache() / "mlops-ci"
    uv = shutil.which("uv")
    if uv is None:
        return "uv is not installed"
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= {"UV_PROJECT_ENVIRONMENT": str(folder)}
    command = [uv, "sync", "--quiet", "--locked", "--no-editable", "--no-dev", "--python", "3.11"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return folder / "bin" / "python" if not done.returncode else done.stderr.strip()[-200:]


def timed(command: list[str], folder: Path) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Return wall and CPU seconds of a process and its children, and what it said."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    keep |= {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    start, used = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True, check=False)
    took, now = time.perf_counter() - start, os.times()
    return took, now.children_user + now.children_system - used.children_user - used.children_system, done


def measured(peer: Peer, place: Path, repeats: int) -> dict[str, Any]:
    """Return a peer's figures, or why there are none."""
    python = own_environment() if peer.environment == "mlops-ci" else python_of(peer.environment)
    if isinstance(python, str):
        return {"name": peer.name, "problem": python}
    environment = python.parent.parent
    peer.prepare(python, place)
    start = [str(environment / peer.start[0]), *peer.start[1:]]
    figures: dict[str, list[tuple[float, float]]] = {"start": [], "report": []}
    said = {}
    for name in ("equal", "worse"):
        _, _, done = timed(peer.command(environment, place, name), place)
        said[name] = peer.said(done)
    for _ in range(repeats):
        for what, command in (("start", start), ("report", peer.command(environment, place, "worse"))):
            wall, cpu, done = timed(command, place)
            figures[what].append((wall, cpu))
    return {
        "name": peer.name,
        "does": peer.does,
        "compares": peer.compares,
        "pins": PINS.get(peer.environment, ["uv.lock"]),
        "megabytes": round(megabytes(environment)),
        "said": said,
        **{
            f"{what}_{kind}": round(statistics.median(row[place] for row in rows), 2)
            for what, rows in figures.items()
            for place, kind in enumerate(("wall", "cpu"))
        },
    }


def megabytes(folder: Path) -> float:
    """Return what an environment takes, without byte code: that came by running it."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 1e6


def rows_of(found: list[dict[str, Any]]) -> str:
    """Return the table: seconds of CPU and wall, and how many times ours."""
    us = next(one for one in found if one["name"] == "mlops-ci" and "problem" not in one)
    lines = [
        "| tool | what is timed | report, s CPU (wall) | times ours | start, s CPU (wall) | MB"
        " | equal model | 2 points worse |",
        "| :-- | :-- | --: | --: | --: | --: | :-- | :-- |",
    ]
    for one in found:
        if "problem" in one:
            lines.append(f"| {one['name']} | could not be installed: {one['problem'][:100]} | | | | | | |")
            continue
        ratio = f"{one['report_cpu'] / us['report_cpu']:.1f}" if one["compares"] else "–"
        lines.append(
            f"| {one['name']} | {one['does']} | {one['report_cpu']:.2f} ({one['report_wall']:.2f}) | {ratio}"
            f" | {one['start_cpu']:.2f} ({one['start_wall']:.2f}) | {one['megabytes']}"
            f" | {one['said']['equal']} | {one['said']['worse']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peer-reports-") as scratch:
        place = Path(scratch)
        predictions(place)
        found = []
        for peer in PEERS:
            found.append(measured(peer, place, options.repeats))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
        scores = {name: scored(place / f"{name}.csv") for name in ("champion", "equal", "worse")}
    print(rows_of(found))
    if options.output:
        stored = {
            "made": f"{datetime.now(UTC):%Y-%m-%d}",
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rows": ROWS,
            "repeats": options.repeats,
            "accuracy": scores,
            "load when it ended": os.getloadavg(),
            "tools": found,
        }
        options.output.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
