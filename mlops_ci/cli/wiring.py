"""Wires adapters to ports: the tools of one model, each created on first use."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlops_ci.adapters import process
from mlops_ci.adapters.data.evaluations import EvaluationFiles
from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.environment import stage_environment
from mlops_ci.adapters.files import LocalFiles
from mlops_ci.adapters.judgements import read_judgement
from mlops_ci.adapters.ports import Ledger, Pipeline, Registry, Traffic
from mlops_ci.adapters.user_metrics import load_functions
from mlops_ci.cli.addresses import address_of, connection_to
from mlops_ci.cli.session import Session, Unit, templates_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.report import Report
from mlops_ci.errors import HoldoutError, ServiceError, UsageError
from mlops_ci.settings import Settings


def tools_for(session: Session, unit: Unit, scratch: Path, *, runs_code: bool) -> Tools:
    """Return the tools of one model; without a shell if no code of the change may run."""
    frames = TableReader()
    scratch.mkdir(parents=True, exist_ok=True)
    return Tools(
        root=unit.root,
        scratch=scratch,
        repository=session.repository,
        forge=session.forge,
        console=session.console,
        frames=frames,
        files=LocalFiles(),
        evaluations=EvaluationFiles(frames),
        registry=lambda: registry_of(session, unit.settings),
        pipeline=lambda: _pipeline(session, unit),
        traffic=lambda: _traffic(session, unit),
        page=_page(session),
        shell=_shell(session, unit) if runs_code else None,
        profile=_profile,
        drift=_drift,
        ledger=lambda: ledger_of(session, unit.settings, scratch),
        read_judgement=read_judgement,
        operate=_operator(session, unit),
        actor=actor_of(session),
        now=session.now,
        functions=partial(load_functions, outside=session.repository.root),
    )


def _traffic(session: Session, unit: Unit) -> Traffic:
    outcomes = unit.settings.canary.outcomes if unit.settings.canary else ""
    if isinstance(outcomes, str):
        from mlops_ci.adapters.data.traffic import TrafficFiles  # noqa: PLC0415

        return TrafficFiles(outcomes, unit.root)
    from mlops_ci.adapters.mlflow.traffic import MlflowTraffic  # noqa: PLC0415

    return MlflowTraffic(connection_to(session, unit.settings), outcomes.mlflow)


def _page(session: Session) -> Callable[[Report], str]:
    def page(report: Report) -> str:
        from mlops_ci.render import render  # noqa: PLC0415

        return render(report, "html", templates_of(session))

    return page


def _profile(data: str, min_count: int, kinds: Mapping[str, str]) -> str:
    from mlops_ci.api_drift import profile  # noqa: PLC0415

    return profile(data, kinds=kinds).stored(min_count).to_json(min_count)


def _drift(reference: str, current: str, **options: Any) -> DriftReport:
    from mlops_ci.api_drift import drift  # noqa: PLC0415

    return drift(reference, current, **options)


def actor_of(session: Session) -> str:
    """Return the actor: as given, else the user of this machine."""
    named: str | None = session.options.get("actor")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def ledger_of(session: Session, settings: Settings, scratch: Path) -> Ledger:
    """Return the ledger: flag > settings > the forge's repository > the remote `origin` > this repository."""
    from mlops_ci.adapters.git_remote import without_login  # noqa: PLC0415
    from mlops_ci.adapters.ledger import GitLedger  # noqa: PLC0415

    root = session.repository.root
    url = session.options.get("ledger") or settings.promotion.ledger
    if url is None and session.on_forge and os.environ.get("GITHUB_REPOSITORY"):
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        url = f"{server}/{os.environ['GITHUB_REPOSITORY']}"
    url = url or session.repository.remote_url() or str(root)
    if "://" not in url and ":" not in url.split("/")[0]:
        url = str((root / url).resolve())
    folder = scratch / "ledger.git"
    # The forge's token is for the forge alone: an address elsewhere has its own login, or none.
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    token = session.options.get("github_token") if url.startswith(f"{server}/") else None
    gitlab = os.environ.get("CI_SERVER_URL", "https://gitlab.com")
    if os.environ.get("GITLAB_CI") == "true" and without_login(url, None)[0].startswith(f"{gitlab}/"):
        # The checkout's address has the login of the job, which by default may not push.
        token = os.environ.get("MLOPS_CI_GITLAB_TOKEN") or None
    return GitLedger(url, folder, branch=settings.promotion.ledger_branch, token=token)


def _operator(session: Session, unit: Unit) -> Callable[[str, Mapping[str, str]], str]:
    """Return the function that runs the policy's own commands (deploy, probe) with our credentials."""

    def run(command: str, variables: Mapping[str, str]) -> str:
        try:
            done = process.run(
                ["/bin/sh", "-c", command],
                cwd=unit.root,
                environment={**os.environ, **variables},
                timeout=unit.settings.pipeline.timeout,
                on_line=session.console.untrusted,
                keep_stdout=True,
            )
        except process.TimedOutError as error:
            raise ServiceError("deployment", f"`{command}`: {error}") from None
        if done.returncode:
            last = " ".join(done.tail[-3:])
            raise ServiceError("deployment", f"`{command}` ended with {done.returncode}: {last}".rstrip(": "))
        return done.stdout.decode(errors="replace")

    return run


def registry_of(session: Session, settings: Settings) -> Registry:
    """Return the registry of a model, in the environment of its settings."""
    from mlops_ci.adapters.mlflow.registry import MlflowRegistry  # noqa: PLC0415

    at = address_of(session, settings)
    return MlflowRegistry(
        at.tracking,
        at.registry,
        root=session.repository.root,
        experiment=settings.registry.experiment,
        token=at.token,
    )


def _pipeline(session: Session, unit: Unit) -> Pipeline:
    from mlops_ci.adapters.dvc.pipeline import DvcPipeline  # noqa: PLC0415

    settings = unit.settings.pipeline
    project = (unit.root / settings.directory).resolve()
    if not project.is_relative_to(session.repository.root.resolve()):
        raise UsageError(
            f"pipeline.directory: '{settings.directory:.200}' leads out of the repository",
            remedy="name the folder of the DVC project in it",
        )
    folder = project.relative_to(session.repository.root.resolve()).as_posix()
    config = None
    if session.on_forge and session.source.base:
        # Where the target branch has none, none is trusted: the change's own could name anything.
        place = f"{folder}/.dvc/config".removeprefix("./")
        config = session.repository.read(session.source.base, place) or b""
    return DvcPipeline(
        repository=session.repository,
        console=session.console,
        folder=folder,
        passed=settings.environment,
        python=session.options.get("pipeline_python"),
        timeout=settings.timeout,
        trusted_config=config,
    )


def _shell(session: Session, unit: Unit) -> Callable[[str, Mapping[str, str]], None]:
    settings = unit.settings.pipeline
    environment = stage_environment(os.environ, settings.environment, session.options.get("pipeline_python"))

    def run(command: str, variables: Mapping[str, str]) -> None:
        try:
            done = process.run(
                ["/bin/sh", "-c", command],
                cwd=unit.root,
                environment=environment | dict(variables),
                timeout=settings.timeout,
                on_line=session.console.untrusted,
            )
        except process.TimedOutError as error:
            raise HoldoutError(f"`{command}`: {error}") from None
        if done.returncode:
            last = " ".join(done.tail[-3:])
            raise HoldoutError(f"`{command}` ended with {done.returncode}: {last}", remedy="run it by hand")

    return run
