"""Servers for benchmarks, started as the end-to-end tests start them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))


@contextlib.contextmanager
def mlflow_on_postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL and an MLflow server on it; yield the server's address."""
    import real_parts

    with (
        real_parts.postgres(folder) as database,
        real_parts.mlflow_on(database, str(folder / "artifacts"), folder, {}) as server,
    ):
        yield server.uri


@contextlib.contextmanager
def mlflow_on_sqlite(folder: Path) -> Iterator[str]:
    """Run an MLflow server on sqlite; yield its address."""
    import mlflow_parts

    with mlflow_parts.start_server(folder) as server:
        yield server.uri
