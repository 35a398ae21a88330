"""Wires `doctor`: the repository, each of its models, and the forge."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_ci.adapters.dvc.pipeline import DvcPipeline
from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.onboarding.inspect import forge_of
from mlops_ci.adapters.onboarding.probes import ServiceProbes, github_client, parsed_workflows
from mlops_ci.adapters.onboarding.work_tree import LocalWorkTree
from mlops_ci.cli.addresses import connection_to
from mlops_ci.cli.patterns import lies_above, within
from mlops_ci.cli.session import Session, Unit
from mlops_ci.cli.wiring import tools_for
from mlops_ci.commands import doctor
from mlops_ci.core.onboarding.checks import Check, failed, ok
from mlops_ci.core.report import Report
from mlops_ci.errors import MlopsCiError, SettingsError
from mlops_ci.settings import Settings, in_environment, load

if TYPE_CHECKING:
    from mlops_ci.adapters.mlflow.client import Connection


def run_doctor(options: Mapping[str, Any]) -> Report:
    """Run all checks, and return the report."""
    repository = GitRepository(Path.cwd())
    console = TerminalConsole()
    forge = TerminalForge(repository, target=options.get("target"), console=console)
    kind = forge_of(repository, repository.files())
    checks: list[Check] = []
    workflows = parsed_workflows(LocalWorkTree(repository.root).workflows())
    checks += doctor.of_repository(
        repository, options.get("target"), shallow=repository.is_shallow(), workflows=workflows, forge=kind
    )
    units, found = _units(repository, options)
    checks += found
    of_models: list[tuple[str, list[Check]]] = []
    of_forge: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
        for index, unit in enumerate(units):
            session = Session(
                repository=repository, forge=forge, console=console, source=forge.source(), options=options
            )
            probes = _probes(session, unit)
            tools = tools_for(session, unit, Path(folder) / str(index), runs_code=False)
            model = unit.settings.registry.model
            named = _whole(doctor.of_model(unit.settings, tools, probes, offline=options["offline"]), model)
            of_models.append((model, list(named)))
            if not options["offline"] and index == 0:
                of_forge += doctor.of_forge(probes, {"github": "GitHub", "gitlab": "GitLab"}.get(kind, ""))
    checks += [*doctor.together(of_models), *of_forge]
    return doctor.doctor(checks, units[0].settings.registry.model if len(units) == 1 else "")


def _units(repository: GitRepository, options: Mapping[str, Any]) -> tuple[list[Unit], list[Check]]:
    """Read the settings in the working tree."""
    top, pattern = repository.root, options["config"]
    paths = sorted(top.glob(within(top, pattern)))
    if not paths:
        above = lies_above(top, pattern)
        remedy = f"Run this in {top}, where it is." if above else "Write one with `mlops-ci init`."
        return [], [failed(pattern, "there is no such file here", remedy)]
    units: list[Unit] = []
    checks: list[Check] = []
    for path in paths:
        name = path.relative_to(top).as_posix()
        try:
            models = load(path)
        except SettingsError as error:
            checks += [failed(name, problem, "Fix this key.") for problem in error.problems]
            continue
        checks.append(ok(name, f"is valid, for {len(models)} model{'s' if len(models) > 1 else ''}"))
        root = path.parent.resolve()
        units += [Unit(settings=_as_checked(one), root=root, config=name) for one in models]
    only = options.get("only")
    return [unit for unit in units if only in (None, unit.settings.registry.model)], checks


def _as_checked(settings: Settings) -> Settings:
    """Return the settings of the environment that a check compares with."""
    environment = settings.promotion.environment
    return in_environment(settings, environment) if environment else settings


def _probes(session: Session, unit: Unit) -> ServiceProbes:
    def connection() -> Connection:
        return connection_to(session, unit.settings)

    project = (unit.root / unit.settings.pipeline.directory).resolve()
    pipeline = DvcPipeline(
        repository=session.repository,
        console=session.console,
        folder=project.relative_to(session.repository.root.resolve()).as_posix(),
        python=session.options.get("pipeline_python"),
        timeout=120,
    )
    token, name = session.options.get("github_token"), os.environ.get("GITHUB_REPOSITORY", "")
    github = github_client(os.environ, token, name) if token and name else None
    return ServiceProbes(pipeline, connection, github, unit.settings.pipeline.targets)


def _whole(checks: Iterator[Check], model: str) -> Iterator[Check]:
    """Yield the checks of a model; what ends them early is one, too."""
    try:
        yield from checks
    except MlopsCiError as error:
        yield failed(model, error.problem, error.remedy, error.exit_code)
