"""How fast, and in how much memory: 25 columns a side, Parquet, whole processes on one core.

    python -m benchmarks.drift_speed [--quick] [--rows N ...] [--no-peers] [--output FILE]

Each line gives the CPU seconds and wall seconds of the whole process, the CPU seconds of its work
(without imports), and its peak memory; the limit is reading the same two files once with pyarrow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.drift_data import Case, table
from benchmarks.peers.environments import python_of

GROUP = 1 << 20

READ = """
from pyarrow.parquet import ParquetFile
start()
for side in sides:
    for batch in ParquetFile(side, pre_buffer=False).iter_batches(batch_size=1 << 17, use_threads=False):
        pass
note = ""
"""
READ_DICTIONARIES = READ.replace(
    "pre_buffer=False", "pre_buffer=False, read_dictionary=['c0', 'c1', 'c2', 'c3', 'c4']"
)
OURS = """
import scipy.special
import mlops_ci.adapters.data.profiling, mlops_ci.adapters.data.sources, mlops_ci.core.drift.decide
from mlops_ci.api_drift import drift
start()
report = drift(*sides)
wide = max(c.interval[1] - c.interval[0] for c in report.columns)
open_ones = [c.name for c in report.columns
             if c.interval[1] - c.interval[0] > 0.001 and c.interval[0] < c.threshold <= c.interval[1]]
note = f"{sum(c.drifted for c in report.columns)} columns drifted; widest interval {wide:.5f}; "
note += f"wider than 0.001 and across the threshold: {len(open_ones)}"
"""
SCIPY = """
import sys; sys.path.insert(0, PEERS)
import pandas as pd
from scipy import stats
from judge import PEERS as found
start()
note = f"{len(found['scipy loop'](*[pd.read_parquet(side) for side in sides]))} columns flagged"
"""
EVIDENTLY = """
import sys; sys.path.insert(0, PEERS)
import pandas as pd
import evidently
from evidently.presets import DataDriftPreset
from judge import PEERS as found
start()
note = f"{len(found['evidently'](*[pd.read_parquet(side) for side in sides]))} columns flagged"
"""
FRAME = """
import json, resource, sys, time
sides, PEERS = {sides!r}, {peers!r}
began = []
def start():
    began.append(time.process_time())
{code}
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: it starts from what the parent process had.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
work = time.process_time() - began[0]
figures = dict(cpu=used.ru_utime + used.ru_stime, work=work, mb=peak, note=note)
print("RESULT " + json.dumps(figures))
"""


def write(folder: Path, rows: int) -> list[str]:
    """Write both sides, in row groups of about a million rows; drift in a quarter of the columns."""
    made = []
    for side, drifted in (("reference", False), ("current", True)):
        path = folder / f"{side}.parquet"
        writer = None
        for number, start in enumerate(range(0, rows, GROUP)):
            rng = np.random.default_rng([rows, number, drifted])
            case = Case(rows=min(GROUP, rows - start), seed=0, shift=0.5, variation=0.2)
            part = table(case, rng, drifted=drifted)
            writer = writer or pq.ParquetWriter(path, part.schema)
            writer.write_table(part)
        assert writer is not None
        writer.close()
        made.append(str(path))
    return made


def measure(python: str, code: str, sides: list[str], timeout: int) -> dict[str, object]:
    """Run one program on one core; return its figures, or why there are none."""
    peers = str(Path(__file__).parent / "peers")
    script = FRAME.format(sides=sides, peers=peers, code=code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "PYTHONPATH": ""}
    if python == sys.executable:
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = ["taskset", "-c", "0", python, "-W", "ignore", "-c", script]
    clock = __import__("time").perf_counter
    began = clock()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {timeout} s"}
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        return {"failed": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:200]}
    figures = json.loads(found[0].removeprefix("RESULT "))
    return {**figures, "wall": clock() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, nargs="*")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    sizes = given.rows or ([10_000, 100_000] if given.quick else [10_000, 100_000, 1_000_000, 10_000_000])
    tools = {
        "reading once": (sys.executable, READ),
        "reading once, text as dictionaries": (sys.executable, READ_DICTIONARIES),
        "mlops-ci": (sys.executable, OURS),
    }
    if not given.no_peers:
        tools |= {
            name: (str(python_of(name)), code)
            for name, code in (("scipy loop", SCIPY), ("evidently", EVIDENTLY))
        }
    results: dict[str, dict[str, object]] = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="drift-speed-") as folder:
            sides = write(Path(folder), rows)
            for name, (python, code) in tools.items():
                if rows > 1_000_000 and name in ("scipy loop", "evidently"):
                    continue  # minutes, and more memory than a small machine has
                repeat = given.repeat if not name.startswith(("scipy", "evidently")) else 1
                runs = [measure(python, code, sides, 1800) for _ in range(repeat)]
                best = min(runs, key=lambda run: float(str(run.get("cpu", "inf"))))
                results[f"{name}, {rows} rows"] = best
                print(f"{name}, {rows} rows: {json.dumps(best)}", flush=True)
    if given.output:
        given.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
