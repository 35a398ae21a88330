"""Fixtures that several tests share: no network but this machine's, a GitHub, an MLflow."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo, make_dvc_repo
from fakes.github import GitHub
from guarded_repo import GuardedRepo, adopt, make_guarded
from mlflow_parts import Server, emptied, start_server
from promotion_parts import Story, copy_story, story_with_candidate

from mlops_ci.adapters.mlflow.registry import MlflowRegistry

LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on a connection to anywhere else, instead of waiting for it or depending on it."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and str(address[0]) not in LOCAL:
            raise RuntimeError(f"a test may not connect to {address[0]}")
        return connect(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOCAL | {socket.gethostname()}:
            raise RuntimeError(f"a test may not look up {name}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)


@pytest.fixture
def github() -> Iterator[GitHub]:
    """Serve a GitHub with pull request 7; whatever breaks GitHub's description fails the test."""
    with GitHub() as server:
        server.add_pull(7, "a" * 40)
        yield server
        assert server.violations == []


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


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.e2e)])
def registry(request: pytest.FixtureRequest) -> Iterator[MlflowRegistry]:
    """An empty registry: on sqlite, and on the server, which is emptied afterwards."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_registry")
        return
    yield (registry := MlflowRegistry(request.getfixturevalue("mlflow_server").uri))
    emptied(registry)


@pytest.fixture(scope="session")
def dvc_template(tmp_path_factory: pytest.TempPathFactory) -> DvcRepo:
    """A DVC repository that is made once; tests get copies."""
    return make_dvc_repo(tmp_path_factory.mktemp("dvc") / "template")


@pytest.fixture
def dvc_repo(tmp_path: Path, dvc_template: DvcRepo) -> DvcRepo:
    """A checkout as on a laptop: data, outputs and cache are here; `clone()` gives one as in CI."""
    return copy_dvc_repo(dvc_template, tmp_path / "dvc")


@pytest.fixture(scope="session")
def guarded_template(
    tmp_path_factory: pytest.TempPathFactory, dvc_template: DvcRepo, empty_mlflow_database: Path
) -> DvcRepo:
    """A guarded repository that is made once; tests get copies."""
    return make_guarded(dvc_template, empty_mlflow_database, tmp_path_factory.mktemp("guarded") / "template")


@pytest.fixture
def unguarded(
    tmp_path: Path,
    guarded_template: DvcRepo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> GuardedRepo:
    """A repository with settings, and nothing in production yet."""
    return GuardedRepo(copy_dvc_repo(guarded_template, tmp_path / "guarded"), monkeypatch, capsys)


@pytest.fixture(scope="session")
def champion_template(guarded_template: DvcRepo, tmp_path_factory: pytest.TempPathFactory) -> DvcRepo:
    """The same, whose main branch made the champion."""
    return adopt(copy_dvc_repo(guarded_template, tmp_path_factory.mktemp("champion") / "template"))


@pytest.fixture
def guarded(
    tmp_path: Path,
    champion_template: DvcRepo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> GuardedRepo:
    """A repository whose main branch made the champion."""
    return GuardedRepo(copy_dvc_repo(champion_template, tmp_path / "guarded"), monkeypatch, capsys)


@pytest.fixture(scope="session")
def story_template(
    tmp_path_factory: pytest.TempPathFactory, dvc_template: DvcRepo, empty_mlflow_database: Path
) -> Story:
    """Version 1 is the champion, and a judged candidate was squashed into main; made once a test run."""
    repo = copy_dvc_repo(dvc_template, tmp_path_factory.mktemp("story") / "story")
    return story_with_candidate(repo, empty_mlflow_database)


@pytest.fixture
def story(tmp_path: Path, story_template: Story) -> Story:
    """A copy of the story, to promote from."""
    return copy_story(story_template, tmp_path / "story")
