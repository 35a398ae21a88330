"""One run of a verb: which repository, change, settings and forge it is about, with all adapters made."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci.adapters import process
from mlops_ci.adapters.environment import stage_environment
from mlops_ci.adapters.evaluations import EvaluationFiles
from mlops_ci.adapters.files import LocalFiles
from mlops_ci.adapters.frames import TableReader
from mlops_ci.adapters.functions import load_functions
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.judgements import read_judgement
from mlops_ci.adapters.ports import Console, Forge, Ledger, Pipeline, Registry
from mlops_ci.adapters.terminal import TerminalConsole, TerminalForge
from mlops_ci.commands.tools import Tools
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.report import Notice, Source
from mlops_ci.errors import HoldoutError, ServiceError, SettingsError, UsageError
from mlops_ci.settings import Settings, read_settings, trusted


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One model of the repository: its settings in force, and what has to be said of how they came about."""

    settings: Settings
    root: Path
    config: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all models of one run share."""

    repository: GitRepository
    forge: Forge
    console: Console
    source: Source
    options: Mapping[str, Any]

    @property
    def on_forge(self) -> bool:
        """Whether the change comes from a forge, and is not the user's own work tree."""
        return not isinstance(self.forge, TerminalForge)


def forge_and_console(options: Mapping[str, Any], repository: GitRepository) -> tuple[Forge, Console]:
    """Return where this run reports to: the forge whose job this is, else the terminal."""
    if os.environ.get("GITHUB_ACTIONS") == "true" and os.environ.get("GITHUB_EVENT_PATH"):
        from mlops_ci.adapters.github import GitHubForge  # noqa: PLC0415
        from mlops_ci.adapters.github_actions import ActionsConsole  # noqa: PLC0415

        actions = ActionsConsole()
        token = options.get("github_token") or ""
        token = "" if token == "none" else token  # noqa: S105 (the job that runs the change's code has none)
        if token:
            actions.mask(token)
        return GitHubForge(token=token, comment=options.get("comment") or "always", console=actions), actions
    if os.environ.get("GITLAB_CI") == "true" and os.environ.get("CI_PROJECT_ID"):
        from mlops_ci.adapters.gitlab import GitLabForge, SectionConsole  # noqa: PLC0415

        sections = SectionConsole()
        token = os.environ.get("MLOPS_CI_GITLAB_TOKEN", "")
        return GitLabForge(
            token=token, comment=options.get("comment") or "always", console=sections
        ), sections
    console = TerminalConsole()
    return TerminalForge(repository, target=options.get("target"), console=console), console


def open_session(options: Mapping[str, Any]) -> Session:
    """Find the repository, the forge and the change.

    Raises
    ------
    UsageError
        If this is no git repository, or its history does not reach the target branch.
    """
    repository = GitRepository(Path.cwd())
    forge, console = forge_and_console(options, repository)
    source = forge.source()
    tip = repository.target_tip(options.get("target") or source.target or None)
    if tip is not None:
        source = replace(source, target=tip[0], base=tip[1])
    elif source.base and repository.resolve(source.base) is None:
        raise UsageError(
            f"the target branch '{source.target}' is not in this clone",
            remedy="check out the whole history: `fetch-depth: 0` in actions/checkout",
        )
    return Session(repository=repository, forge=forge, console=console, source=source, options=options)


def tools_for(session: Session, unit: Unit, scratch: Path, *, runs_code: bool) -> Tools:
    """Return the tools of one model; where no code of the change may run, there is no shell."""
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
        shell=_shell(session, unit) if runs_code else None,
        profile=_profile,
        drift=_drift,
        ledger=lambda: ledger_of(session, unit.settings, scratch),
        read_judgement=read_judgement,
        operate=_operator(session, unit),
        actor=actor_of(session),
        functions=partial(load_functions, outside=session.repository.root),
    )


def _profile(data: str, min_count: int, kinds: Mapping[str, str]) -> str:
    from mlops_ci.api_drift import profile  # noqa: PLC0415

    return profile(data, kinds=kinds).stored(min_count).to_json(min_count)


def _drift(reference: str, current: str, **options: Any) -> DriftReport:
    from mlops_ci.api_drift import drift  # noqa: PLC0415

    return drift(reference, current, **options)


def actor_of(session: Session) -> str:
    """Return who acts: as told, else the user of this machine."""
    named: str | None = session.options.get("actor")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def ledger_of(session: Session, settings: Settings, scratch: Path) -> Ledger:
    """Return the ledger: flag > settings > the forge's repository > the remote `origin` > this repository."""
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
    return GitLedger(url, folder, branch=settings.promotion.ledger_branch, token=token)


def _operator(session: Session, unit: Unit) -> Callable[[str, Mapping[str, str]], str]:
    """Return what runs the policy's own commands (deploy, probe): they need our credentials."""

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
    """Return the registry: flag > action input > MLflow's variables > settings > the embedded default."""
    from mlops_ci.adapters.mlflow import MlflowRegistry  # noqa: PLC0415

    registry = settings.registry
    return MlflowRegistry(
        session.options.get("tracking_uri") or registry.tracking_uri,
        session.options.get("registry_uri") or registry.registry_uri,
        root=session.repository.root,
        experiment=registry.experiment,
    )


def _pipeline(session: Session, unit: Unit) -> Pipeline:
    from mlops_ci.adapters.dvc import DvcPipeline  # noqa: PLC0415

    settings = unit.settings.pipeline
    project = (unit.root / settings.directory).resolve()
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


def units(session: Session, config: str, only: str | None = None) -> list[Unit]:
    """Return the models that this change is judged for.

    Settings files are looked for in the change and at the tip of the target branch: one that the
    change deletes stays in force.

    Raises
    ------
    SettingsError
        If a file in force is wrong; all problems of all files are listed.
    """
    repository, tip = session.repository, session.source.base
    folder = PurePosixPath(Path.cwd().resolve().relative_to(repository.root.resolve()).as_posix())
    pattern = str(folder / config) if str(folder) != "." else config
    there = repository.paths(tip) if tip else []
    here = [path.relative_to(repository.root).as_posix() for path in repository.root.glob(pattern)]
    names = sorted({name for name in (*there, *here) if PurePosixPath(name).match(pattern)})
    if not names:
        raise SettingsError(config, ["there is no such file"], remedy="write one with `mlops-ci init`")
    found = [unit for name in names for unit in _units_of(session, name)]
    models = [unit.settings.registry.model for unit in found]
    for model in models:
        if models.count(model) > 1:
            raise SettingsError(config, [f"the model '{model}' is set up more than once"])
    if only is not None:
        found = [unit for unit in found if unit.settings.registry.model == only]
        if not found:
            raise UsageError(f"there is no model '{only}'", remedy=f"one of: {', '.join(models)}")
    return found


def _units_of(session: Session, name: str) -> list[Unit]:
    repository, source = session.repository, session.source
    at_target = repository.read(source.base, name) if source.base else None
    place = repository.root / name
    here = place.read_bytes() if place.is_file() and not place.is_symlink() else None
    notices: list[Notice] = []
    if at_target is None:
        if here is None:
            raise SettingsError(name, ["is not a regular file"])
        in_force = read_settings(here, name)
        if source.base and source.head != source.base:
            text = (
                f"`{name}` is new in this change: its own policy is in force until the target branch has one."
            )
            notices.append(Notice(text=text, level="warning"))
        return [
            Unit(settings=one, root=place.parent, config=name, notices=tuple(notices)) for one in in_force
        ]
    in_force = read_settings(at_target, f"{name} on {source.target}")
    proposed: dict[str, Settings] = {}
    if here is not None and here != at_target:
        try:
            proposed = {one.registry.model: one for one in read_settings(here, name)}
        except SettingsError as error:
            text = f"This change leaves `{name}` with {len(error.problems)} problems: {error.problems[0]}"
            notices.append(Notice(text=text, level="danger"))
    return [
        Unit(
            settings=trusted(one, proposed.get(one.registry.model)),
            root=place.parent,
            config=name,
            notices=tuple(notices),
        )
        for one in in_force
    ]
