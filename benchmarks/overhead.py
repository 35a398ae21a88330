"""What `mlops-ci check` adds to a bare `dvc repro --pull --allow-missing` when nothing changed.

    scripts/dev test -k none; .venv/bin/python -m benchmarks.overhead [--rounds 5]

Both commands run by turns in clones of one repository whose data, outputs and cache are here, against one MLflow
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
    return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
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
import mlops_ci.cli.main, mlops_ci.cli.gate, mlops_ci.cli.delivery, mlops_ci.commands.check
spent["imports of ours"] = cpu() - started
import mlops_ci.adapters.dvc as dvc
before = cpu()
import mlops_ci.adapters.mlflow as mlflow
for module in ("mlflow", "mlflow.tracking"):
    __import__(module)
spent["import of MLflow"] = cpu() - before
clock(dvc.DvcPipeline, "reproduce", "DVC")
for name in ("champion", "record", "holdout_uses", "download", "history"):
    if hasattr(mlflow.MlflowRegistry, name):
        clock(mlflow.MlflowRegistry, name, "MLflow")
clock(mlops_ci.commands.check, "compare", "statistics")
clock(mlops_ci.cli.delivery, "render", "report")
before = cpu()
try:
    sys.argv = ["mlops-ci", *sys.argv[1:]]
    mlops_ci.cli.main.main()
except SystemExit:
    pass
spent["all the rest"] = cpu() - before - sum(spent.get(k, 0.0) for k in ("DVC", "MLflow", "statistics", "report"))
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
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
            ours = [sys.executable, "-I", "-m", "mlops_ci", "check"]
            bare = [sys.executable, "-I", "-m", "dvc", "repro", "--pull", "--allow-missing", "evaluate"]
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
            done = subprocess.run(
                [sys.executable, "-c", BREAKDOWN, "check"],
                cwd=repo.root,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
    result = {
        key: {"wall": statistics.median(w for w, _ in f), "cpu": statistics.median(c for _, c in f)}
        for key, f in rounds.items()
    }
    breakdown = json.loads(done.stdout.splitlines()[-1])
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of {arguments.rounds} rounds by turns\n"
    )
    print("| | wall (s) | CPU (s) |\n| --- | --: | --: |")
    for key, title in (("dvc", "dvc repro --pull --allow-missing"), ("check", "mlops-ci check")):
        print(f"| {title} | {result[key]['wall']:.2f} | {result[key]['cpu']:.2f} |")
    print(
        f"| ratio | {result['check']['wall'] / result['dvc']['wall']:.2f} | {result['check']['cpu'] / result['dvc']['cpu']:.2f} |"
    )
    print(
        f"| added | {result['check']['wall'] - result['dvc']['wall']:.2f} | {result['check']['cpu'] - result['dvc']['cpu']:.2f} |"
    )
    print("\n| part of one check | CPU (s) |\n| --- | --: |")
    for part, seconds in breakdown.items():
        print(f"| {part} | {seconds:.2f} |")
    if arguments.output:
        arguments.output.write_text(json.dumps({"medians": result, "breakdown": breakdown}, indent=2) + "\n")


if __name__ == "__main__":
    main()
