"""How time and requests grow with size: runs on one holdout, versions, rows, stages, and checks at once.

    python -m benchmarks.scale {runs,versions,rows,whole,stages,checks} [--quick] [--output FILE]

Each table ends with the exponent that a straight line through log(time) and log(size) has: 1 is linear.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.scale_checks import checks
from benchmarks.scale_holdout import rows, whole
from benchmarks.scale_parts import table, timed
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags


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


TABLES = {
    "runs": runs,
    "versions": versions,
    "rows": rows,
    "whole": whole,
    "stages": stages,
    "checks": checks,
}


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
