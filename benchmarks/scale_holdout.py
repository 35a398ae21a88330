"""What a large holdout costs: `mlops-ci compare` of two files, and a whole `mlops-ci check`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from benchmarks.scale_parts import table

#: Runs a command, and prints its CPU seconds and its peak memory in KiB. A process of its own:
#: `ru_maxrss` starts from what the parent had.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def rows(quick: bool) -> dict[str, Any]:
    """Measure `mlops-ci compare` of two prediction files, to the page: a process each, for its memory."""

    def measure(size: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as name:
            _predictions(Path(name), size)
            command = [sys.executable, "-m", "mlops_ci", "compare", "champion.parquet", "candidate.parquet"]
            for metric in ("accuracy", "f1", "roc_auc"):
                command += ["--metric", f"{metric}=0.01"]
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", MEASURED, *command, "--output", "report.html"],
                cwd=name,
                capture_output=True,
                text=True,
                check=True,
            )
            cpu, peak = map(float, done.stdout.splitlines()[-1].split())
            return {
                "wall (s)": time.perf_counter() - start,
                "CPU (s)": cpu,
                "peak memory (GiB)": peak / 2**20,
            }

    return table([50_000, 200_000] if quick else [200_000, 1_000_000, 5_000_000], measure)


def _predictions(folder: Path, size: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, size)
    for side, right in (("champion", 0.90), ("candidate", 0.905)):
        score = np.clip(rng.normal(np.where(rng.random(size) < right, truth, 1 - truth), 0.3), 0, 1)
        found = {
            "id": np.arange(size),
            "y_true": truth,
            "y_pred": (score > 0.5).astype(int),
            "y_score": score,
        }
        pq.write_table(pa.table(found), folder / f"{side}.parquet")


PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train.noise]
    outs: [models]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, models]
    params: [rows]
    outs: [reports/predictions.parquet]
"""
TRAIN = """\
import pathlib
noise = pathlib.Path("params.yaml").read_text().split("noise: ")[1].split()[0]
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/model.json").write_text(noise)
"""
#: A million rows at a time: the stage is the user's, and not what is measured.
EVALUATE = """\
import pathlib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
noise = float(pathlib.Path("models/model.json").read_text())
rows = int(pathlib.Path("params.yaml").read_text().split("rows: ")[1].split()[0])
pathlib.Path("reports").mkdir(exist_ok=True)
writer = None
for start in range(0, rows, 1_000_000):
    rng = np.random.default_rng(start)
    size = min(1_000_000, rows - start)
    truth = rng.integers(0, 2, size)
    score = np.clip(np.where(rng.random(size) < 0.9, truth, 1 - truth) + rng.normal(0, noise, size), 0, 1)
    found = {"id": np.arange(start, start + size), "y_true": truth, "y_pred": (score > 0.5).astype(int),
             "y_score": score, "platform": np.array(["linux", "mac", "windows"])[rng.integers(0, 3, size)]}
    batch = pa.table(found)
    writer = writer or pq.ParquetWriter("reports/predictions.parquet", batch.schema)
    writer.write_table(batch)
writer.close()
"""
SETTINGS = """\
registry: {model: large}
pipeline: {targets: [evaluate]}
candidate: {model: models}
evaluation: {predictions: reports/predictions.parquet, slices: [platform]}
metrics:
  accuracy: {margin: 0.01, slices: true}
  f1: {margin: 0.01}
  roc_auc: {margin: 0.01}
"""


def whole(quick: bool) -> dict[str, Any]:
    """Measure a whole `mlops-ci check` with such a holdout: DVC runs the pipeline, MLflow is sqlite."""

    def measure(size: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as name:
            root = _guarded(Path(name), size)
            environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
            environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}/mlflow.db"
            environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            ours = [sys.executable, "-m", "mlops_ci"]
            _watched([*ours, "adopt", "--from-pipeline"], root, environment)
            _committed(root, "params.yaml", _parameters(size, noise=0.301), branch="change")
            return _watched([*ours, "check", "--output", str(Path(name) / "report.html")], root, environment)

    return table([100_000, 400_000] if quick else [50_000, 500_000, 5_000_000], measure)


def _parameters(size: int, *, noise: float) -> str:
    return f"rows: {size}\ntrain:\n  noise: {noise}\n"


def _guarded(folder: Path, size: int) -> Path:
    """Make a repository whose pipeline makes so many predictions, and an origin."""
    root = folder / "work"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("")
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".gitignore").write_text("/models\n/reports\n")
    files = {"dvc.yaml": PIPELINE, "train.py": TRAIN, "evaluate.py": EVALUATE, "mlops-ci.yaml": SETTINGS}
    for path, text in files.items():
        (root / path).write_text(text)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "origin.git")], check=True)
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["config", "user.email", "ada@example.org"],
        ["config", "user.name", "Ada"],
        ["remote", "add", "origin", "../origin.git"],
    ):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    (root / "params.yaml").write_text(_parameters(size, noise=0.3))
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=root, check=True, env=environment)
    _committed(root)
    subprocess.run(["git", "push", "-q", "origin", "main"], cwd=root, check=True)
    return root


def _committed(root: Path, path: str = "", text: str = "", branch: str = "") -> None:
    if branch:
        subprocess.run(["git", "switch", "-qc", branch], cwd=root, check=True)
        (root / path).write_text(text)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", "commit", "-qm", "change"], cwd=root, check=True)


def _watched(command: list[str], root: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run a command; return its time, and the most memory that it and all its children held at once."""
    start, used, own, together = time.perf_counter(), 0.0, 0.0, 0.0
    with (root.parent / "said.txt").open("w+") as said:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=said, stderr=subprocess.STDOUT)
        watched = psutil.Process(process.pid)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            with contextlib.suppress(psutil.NoSuchProcess):
                held = watched.memory_info().rss
                own, used = max(own, held), sum(watched.cpu_times()[:2])
                for child in watched.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        held += child.memory_info().rss
                together = max(together, held)
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{command} ended with {process.returncode}: {said.read()}")
    return {
        "wall (s)": time.perf_counter() - start,
        "CPU (s)": usage.ru_utime + usage.ru_stime,
        "CPU of ours (s)": used,
        "peak memory of ours (GiB)": own / 2**30,
        "peak memory of all (GiB)": together / 2**30,
    }
