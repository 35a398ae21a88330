"""Which MLflow is meant, where flags, a job's variables, settings and environments name several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.git_server import GitServer
from ledger_parts import bare_remote, git, intent

from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.git import GitRepository
from mlops_ci.cli.addresses import MlflowAddress, address_of, connection_to
from mlops_ci.cli.session import Session
from mlops_ci.cli.wiring import ledger_of
from mlops_ci.core.report import Source
from mlops_ci.errors import ServiceError, UsageError
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


def test_on_gitlab_the_ledger_is_pushed_with_the_projects_token_and_the_jobs_goes_nowhere_else(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare_remote(tmp_path).rename(tmp_path / "shop.git")
    for scratch in "ab":
        (tmp_path / scratch).mkdir()
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("MLOPS_CI_GITLAB_TOKEN", "of-the-project")
    with GitServer(tmp_path, writers=["of-the-project"]) as gitlab:
        # As GitLab's runner checks out: the address has the job's login, which may read.
        there = gitlab.url.replace("http://", "http://gitlab-ci-token:of-the-job@") + "/shop.git"
        git(session.repository.root, "remote", "set-url", "origin", there)
        monkeypatch.setenv("CI_SERVER_URL", gitlab.url)
        ledger = ledger_of(session, settings(), tmp_path / "a")
        assert ledger.append(ledger.read("moons"), intent("1", model="moons")).entries
        # Another server gets the login that its own address has, and not the project's token.
        monkeypatch.setenv("CI_SERVER_URL", "https://gitlab.example")
        elsewhere = ledger_of(session, settings(), tmp_path / "b")
        with pytest.raises(ServiceError, match="may write"):
            elsewhere.append(elsewhere.read("moons"), intent("2", model="moons"))
