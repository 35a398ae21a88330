"""The verbs on production: `monitor`, `retrain`, `data`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.addresses import connection_to
from mlops_ci.cli.options import (
    change_options,
    config_options,
    dry_run_option,
    environment_option,
    ledger_options,
    output_options,
    registry_options,
)
from mlops_ci.cli.per_model import for_each_model
from mlops_ci.cli.session import Session, Unit, templates_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core.monitor.windows import read_time
from mlops_ci.core.report import Report
from mlops_ci.errors import UsageError
from mlops_ci.render import render


def _time(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else read_time(value)
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is not a time: write 2026-03-01T06:00", context, parameter
        ) from None


_at = click.option(
    "--at",
    metavar="TIME",
    callback=_time,
    help="As of this time (UTC), to replay what was; windows that end later are not due.",
)


@click.command()
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@_at
@output_options
@dry_run_option
def monitor(**options: Any) -> int:
    """Judge production's new windows: drift, predictions, performance with and without labels.

    Reads `monitor.data`, compares with what the champion was trained and judged on, keeps each window in the
    ledger, and opens, updates or closes one issue. Running it twice changes nothing.

    \b
    On a schedule:             mlops-ci monitor
    The page of trends:        mlops-ci monitor --dry-run --output trends.html
    As of an earlier time:     mlops-ci monitor --at 2026-03-01T06:00
    """
    from mlops_ci.commands.monitor import monitor as run  # noqa: PLC0415

    def verb(session: Session, unit: Unit, tools: Tools) -> Report:
        from mlops_ci.adapters.data.production import ProductionFiles  # noqa: PLC0415
        from mlops_ci.commands.monitor import MonitorInputs  # noqa: PLC0415

        watch = MonitorInputs(
            production=ProductionFiles(unit.root), trends=_trends(session, unit), now=options["at"]
        )
        report = run(unit.settings, tools, watch, session.source, dry_run=options["dry_run"])
        return report if options["dry_run"] else _with_issue(session, unit, report)

    return for_each_model(options, verb, begun=())


def _trends(session: Session, unit: Unit) -> Any:
    from mlops_ci.adapters.mlflow.trends import MlflowTrends  # noqa: PLC0415

    experiment = unit.settings.registry.experiment
    return MlflowTrends(connection_to(session, unit.settings), experiment=experiment)


def _with_issue(session: Session, unit: Unit, report: Report) -> Report:
    """Create or update the one issue of this model where it runs; its body is the report."""
    if not unit.settings.monitor.issue:
        return report
    issue = report.details["issue"]
    body = render(report, "comment", templates_of(session)) if issue["open"] else None
    # Of each environment: one that is quiet closes no other's.
    where = unit.settings.promotion.environment
    key = f"monitor {report.model} {where}" if where else f"monitor {report.model}"
    title = f"{where}: {issue['title']}" if where and issue["title"] else issue["title"]
    url = session.forge.issue(key, title, body)
    return replace(report, details={**report.details, "issue": {**issue, "url": url}})


@click.command()
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@_at
@output_options
@dry_run_option
def retrain(**options: Any) -> int:
    """Decide from what `monitor` recorded whether to train again, and start it once.

    Drift and a proven loss in k of the last n windows start it; drift alone, or an estimate, never does. A
    cool-down, a weekly budget and unchanged data hold it back; two runs at the same time start one.

    \b
    After `monitor`:            mlops-ci retrain
    Would it, and why:          mlops-ci retrain --dry-run
    """
    from mlops_ci.commands.retrain import retrain as run  # noqa: PLC0415

    return for_each_model(
        options,
        lambda session, unit, tools: run(
            unit.settings, tools, session.source, now=options["at"], dry_run=options["dry_run"]
        ),
        begun=(),
    )


@click.group(invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> int | None:
    """Bring newer data into the repository: validated, stored, and proposed as a pull request.

    \b
    Of one file:               mlops-ci data update data/train.csv
    Of `retrain.data`:         mlops-ci data
    """
    if context.invoked_subcommand is None:
        # Not `context.invoke`: that would not look at the environment, where an action's inputs are.
        code: int = update.main(args=[], prog_name="mlops-ci data update", standalone_mode=False)
        return code
    return None


@data.command()
@click.argument("path", required=False)
@config_options
@registry_options
@ledger_options
@change_options
@click.option("--anyway", is_flag=True, help="Take data that lost columns, changed types or shrank.")
@output_options
@dry_run_option
def update(path: str | None, **options: Any) -> int:
    """Validate the new data at PATH, push it, prove that it is stored, and open a pull request.

    PATH is a file that DVC tracks and that you have replaced, or an import (`dvc import`), which is fetched
    anew. The work tree's pointer file stays as it is: the change is on a branch.

    \b
    New rows are in place:      mlops-ci data update data/train.csv
    What would be proposed:     mlops-ci data update data/train.csv --dry-run
    """
    from mlops_ci.commands.data_update import Update, data_update  # noqa: PLC0415

    def verb(session: Session, unit: Unit, tools: Tools) -> list[Report]:
        from mlops_ci.adapters.dvc.data import DvcData  # noqa: PLC0415

        named = [path] if path else unit.settings.retrain.paths
        if not named:
            raise UsageError("there is no PATH", remedy="name one, or set `retrain.data` in mlops-ci.yaml")
        root = session.repository.root
        project = (unit.root / unit.settings.pipeline.directory).resolve()
        versions = DvcData(root, project, session.console, timeout=unit.settings.pipeline.timeout)
        base = session.source.base or session.source.head
        made = Update(versions=versions, branches=_branches(session), base=base, anyway=options["anyway"])
        return [
            data_update(
                unit.settings,
                tools,
                made,
                session.source,
                _inside(root, unit, one),
                dry_run=options["dry_run"],
            )
            for one in named
        ]

    return for_each_model(options, verb, command="data", begun=(), single=True)


def _inside(root: Path, unit: Unit, path: str) -> str:
    """Return a path, given relative to the settings file, relative to the repository."""
    place = (unit.root / path).resolve()
    if not place.is_relative_to(root.resolve()):
        raise UsageError(f"{path} is not in this repository", remedy="name a file of the repository")
    return place.relative_to(root.resolve()).as_posix()


def _branches(session: Session) -> Any:
    """Return where branches are published: in the forge's repository in a CI job, else only locally."""
    import os  # noqa: PLC0415

    from mlops_ci.adapters.branches import GitBranches  # noqa: PLC0415

    root = session.repository.root
    if not session.on_forge:
        return GitBranches(root)
    url = session.repository.remote_url()
    if not os.environ.get("GITHUB_REPOSITORY"):
        return GitBranches(root, url=url, token=os.environ.get("MLOPS_CI_GITLAB_TOKEN"))
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    url = url or f"{server}/{os.environ['GITHUB_REPOSITORY']}"
    # The forge's token is for the forge alone.
    token = session.options.get("github_token") if url.startswith(f"{server}/") else None
    return GitBranches(root, url=url, token=token)
