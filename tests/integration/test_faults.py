"""Services that break at any request: the right verdict or exit 4, and never half a state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dvc_repo import DvcRepo
from fakes.fault_proxy import Fault, FaultProxy
from fakes.git_server import GitServer
from fault_parts import VERBS, impatient, world
from mlflow_parts import Server, emptied, start_server
from promotion_parts import Story
from real_parts import s3_store

from benchmarks.faults import cases
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.core.ledger_state import state_of
from mlops_ci.errors import ServiceError

PUSH = 5
"""Number of the request that pushes the first line."""


#: Seconds a request: services that are well have to answer in them while other tests run.
UNHURRIED = 4.0


@pytest.fixture
def server(mlflow_server: Server) -> Iterator[Server]:
    """The whole run's server, left without this test's models."""
    yield mlflow_server
    emptied(MlflowRegistry(mlflow_server.uri))


@pytest.mark.parametrize(
    ("mode", "times", "code"), [("lost", 1, 0), ("half", 1, 0), ("503", None, 4), ("html", None, 4)]
)
def test_a_ledger_that_breaks_when_it_is_written(
    story: Story, mode: str, times: int | None, code: int
) -> None:
    """The intent's push: lost after it was accepted, cut short, refused for ever."""
    with (
        GitServer(story.origin.parent, writers=[""]) as git,
        FaultProxy(git.url) as proxy,
        impatient(UNHURRIED),
    ):
        told = replace(story, ledger_url=f"{proxy.url}/origin.git")
        # Reading an empty branch asks twice; then a push asks where the branch is, and sends.
        proxy.arm(Fault(mode, PUSH, times))
        if code == 0:
            assert told.promote().exit_code == 0
        else:
            with pytest.raises(ServiceError, match="the ledger"):
                told.promote()
        assert "git-receive-pack" in proxy.seen[PUSH]
        proxy.arm()
    story.reconcile(merged=False)
    state = state_of(story.history())
    assert story.aliases()["champion"] == (state.champion or "1")
    assert state.open is None
    assert story.promote().exit_code == 0
    assert story.aliases()["champion"] == "2"
    assert (
        len([one for one in story.history().entries if one.event == "promote" and one.phase == "intent"]) == 1
    )


@pytest.mark.slow
def test_a_fixed_sample_of_faults_at_every_verb(
    tmp_path: Path, server: Server, dvc_template: DvcRepo
) -> None:
    modes = ["slow", "reset", "lost", "half", "429", "500", "503", "html"]
    with world(tmp_path, server, dvc_template) as found, impatient(UNHURRIED):
        clean = {verb: found.clean(verb) for verb in VERBS}
        outcomes = [found.run(*case) for case in cases(clean, 3, 24, modes)]
        # A page of HTML where the ledger is read first was taken for an empty one.
        outcomes += [found.run("rollback", "git", Fault("html", at)) for at in (0, 2)]
    assert [one for one in outcomes if one.problems] == []
    assert {one.code for one in outcomes} == {0, 1, 4}


@pytest.mark.slow
def test_an_expired_certificate_is_said(tmp_path: Path, server: Server, dvc_template: DvcRepo) -> None:
    with world(tmp_path, server, dvc_template, tls=True) as found, impatient(UNHURRIED):
        outcomes = [
            found.run("check", "mlflow", Fault("expired", 0)),
            found.run("promote", "git", Fault("expired", 4)),
            found.run("rollback", "mlflow", Fault("expired", 9)),
        ]
    assert [(one.code, one.problems) for one in outcomes] == [(4, ())] * 3
    assert all("certificate" in one.said for one in outcomes)


@pytest.mark.e2e
def test_an_s3_store_that_breaks(tmp_path: Path, dvc_template: DvcRepo) -> None:
    """DVC's remote, and the artifacts that MLflow's client fetches and sends itself."""
    for name in ("s3", "server", "world"):
        (tmp_path / name).mkdir()
    with (
        s3_store(tmp_path / "s3") as port,
        start_server(tmp_path / "server", artifacts="s3://mlflow/artifacts") as server,
        world(tmp_path / "world", server, dvc_template, s3=port) as found,
        impatient(UNHURRIED),
    ):
        asked = found.clean("check")["s3"]
        dvc = next(at for at, request in enumerate(asked) if request.startswith("GET /dvc/data"))
        sent = next(at for at, request in enumerate(asked) if request.startswith("PUT /mlflow"))
        faults = [Fault("reset", dvc), Fault("half", dvc, 1), Fault("503", sent), Fault("500", sent, 1)]
        outcomes = [found.run("check", "s3", fault) for fault in faults]
        outcomes.append(found.run("promote", "s3", Fault("reset", 0)))
    assert [(one.code, one.problems) for one in outcomes] == [
        *[(4, ()), (1, ()), (4, ()), (1, ())],
        (4, ()),
    ]
    assert "DVC remote" in outcomes[0].said
