"""How time and requests grow with size: runs on one holdout, versions, rows, stages, and checks at once.

    python -m benchmarks.scale {runs,versions,rows,stages,checks} [--quick] [--output FILE]

Each table ends with the exponent that a straight line through log(time) and log(size) has: 1 is linear.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from benchmarks.servers import mlflow_on_postgres
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of log(value) over log(size), by least squares."""
    return round(float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0]), 2)


def timed(call: Callable[[], Any], times: int = 3) -> tuple[float, float]:
    """Return the least wall and CPU seconds of some calls, after one that warms up."""
    call()
    found = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


class Counted:
    """Counts the calls of MLflow's stores that a registry makes: over HTTP each is a request."""

    def __init__(self, registry: MlflowRegistry) -> None:
        self.calls = 0
        with registry._connection.calls("count") as client:
            for name in dir(client):
                if name.startswith(("get_", "search_", "list_")) and callable(getattr(client, name)):
                    setattr(client, name, self._counted(getattr(client, name)))

    def _counted(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return function(*args, **kwargs)

        return call


def table(sizes: list[int], measure: Callable[[int], dict[str, float]]) -> dict[str, Any]:
    """Measure at each size; fit each column."""
    rows = [{"size": size, **measure(size)} for size in sizes]
    columns = [name for name in rows[0] if name != "size"]
    return {
        "rows": [{key: round(value, 4) for key, value in row.items()} for row in rows],
        "exponents": {
            name: exponent(sizes, [row[name] for row in rows])
            for name in columns
            if all(row[name] > 0 for row in rows)
        },
    }


def database(folder: Path) -> tuple[MlflowRegistry, Path]:
    registry = MlflowRegistry("sqlite:///mlflow.db", root=folder)
    with registry._connection.calls("make") as client:
        client.create_registered_model("m0")
    return registry, folder / "mlflow.db"


def runs(quick: bool) -> dict[str, Any]:
    """Measure what the count of a holdout's uses costs with so many candidates on it."""

    def measure(size: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as name:
            registry, place = database(Path(name))
            with registry._connection.calls("make") as client:
                experiment = client.create_experiment("mlops-ci/m0", artifact_location=f"{name}/a")
                client.set_experiment_tag(experiment, tags.CANDIDATES, "true")
                first = client.create_run(experiment).info.run_id
            with contextlib.closing(sqlite3.connect(place)) as base:
                columns = [row[1] for row in base.execute("PRAGMA table_info(runs)")]
                kept = list(
                    base.execute(
                        f"SELECT {','.join(columns)} FROM runs WHERE run_uuid = ?", (first,)
                    ).fetchone()
                )
                for number in range(size):
                    kept[columns.index("run_uuid")] = run_id = f"{number:032x}"
                    base.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(columns))})", kept)
                    said = {tags.MODEL: "m0", tags.HOLDOUT_DIGEST: "h" * 64, tags.COMPLETE: "true"}
                    said[tags.EVALUATION_DIGEST] = hashlib.sha256(run_id.encode()).hexdigest()
                    base.executemany(
                        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                        [(*pair, run_id) for pair in said.items()],
                    )
                base.commit()
            assert registry.holdout_uses("m0", "h" * 64) == size
            counted = Counted(registry)
            wall, cpu = timed(lambda: registry.holdout_uses("m0", "h" * 64))
            return {"wall (s)": wall, "CPU (s)": cpu, "requests": counted.calls / 4}

    return table([100, 300] if quick else [100, 300, 1000, 3000], measure)


def versions(quick: bool) -> dict[str, Any]:
    """Measure the registry's questions of a check in one with so many models of 200 versions each."""

    def measure(size: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as name:
            registry, place = database(Path(name))
            with registry._connection.calls("make") as client:
                client.create_model_version("m0", "s3://nowhere/model")
            with contextlib.closing(sqlite3.connect(place)) as base:
                for kind, values in (
                    ("registered_models", ["name"]),
                    ("model_versions", ["name", "version"]),
                ):
                    columns = [row[1] for row in base.execute(f"PRAGMA table_info({kind})")]
                    kept = list(base.execute(f"SELECT {','.join(columns)} FROM {kind} LIMIT 1").fetchone())
                    for model in range(size):
                        for version in range(1, 201 if kind == "model_versions" else 2):
                            if model == 0 and version == 1:
                                continue
                            for column, value in zip(values, (f"m{model}", version), strict=False):
                                kept[columns.index(column)] = value
                            base.execute(f"INSERT INTO {kind} VALUES ({','.join('?' * len(columns))})", kept)
                base.commit()
            registry.set_alias("m0", "champion", "200")
            counted = Counted(registry)

            def ask() -> None:
                champion = registry.champion("m0", "champion")
                assert champion is not None
                assert champion.ref.version == "200"
                assert [one.ref.version for one in registry.history("m0")][:2] == ["200", "199"]
                registry.aliases("m0")

            wall, cpu = timed(ask)
            return {"wall (s)": wall, "CPU (s)": cpu, "requests": counted.calls / 4}

    found = table([5, 20] if quick else [5, 50, 500], measure)
    return found | {"versions": [200 * row["size"] for row in found["rows"]]}


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


def stages(quick: bool) -> dict[str, Any]:
    """Measure what reading a project of so many stages costs, as promotion and the gate read it."""
    import yaml

    from mlops_ci.adapters.dvc.planned import planned_stages
    from mlops_ci.adapters.dvc.project import read_project
    from mlops_ci.core.lineage import pipeline_version

    def measure(size: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            declared: dict[str, Any] = {}
            locked: dict[str, Any] = {}
            for number in range(size):
                out, before = f"out/{number}.txt", [f"out/{number - 1}.txt"] if number else ["src.py"]
                (folder / "out").mkdir(exist_ok=True)
                (folder / out).write_text(str(number))
                (folder / "src.py").write_text("")
                command = f"echo {number} > {out}"
                declared[f"s{number}"] = {"cmd": command, "deps": before, "outs": [out]}
                known = [
                    {"path": p, "hash": "md5", "md5": hashlib.md5((folder / p).read_bytes()).hexdigest()}
                    for p in [*before, out]
                ]
                locked[f"s{number}"] = {"cmd": command, "deps": known[:-1], "outs": known[-1:]}
            (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": declared}))
            (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))

            def ask() -> None:
                project = read_project(folder, ["dvc.yaml", "dvc.lock"])
                found, current = planned_stages(project, project.upstream(project.select([])))
                assert len(found) == size
                assert current
                pipeline_version(found, {})

            wall, cpu = timed(ask)
            return {"wall (s)": wall, "CPU (s)": cpu}

    return table([20, 50] if quick else [25, 50, 100, 200], measure)


def checks(quick: bool) -> dict[str, Any]:
    """Check so many pull requests at once against one MLflow server on PostgreSQL."""
    from dvc_repo import copy_dvc_repo, make_dvc_repo
    from promotion_parts import story_with_candidate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "server").mkdir(mode=0o755)
        template = make_dvc_repo(folder / "dvc")
        with mlflow_on_postgres(folder / "server") as uri:
            base = story_with_candidate(copy_dvc_repo(template, folder / "base"), Path(), tracking_uri=uri)

            servers = psutil.Process().children(recursive=True)

            def measure(size: int) -> dict[str, float]:
                copies = []
                for number in range(size):
                    place = folder / f"pull-{size}-{number}"
                    copies.append(copy_dvc_repo(base.repo, place).root)
                context = multiprocessing.get_context("fork")
                barrier, answers = context.Barrier(size + 1), context.Queue()
                work = [
                    context.Process(
                        target=_one_check, args=(uri, str(copy), size * 1000 + number, barrier, answers)
                    )
                    for number, copy in enumerate(copies)
                ]
                for process in work:
                    process.start()
                barrier.wait(300)
                start, before = time.perf_counter(), _cpu(servers)
                found = [answers.get(timeout=600) for _ in work]
                took, served = time.perf_counter() - start, _cpu(servers) - before
                for process in work:
                    process.join(30)
                wrong = [one for one in found if one["exit code"] != one["right"]]
                assert not wrong, wrong
                assert len({one["run"] for one in found}) == size, "two checks share a run"
                return {
                    "wall (s)": took,
                    "slowest check (s)": max(one["wall"] for one in found),
                    "CPU of the checks (s)": sum(one["cpu"] for one in found),
                    "CPU of the servers (s)": served,
                    "requests": sum(one["requests"] for one in found),
                    "requests that failed": sum(one["failed"] for one in found),
                }

            measure(2)  # a worker's first answers take seconds: both have given some
            found = table([1, 4] if quick else [1, 8, 30], measure)
            kept = MlflowRegistry(uri).holdout_uses("classifier", base.check().holdout["digest"])  # type: ignore[index]
            return found | {"distinct evaluations": kept}


def _cpu(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds of processes, and of those that they have waited for."""
    found = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += sum(process.cpu_times()[:4])
    for new in psutil.Process().children(recursive=True):
        if new not in processes and new.name() == "postgres":
            found += sum(new.cpu_times()[:4])
    return found


def _one_check(uri: str, root: str, number: int, barrier: Any, answers: Any) -> None:
    """Change the threshold so that it is a candidate of its own, half of them worse; check."""
    import requests
    from dvc_repo import DvcRepo
    from promotion_parts import Story

    story = Story(DvcRepo(Path(root)), tracking_uri=uri)
    worse = number % 2
    # No two have the same threshold, at any size: a candidate that is known is not uploaded again.
    threshold = (0.9 if worse else 0.48) + (number % 1000) * 1e-4 + number // 1000 * 1e-6
    story.change(threshold, branch=f"change-{number}")
    statuses: list[int] = []
    send = requests.Session.send

    def counted(*args: Any, **kwargs: Any) -> Any:
        try:
            answer = send(*args, **kwargs)
        except Exception:
            statuses.append(599)
            raise
        statuses.append(answer.status_code)
        return answer

    requests.Session.send = counted  # type: ignore[method-assign]
    barrier.wait(300)
    start, cpu = time.perf_counter(), sum(os.times()[:4])
    report = story.check()
    answers.put(
        {
            "run": report.candidate.run_id if report.candidate else None,
            "exit code": report.exit_code,
            "right": 1 if worse else 0,
            "cpu": sum(os.times()[:4]) - cpu,
            "wall": time.perf_counter() - start,
            "requests": len(statuses),
            "failed": sum(status >= 429 for status in statuses),
        }
    )


TABLES = {"runs": runs, "versions": versions, "rows": rows, "stages": stages, "checks": checks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(TABLES))
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    figures = TABLES[options.what](options.quick)
    figures["load when it ended"] = [round(one, 1) for one in os.getloadavg()]
    assert all(math.isfinite(one) for one in figures["exponents"].values())
    text = json.dumps({options.what: figures}, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
