"""The session of a run: finds the repository, the change, the settings in force and the forge."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mlops_ci.adapters.environment import secrets_in
from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.git_fetch import fetch_change
from mlops_ci.adapters.ports import Console, Forge
from mlops_ci.cli.patterns import glob_matches, lies_above, within
from mlops_ci.commands.tools import utc_now
from mlops_ci.core.report import Notice, Source
from mlops_ci.errors import SettingsError, UsageError
from mlops_ci.settings import Settings, in_environment, own_keys, read_settings, trusted


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One model of the repository, with its settings in force and notices on how they were determined.

    `base` are the settings without an environment, where `settings` are those of one.
    """

    settings: Settings
    root: Path
    config: str
    notices: tuple[Notice, ...] = ()
    base: Settings | None = None


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all models of a run share."""

    repository: GitRepository
    forge: Forge
    console: Console
    source: Source
    options: Mapping[str, Any]
    now: Callable[[], datetime] = utc_now

    @property
    def on_forge(self) -> bool:
        """Whether the change comes from a forge, rather than from the user's work tree."""
        return not isinstance(self.forge, TerminalForge)


def forge_and_console(options: Mapping[str, Any], repository: GitRepository) -> tuple[Forge, Console]:
    """Return the forge and the console of this run: those of the CI job, else the terminal."""
    if os.environ.get("GITHUB_ACTIONS") == "true" and os.environ.get("GITHUB_EVENT_PATH"):
        from mlops_ci.adapters.forges.github import GitHubForge  # noqa: PLC0415
        from mlops_ci.adapters.forges.github_actions import ActionsConsole  # noqa: PLC0415

        actions = ActionsConsole()
        token = options.get("github_token") or ""
        token = "" if token == "none" else token  # noqa: S105 (the job that runs the change's code has none)
        for secret in [*([token] if token else []), *secrets_in({**os.environ, "": _address(options)})]:
            actions.mask(secret)
        return GitHubForge(token=token, comment=options.get("comment") or "always", console=actions), actions
    if os.environ.get("GITLAB_CI") == "true" and os.environ.get("CI_PROJECT_ID"):
        from mlops_ci.adapters.forges.gitlab import GitLabForge  # noqa: PLC0415
        from mlops_ci.adapters.forges.gitlab_notes import SectionConsole  # noqa: PLC0415

        sections = SectionConsole()
        token = os.environ.get("MLOPS_CI_GITLAB_TOKEN", "")
        return GitLabForge(
            token=token, comment=options.get("comment") or "always", console=sections
        ), sections
    console = TerminalConsole()
    forge = TerminalForge(repository, target=options.get("target"), console=console, now=clock())
    return forge, console


def clock() -> Callable[[], datetime]:
    """Return the clock of this run: the machine's, unless a simulation set its own.

    No flag and no variable reaches it: what is written into the ledger is not dated by its user.
    """
    context = click.get_current_context(silent=True)
    handed = context.find_root().obj if context is not None else None
    return handed if callable(handed) else utc_now


def _address(options: Mapping[str, Any]) -> str:
    return str(options.get("tracking_uri") or "")


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
    _bring_change(repository, forge, source, console, options.get("github_token"))
    tip = repository.target_tip(options.get("target") or source.target or None)
    if tip is not None:
        source = replace(source, target=tip[0], base=tip[1])
    elif source.base and repository.resolve(source.base) is None:
        raise UsageError(
            f"the target branch '{source.target}' is not in this clone",
            remedy="check out the whole history: `fetch-depth: 0` in actions/checkout",
        )
    return Session(
        repository=repository, forge=forge, console=console, source=source, options=options, now=clock()
    )


def _bring_change(
    repository: GitRepository, forge: Forge, source: Source, console: Console, token: str | None
) -> None:
    """Fetch a pull request's head if the checkout lacks it, as for a fork's in its separate workflow."""
    if source.pull_request is None or not source.head or repository.resolve(source.head) is not None:
        return
    reference, url = forge.reference(source.pull_request), repository.remote_url()
    if reference is None or url is None:
        return
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    problem = fetch_change(repository.root, url, reference, token if url.startswith(f"{server}/") else None)
    if problem:
        console.warn(f"the change's head could not be fetched: {problem}")


def units(session: Session, config: str, only: str | None = None) -> list[Unit]:
    """Return the models that this run is about.

    Settings files are looked for in the change and at the tip of the target branch: one that the
    change deletes stays in force.

    Raises
    ------
    SettingsError
        If a file in force is wrong; all problems of all files are listed.
    """
    repository, tip = session.repository, session.source.base
    pattern = within(repository.root, config)
    there = repository.paths(tip) if tip else []
    here = [path.relative_to(repository.root).as_posix() for path in repository.root.glob(pattern)]
    names = sorted({name for name in (*there, *here) if glob_matches(name, pattern)})
    if not names:
        above = lies_above(repository.root, config)
        remedy = f"run this in {repository.root}, where it is" if above else "write one with `mlops-ci init`"
        raise SettingsError(config, ["there is no such file here"], remedy=remedy)
    found = [_there(session, unit) for name in names for unit in _units_of(session, name)]
    models = [unit.settings.registry.model for unit in found]
    for model in models:
        if models.count(model) > 1:
            raise SettingsError(config, [f"the model '{model}' is set up more than once"])
    if only is not None:
        found = [unit for unit in found if unit.settings.registry.model == only]
        if not found:
            raise UsageError(
                f"the settings hold no model '{only:.80}'",
                remedy=f"name one with --model: {', '.join(models)}",
            )
    return found


def environment_of(settings: Settings, name: str) -> Settings:
    """Return the settings of an environment; raise a UsageError if there is none of this name."""
    known = settings.promotion.environments
    if name not in known:
        raise UsageError(
            f"the settings of '{settings.registry.model}' name no environment '{name:.80}'",
            remedy=f"one of: {', '.join(known)}" if known else "add it to promotion.environments",
        )
    return in_environment(settings, name)


def _there(session: Session, unit: Unit) -> Unit:
    """Return a model in the environment that was asked for, or that its settings name."""
    name = session.options.get("environment") or unit.settings.promotion.environment
    return replace(unit, settings=environment_of(unit.settings, name), base=unit.settings) if name else unit


def _units_of(session: Session, name: str) -> list[Unit]:
    """Return the models of one settings file: as the target branch has it, with the change's own paths."""
    repository, source = session.repository, session.source
    at_target = repository.read(source.base, name) if source.base else None
    place = repository.root / name
    if _elsewhere(session):
        here = repository.read(source.head, name)
    else:
        here = place.read_bytes() if place.is_file() and not place.is_symlink() else None
    if at_target is None:
        return _new_units(session, name, here)
    notices: list[Notice] = []
    in_force = read_settings(at_target, f"{name} on {source.target}")
    proposed: dict[str, Settings] = {}
    if here is not None and here != at_target:
        try:
            proposed = {one.registry.model: one for one in read_settings(here, name)}
        except SettingsError as error:
            text = f"This change leaves `{name}` with {len(error.problems)} problems: {error.problems[0]}"
            notices.append(Notice(text=text, level="danger"))
    for one in in_force:
        for key in own_keys(one, proposed.get(one.registry.model)):
            text = f"This change edits `{key}`, and its own value is used: it says where its outputs are."
            notices.append(Notice(text=text, level="danger"))
    return [
        _unit(session, name, trusted(one, proposed.get(one.registry.model)), [*notices, *_deprecated(one)])
        for one in in_force
    ]


def _new_units(session: Session, name: str, here: bytes | None) -> list[Unit]:
    """Return the models of a file that the target branch does not have yet."""
    if here is None:
        raise SettingsError(name, ["is not a regular file"])
    source = session.source
    notices = []
    if source.base and source.head != source.base:
        text = f"`{name}` is new in this change: its own policy is in force until the target branch has one."
        notices.append(Notice(text=text, level="warning"))
    return [_unit(session, name, one, [*notices, *_deprecated(one)]) for one in read_settings(here, name)]


def _unit(session: Session, name: str, settings: Settings, notices: list[Notice]) -> Unit:
    root = (session.repository.root / name).parent
    return Unit(settings=settings, root=root, config=name, notices=tuple(notices))


def _deprecated(settings: Settings) -> list[Notice]:
    return [Notice(text=text, level="warning") for text in settings.deprecated]


def templates_of(session: Session) -> dict[str, str]:
    """Return the user's own templates, from the tip of the target branch only."""
    base, folder = session.source.base, ".mlops-ci/templates/"
    if not base:
        return {}
    names = [name for name in session.repository.paths(base) if name.startswith(folder)]
    found = {name.removeprefix(folder): session.repository.read(base, name) for name in names}
    return {name: text.decode("utf-8", "replace") for name, text in found.items() if text is not None}


def _elsewhere(session: Session) -> bool:
    """Return whether the work tree lacks the change, whose own files are then read from git."""
    repository, head = session.repository, session.source.head
    if session.source.pull_request is None or not head or repository.resolve(head) is None:
        return False
    return repository.merge_base(repository.head(), head) != head
