"""Which MLflow is meant, where flags, a job's variables, settings and environments name several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.git import GitRepository
from mlops_ci.cli.addresses import MlflowAddress, address_of, connection_to
from mlops_ci.cli.session import Session
from mlops_ci.core.report import Source
from mlops_ci.errors import UsageError
from mlops_ci.settings import Settings, in_environment, read_settings

SETTINGS = b"""\
registry: {model: moons, tracking_uri: "http://settings.example", registry_uri: "http://registry.example"}
metrics: {accuracy: {margin: 0.01}}
promotion:
  environments:
    staging: {champion: staging}
    live: {tracking_uri: "http://live.example", token_variable: LIVE_TOKEN}
"""


@pytest.fixture
def session(dvc_repo: Any) -> Session:
    repository, console = GitRepository(dvc_repo.root), TerminalConsole()
    forge = TerminalForge(repository, console=console)
    return Session(repository=repository, forge=forge, console=console, source=Source(time="t"), options={})


def settings(environment: str | None = None, text: bytes = SETTINGS) -> Settings:
    (read,) = read_settings(text, "mlops-ci.yaml")
    return in_environment(read, environment) if environment else read


def test_who_comes_first(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_TOKEN", "secret")
    job = replace(session, options={"tracking_uri": "http://job.example"})
    both = replace(session, options={**job.options, "registry_uri": "http://other.example"})
    file = MlflowAddress(tracking="http://settings.example", registry="http://registry.example")
    assert address_of(session, settings()) == file
    assert address_of(job, settings("staging")) == replace(file, tracking="http://job.example")
    assert address_of(both, settings()).registry == "http://other.example"
    # An environment's own server is meant, with its own registry and its own token, whatever a job says.
    live = MlflowAddress(tracking="http://live.example", registry="http://live.example", token="secret")
    assert [address_of(one, settings("live")) for one in (session, job, both)] == [live] * 3
    assert connection_to(both, settings("live")).tracking == "http://live.example"


def test_a_token_that_is_missing_is_not_replaced_by_another_servers_login(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of another server")
    monkeypatch.delenv("LIVE_TOKEN", raising=False)
    with pytest.raises(UsageError, match="the variable LIVE_TOKEN is empty"):
        address_of(session, settings("live"))


def test_nothing_named_is_the_database_beside_the_code(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    bare = settings(text=b"registry: {model: moons}\nmetrics: {accuracy: {margin: 0.01}}\n")
    assert address_of(session, bare) == MlflowAddress(tracking=None, registry=None)
    assert connection_to(session, bare).tracking == f"sqlite:///{session.repository.root / 'mlflow.db'}"
