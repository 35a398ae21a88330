"""What MLflow costs: install, import, and a whole check's worth of registry work, slim and full.

Makes its own environments with ``uv`` (byte-compiled), and its own server. Run from the repository's root::

    python benchmarks/imports/mlflow_client.py --repeat 7
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlflow

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from mlflow_parts import start_server  # noqa: E402

OURS = ["numpy", "pandas", "pyarrow", "pydantic", "requests", "scikit-learn", "scipy"]
WORK = """
from pathlib import Path
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlflow_parts import candidate
folder = Path({folder!r})
registry = MlflowRegistry({uri!r}, root=folder)
registry.champion("malware-detector", "champion")
registry.holdout_uses("malware-detector", "holdout-1")
registry.record(candidate(folder, {seed!r}))
"""
STATEMENTS = {
    "nothing": "pass",
    "import requests": "import requests",
    "import mlflow": "import mlflow",
    "the client": "from mlflow import MlflowClient",
    "the REST store": "from mlflow.store.tracking.rest_store import RestStore",
    "the client without mlflow/__init__": """
import importlib.util, sys, types
spec = importlib.util.find_spec("mlflow")
package = types.ModuleType("mlflow"); package.__path__ = spec.submodule_search_locations
sys.modules["mlflow"] = package
import mlflow.version; mlflow.version.IS_TRACING_SDK_ONLY = True
from mlflow.tracking.client import MlflowClient
""",
}


def cpu(python: Path, code: str, repeat: int) -> str:
    """Return the median and the smallest CPU seconds of running some code, or how it failed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    spent = []
    for turn in range(repeat + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = code.replace("SEED", f"s{time.time_ns()}")
        done = subprocess.run(
            [python, "-W", "ignore", "-c", said], env=environment, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1][:60]
        if turn:
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return f"{statistics.median(spent):.2f} ({min(spent):.2f})"


def environment(folder: Path, packages: list[str]) -> tuple[Path, str]:
    """Make an environment; return its interpreter and what it cost."""
    python = folder / "bin" / "python"
    variables = {**os.environ, "UV_COMPILE_BYTECODE": "1"}
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, folder], check=True)
    start = time.perf_counter()
    subprocess.run(["uv", "pip", "install", "-q", "-p", python, *packages], check=True, env=variables)
    seconds = time.perf_counter() - start
    size = int(subprocess.check_output(["du", "-sm", folder], text=True).split()[0])
    return python, f"{size} MB, {seconds:.1f} s"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    version = mlflow.__version__
    with tempfile.TemporaryDirectory() as temporary, start_server(Path(temporary)) as server:
        kinds = {
            "slim alone": [f"mlflow-skinny=={version}"],
            "slim and ours without pandas": [
                f"mlflow-skinny=={version}",
                *(name for name in OURS if name != "pandas"),
            ],
            "slim and ours": [f"mlflow-skinny=={version}", *OURS],
            "full and ours": [f"mlflow=={version}", *OURS],
        }
        for kind, packages in kinds.items():
            folder = Path(temporary, kind.replace(" ", "-"))
            python, cost = environment(folder, packages)
            print(f"\n{kind}: {cost} (packages in uv's cache), CPU seconds: median (smallest) of {repeat}")
            for name, code in STATEMENTS.items():
                print(f"  {name:40} {cpu(python, code, repeat)}")
            if "ours" in kind:
                for uri in (server.uri, f"sqlite:///{folder / 'mlflow.db'}"):
                    work = WORK.format(folder=str(folder), uri=uri, seed="SEED")
                    print(
                        f"  champion, uses, record on {uri.partition(':')[0]:15} {cpu(python, work, repeat)}"
                    )


if __name__ == "__main__":
    main()
