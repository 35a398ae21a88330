"""What `mlops-ci check` adds to a bare `dvc repro --pull --allow-missing` when nothing changed.

    UV_PROJECT_ENVIRONMENT=.cache/action uv sync --locked --no-editable --extra dvc   # as the action does
    .venv/bin/python -m benchmarks.overhead --python .cache/action/bin/python

Both commands run by turns in one repository whose data, outputs and cache are here, against one MLflow
server on this machine. CPU counts the command and all its children, as the operating system does.
The breakdown runs the same check once more with a clock around each part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

BREAKDOWN = """
import json, os, resource, sys, time
def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
spent, started = {"interpreter": cpu()}, cpu()
def clock(owner, name, part):
    inner = getattr(owner, name)
    def timed(*arguments, **named):
        before = cpu()
        try:
            return inner(*arguments, **named)
        finally:
            spent[part] = spent.get(part, 0.0) + cpu() - before
    setattr(owner, name, timed)
import mlops_ci.cli.gate
import mlops_ci.cli.main
import mlops_ci.commands.judge
spent["imports of ours"] = cpu() - started
import mlops_ci.adapters.dvc.pipeline as dvc
before = cpu()
import mlops_ci.adapters.mlflow.registry as mlflow
for module in ("mlflow", "mlflow.tracking"):
    __import__(module)
spent["import of MLflow"] = cpu() - before
clock(dvc.DvcPipeline, "reproduce", "DVC")
for name in ("champion", "record", "holdout_uses", "download", "history", "keep"):
    if hasattr(mlflow.MlflowRegistry, name):
        clock(mlflow.MlflowRegistry, name, "MLflow")
clock(mlops_ci.commands.judge, "compare", "statistics")
clock(mlops_ci.cli.delivery, "render", "report")
before = cpu()
try:
    sys.argv = ["mlops-ci", *sys.argv[1:]]
    mlops_ci.cli.main.main()
except SystemExit:
    pass
known = ("DVC", "MLflow", "statistics", "report")
spent["git, evidence, forge, all the rest"] = cpu() - before - sum(spent.get(part, 0.0) for part in known)
sys.stdout = sys.__stdout__
print("\\n" + json.dumps(spent))
"""


def cpu_of(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def show(medians: dict[str, list[float]], breakdown: dict[str, float], rounds: int) -> None:
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of {rounds} rounds by turns\n"
    )
    (dvc_wall, dvc_cpu), (wall, cpu) = medians["dvc"], medians["check"]
    print("| | wall (s) | CPU (s) |\n| --- | --: | --: |")
    print(f"| dvc repro --pull --allow-missing | {dvc_wall:.2f} | {dvc_cpu:.2f} |")
    print(f"| mlops-ci check | {wall:.2f} | {cpu:.2f} |")
    print(f"| ratio | {wall / dvc_wall:.2f} | {cpu / dvc_cpu:.2f} |")
    print(f"| added | {wall - dvc_wall:.2f} | {cpu - dvc_cpu:.2f} |")
    print("\n| part of one check | CPU (s) |\n| --- | --: |")
    for part, seconds in breakdown.items():
        print(f"| {part} | {seconds:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--python", default=sys.executable, help="of an environment as the action makes it")
    arguments = parser.parse_args()
    from dvc_repo import make_dvc_repo
    from guarded_repo import SETTINGS
    from mlflow_parts import start_server

    with tempfile.TemporaryDirectory() as name:
        repo = make_dvc_repo(Path(name) / "repo")
        repo.write("mlops-ci.yaml", SETTINGS)
        repo.commit()
        repo.push()
        repo.git("fetch", "-q", "origin")
        server_folder = Path(name) / "server"
        server_folder.mkdir()
        with start_server(server_folder) as server:
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
            environment = {
                "PATH": path,
                "HOME": name,
                "MLFLOW_TRACKING_URI": server.uri,
                "DVC_NO_ANALYTICS": "1",
            }
            ours = [arguments.python, "-I", "-m", "mlops_ci", "check"]
            bare = [arguments.python, "-I", "-m", "dvc", "repro", "--pull", "--allow-missing", "evaluate"]
            cpu_of([*ours[:-1], "adopt", "--from-pipeline"], repo.root, environment)
            repo.git("switch", "-qc", "docs")
            repo.write("README.md", "Nothing that the model depends on.\n")
            repo.commit()
            rounds = {"check": [], "dvc": []}  # type: dict[str, list[tuple[float, float]]]
            for index in range(arguments.rounds + 1):
                for key, command in (("dvc", bare), ("check", ours)):
                    figure = cpu_of(command, repo.root, environment)
                    if index:  # the first round warms the caches
                        rounds[key].append(figure)
            command = [arguments.python, "-I", "-c", BREAKDOWN, "check"]
            done = subprocess.run(
                command, cwd=repo.root, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
    medians = {
        key: [statistics.median(figure[index] for figure in figures) for index in (0, 1)]
        for key, figures in rounds.items()
    }
    breakdown = json.loads(done.stdout.splitlines()[-1])
    show(medians, breakdown, arguments.rounds)
    if arguments.output:
        arguments.output.write_text(json.dumps({"medians": medians, "breakdown": breakdown}, indent=2) + "\n")


if __name__ == "__main__":
    main()
