"""So many pull requests checked at once against one MLflow server."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from benchmarks.scale_parts import table
from benchmarks.servers import mlflow_on_postgres
from mlops_ci.adapters.mlflow.registry import MlflowRegistry


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
