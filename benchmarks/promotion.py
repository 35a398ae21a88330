"""How long promote and rollback take, from the command to the alias read back, beside the bare MLflow calls.

    python -m benchmarks.promotion [--runs 5] [--output FILE]

Whole processes are timed, imports and all, in the demonstration's repository: first on its sqlite
database, then over HTTP on an MLflow server. After each command the alias is read back and must be right.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.cli.demo import CHANGES
from mlops_ci.demo.repository import DemoRepository

MODEL = "digits"
BARE = """\
import os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow import MlflowClient
client = MlflowClient()
run = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1)[0]
made = client.create_model_version("digits", run.info.artifact_uri + "/model", run.info.run_id)
client.set_registered_model_alias("digits", "bare", made.version)
assert str(client.get_model_version_by_alias("digits", "bare").version) == str(made.version)
"""


Took = tuple[float, float]


def call(demo: DemoRepository, *arguments: str, uri: str | None = None, code: int = 0) -> Took:
    """Run our command in the repository; return its wall and CPU time in seconds, its children's too."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri or "sqlite:///mlflow.db"}
    return timed([sys.executable, "-m", "mlops_ci", *arguments], demo.work_tree, environment, code)


def timed(command: list[str], folder: Path, environment: dict[str, str], code: int = 0) -> Took:
    start, used = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    took, now = time.perf_counter() - start, os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    assert done.returncode == code, done.stdout + done.stderr
    return took, cpu


def prepared(folder: Path) -> DemoRepository:
    """Make the demonstration's repository with a champion and a judged, squashed candidate."""
    demo = DemoRepository(folder)
    demo.make()
    demo.first_version()
    python = ["--pipeline-python", sys.executable]
    call(demo, "adopt", "--from-pipeline", *python)
    edits, message, _ = CHANGES["better"]
    demo.branch("better", edits, message)
    call(demo, "check", "--target", "main", *python)
    demo.run("git", "checkout", "--quiet", "--force", ".")
    demo.run("git", "switch", "--quiet", "main")
    demo.run("git", "merge", "--quiet", "--squash", "better")
    demo.commit("A better model (#1)")
    demo.run("git", "push", "--quiet")
    return demo


def measure(demo: DemoRepository, runs: int, uri: str | None = None) -> dict[str, str]:
    """Time promote, rollback and the bare calls in turns."""
    registry = MlflowRegistry(uri or "sqlite:///mlflow.db", root=demo.work_tree)
    times: dict[str, list[Took]] = {"rollback": [], "promote": [], "bare MLflow calls": [], "lineage": []}
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri or f"sqlite:///{demo.work_tree / 'mlflow.db'}"}
    for _ in range(runs):
        times["rollback"].append(call(demo, "rollback", "--reason", "benchmark", uri=uri))
        assert registry.aliases(MODEL)["champion"] == "1"
        times["promote"].append(call(demo, "promote", "--again", "benchmark", uri=uri))
        assert registry.aliases(MODEL)["champion"] == "2"
        times["bare MLflow calls"].append(timed([sys.executable, "-c", BARE], demo.work_tree, environment))
        times["lineage"].append(call(demo, "lineage", "5d85b772", uri=uri))
    return {name: in_words(found) for name, found in times.items()}


def in_words(found: list[Took]) -> str:
    """Return the medians of wall and CPU time."""
    wall, cpu = (statistics.median(one[index] for one in found) for index in (0, 1))
    return f"{wall:.1f} s wall, {cpu:.1f} s CPU"


@contextlib.contextmanager
def server(demo: DemoRepository):
    """Serve the same database over HTTP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = f"sqlite:///{demo.work_tree / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(demo.work_tree / "mlruns")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{uri}/health", timeout=2).close()
                break
            time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        demo = prepared(Path(name) / "demo")
        first = call(demo, "promote")
        figures = {
            "versions": {one: version(one) for one in ("mlflow", "mlops-ci")},
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "runs": options.runs,
            "first promote on sqlite": in_words([first]),
            "sqlite (medians)": measure(demo, options.runs),
        }
        with server(demo) as uri:
            figures["server (medians)"] = measure(demo, options.runs, uri)
    figures["load when it ended"] = [round(one, 1) for one in os.getloadavg()]
    text = json.dumps(figures, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
