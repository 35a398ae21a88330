"""Fixtures that several tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_parts import Server, start_server

from mlops_ci.adapters.mlflow import MlflowRegistry


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sqlite database with MLflow's tables: making them takes a second, copying them nothing."""
    folder = tmp_path_factory.mktemp("mlflow")
    registry = MlflowRegistry(root=folder, tracking_uri="sqlite:///mlflow.db")
    with registry._connection.calls("make the tables") as client:
        client.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def sqlite_registry(tmp_path: Path, empty_mlflow_database: Path) -> MlflowRegistry:
    """The registry of a laptop: `mlflow.db` in a repository's root."""
    shutil.copy(empty_mlflow_database, tmp_path / "mlflow.db")
    return MlflowRegistry("sqlite:///mlflow.db", root=tmp_path)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real MLflow server for the whole test run."""
    with start_server(tmp_path_factory.mktemp("mlflow-server")) as server:
        yield server
