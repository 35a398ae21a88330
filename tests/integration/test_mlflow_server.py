"""A real MLflow server: what differs from a database, many writers at once, and the slim client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow_parts import Server, candidate, client_of

import mlops_ci
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core import tags as tag

MODEL = "malware-detector"
ROOT = Path(mlops_ci.__file__).parents[1]

RACE = """
import json, sys, time
from pathlib import Path
from mlflow_parts import candidate
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
uri, root, seed = sys.argv[1:]
registry = MlflowRegistry(uri, root=Path(root))
registry.holdout_uses("racing", "holdout-1")  # imports and connects
Path(root, "ready-" + seed).touch()
while not Path(root, "go").exists():
    time.sleep(0.001)
ref = registry.record(candidate(Path(root), seed, model="racing"))
version = registry.create_version("racing", ref, {})
try:
    registry.set_alias("racing", "champion", version.version)
    won = True
except Exception as failure:
    assert "was set to version" in str(failure), failure
    won = False
print(json.dumps([ref.run_id, version.version, won]))
"""


def test_pages_of_the_server_and_versions_as_text(registry: MlflowRegistry, tmp_path: Path) -> None:
    site = registry._connection.website
    ref = registry.record(candidate(tmp_path, model="a b/ü".replace("/", "-")))
    version = registry.create_version("a b-ü", ref, {})
    registry.set_alias("a b-ü", "champion", str(version.version))
    champion = registry.champion("a b-ü", "champion")
    assert champion is not None
    assert champion.ref.version == "1"
    if site is None:
        assert (ref.url, champion.ref.url) == (None, None)
        return
    experiment = client_of(registry).get_experiment_by_name("mlops-ci/a b-ü").experiment_id
    assert champion.ref.url == f"{site}/#/models/a%20b-%C3%BC/versions/1"
    assert ref.url == f"{site}/#/experiments/{experiment}/runs/{ref.run_id}"


@pytest.mark.e2e
def test_many_first_writers_at_once(registry: MlflowRegistry, tmp_path: Path) -> None:
    """The experiment, the registered model and its first alias are made by six processes at once."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-W", "ignore", "-c", RACE, registry._connection.tracking, str(tmp_path)]
    seeds = [str(seed) for seed in range(6)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([*command, seed], env=environment, **pipes) for seed in seeds]
    end = time.monotonic() + 120
    while len(list(tmp_path.glob("ready-*"))) < len(seeds) and time.monotonic() < end:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    said = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * len(seeds), "".join(err[-1500:] for _, err in said)
    runs, versions, won = zip(*(json.loads(out) for out, _ in said), strict=True)
    assert sorted(versions, key=int) == ["1", "2", "3", "4", "5", "6"]
    assert len(set(runs)) == len(seeds)
    assert any(won)
    champion = registry.champion("racing", "champion")
    assert champion is not None
    assert champion.ref.version in versions
    assert registry.holdout_uses("racing", "holdout-1") == len(seeds)


@pytest.mark.e2e
def test_a_thousand_runs(registry: MlflowRegistry, tmp_path: Path) -> None:
    first = candidate(tmp_path)
    registry.record(first)
    client = client_of(registry)
    experiment = client.get_experiment_by_name(f"mlops-ci/{MODEL}").experiment_id
    for number in range(1000):
        tags = {**first.tags, tag.MODEL: MODEL, tag.COMPLETE: "true"}
        tags |= {tag.EVALUATION_DIGEST: f"evaluation-{number // 2}", tag.PIPELINE_VERSION: str(number)}
        client.create_run(experiment, tags=tags)
    start = time.process_time()
    assert registry.holdout_uses(MODEL, "holdout-1") == 501
    cpu = time.process_time() - start
    assert len(registry.find_candidates(MODEL, {})) == 1001
    assert len(registry.find_candidates(MODEL, {tag.PIPELINE_VERSION: "77"})) == 1
    assert cpu < 5  # 0.4 s on sqlite and 0.2 s over HTTP when this was written


@pytest.fixture(scope="session")
def skinny_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with mlflow-skinny and numpy, as a job that only decides has."""
    import mlflow

    folder = tmp_path_factory.mktemp("skinny")
    packages = [f"mlflow-skinny=={mlflow.__version__}", "numpy"]
    python = folder / "bin" / "python"
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", python, *packages], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


@pytest.mark.e2e
def test_the_slim_client_does_all_of_it(skinny_python: Path, mlflow_server: Server, tmp_path: Path) -> None:
    script = f"""
import importlib.util
from pathlib import Path
assert not any(importlib.util.find_spec(name) for name in ("sqlalchemy", "pandas", "sklearn", "alembic"))
from mlflow_parts import candidate
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.errors import UsageError
folder = Path({str(tmp_path)!r})
registry = MlflowRegistry({mlflow_server.uri!r})
assert registry.champion("slim", "champion") is None
ref = registry.record(candidate(folder, model="slim"))
assert registry.record(candidate(folder, model="slim")) == ref
version = registry.create_version("slim", ref, {{}})
registry.set_alias("slim", "champion", version.version)
champion = registry.champion("slim", "champion")
assert champion.ref == version and champion.metrics["loss"] == 1e-7
fetched = registry.download(ref.run_id, champion.evaluation, folder / "f")
assert fetched.read_text() == "predictions.parquet of a"
assert registry.holdout_uses("slim", "holdout-1") == 1
assert len(registry.history("slim")) == 1
(folder / "mlflow.db").touch()
try:
    MlflowRegistry("sqlite:///mlflow.db", root=folder).champion("slim", "champion")
except UsageError as failure:
    assert "mlops-ci[local]" in failure.remedy
else:
    raise AssertionError
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(
        [skinny_python, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.e2e
def test_a_server_that_goes_away_between_two_calls(tmp_path: Path) -> None:
    from mlflow_parts import start_server

    from mlops_ci.errors import ServiceError

    with start_server(tmp_path) as server:
        registry = MlflowRegistry(server.uri)
        ref = registry.record(candidate(tmp_path))
    start = time.monotonic()
    with pytest.raises(ServiceError, match="refuses the connection"):
        registry.download(str(ref.run_id), tag.EVALUATION_ARTIFACT, tmp_path / "fetched")
    with pytest.raises(ServiceError, match="refuses the connection"):
        registry.record(candidate(tmp_path, "b"))
    assert time.monotonic() - start < 60
