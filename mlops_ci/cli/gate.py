"""The gate's verbs: `check` and `reproduce`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mlops_ci.adapters.bundle import read_bundle, write_bundle
from mlops_ci.adapters.ports import Evidence
from mlops_ci.cli.delivery import announce, deliver
from mlops_ci.cli.interruption import Cancelled, cancelled, machine_problem
from mlops_ci.cli.options import (
    change_options,
    config_options,
    dry_run_option,
    output_options,
    registry_options,
)
from mlops_ci.cli.session import Session, Unit, open_session, units
from mlops_ci.cli.wiring import tools_for
from mlops_ci.commands.check import check as run_check
from mlops_ci.commands.error_report import could_not_tell
from mlops_ci.commands.reproduce import reproduce as run_reproduce
from mlops_ci.commands.tamper import approvals_needed
from mlops_ci.core.bundle import Failure, Manifest
from mlops_ci.core.report import Report
from mlops_ci.errors import MlopsCiError

_token = click.option("--github-token", envvar="MLOPS_CI_GITHUB_TOKEN", help="Token that posts the report.")
_comment = click.option(
    "--comment",
    type=click.Choice(["always", "changes", "failures", "off"]),
    envvar="MLOPS_CI_COMMENT",
    default="always",
    show_default=True,
    help="When to comment on the pull request.",
)
_report_dir = click.option(
    "--report-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MLOPS_CI_REPORT_DIR",
    help="Write the report here too, as JSON, HTML and Markdown.",
)


@click.command()
@config_options
@registry_options
@change_options
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MLOPS_CI_EVIDENCE",
    help="Judge this bundle of `reproduce`, and run no code of the change.",
)
@_comment
@_token
@_report_dir
@output_options
@dry_run_option
def check(**options: Any) -> int:
    """Judge this change's model against the champion, report, and gate the merge.

    Reproduces the pipeline (or reads --evidence), compares the candidate with the champion in MLflow on
    the same holdout rows, keeps the candidate's run, and says what merging would do.

    \b
    On this branch:            mlops-ci check
    Against another branch:    mlops-ci check --target release
    For a program:             mlops-ci check --format json
    """
    session = open_session(options)
    try:
        models = units(session, options["config"], options["only"])
    except MlopsCiError as error:
        return deliver(session, [could_not_tell("", error, session.source)])
    together = _together(models, options)
    announce(session, [unit.settings.registry.model for unit in models], together=together)
    try:
        with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
            reports = [
                _checked(session, unit, Path(folder) / str(index)) for index, unit in enumerate(models)
            ]
    except Cancelled:
        with suppress(MlopsCiError, OSError):
            ended = [cancelled(unit.settings.registry.model, session.source) for unit in models]
            deliver(session, ended, together=together)
        raise
    return deliver(session, reports, together=together)


def _together(models: Sequence[Unit], options: Mapping[str, Any]) -> list[str]:
    """Return the models that share a comment; a job on a single one of them has its own."""
    shared = [u.settings.registry.model for u in models if u.settings.report.comment == "together"]
    return [] if options["only"] else shared


def _checked(session: Session, unit: Unit, scratch: Path) -> Report:
    """Check one model; a failure becomes its report."""
    bundle: Path | None = session.options.get("evidence")
    tools = tools_for(session, unit, scratch, runs_code=bundle is None)
    model, source = unit.settings.registry.model, session.source
    try:
        evidence = read_bundle(bundle, model) if bundle else run_reproduce(unit.settings, tools, source)
        approvals = approvals_needed(unit.settings, tools, source, unit.config)
        return run_check(
            unit.settings,
            tools,
            evidence,
            source,
            approvals=approvals,
            notices=unit.notices,
            dry_run=session.options["dry_run"],
        )
    except MlopsCiError as error:
        return could_not_tell(model, error, source, unit.notices)
    except OSError as error:
        trouble = machine_problem(error)
        if trouble is None:
            raise
        return could_not_tell(model, trouble, source, unit.notices)


@click.command()
@config_options
@change_options
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MLOPS_CI_EVIDENCE",
    default=Path("evidence"),
    show_default=True,
    help="Folder to write the bundle to.",
)
def reproduce(**options: Any) -> int:
    """Run the pipeline without any token, and write the evidence for `check`.

    This is the first of the two jobs: it runs the change's code and needs no access to the forge or the
    registry. A pipeline that fails leaves a bundle too, so that the second job can say so.

    \b
    In the first job:     mlops-ci reproduce --evidence evidence
    In the second job:    mlops-ci check --evidence evidence
    """
    session = open_session(options)
    models = units(session, options["config"], options["only"])
    return max(_reproduced(session, unit, options["evidence"]) for unit in models)


def _reproduced(session: Session, unit: Unit, into: Path) -> int:
    model = unit.settings.registry.model
    with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
        tools = tools_for(session, unit, Path(folder), runs_code=True)
        try:
            place = write_bundle(run_reproduce(unit.settings, tools, session.source), into)
        except MlopsCiError as error:
            failure = Failure(problem=error.problem, remedy=error.remedy, exit_code=error.exit_code)
            manifest = Manifest(model=model, head=session.source.head, failure=failure)
            write_bundle(Evidence(manifest=manifest), into)
            session.console.error(str(error), title=f"mlops-ci: {model}")
            return error.exit_code
    session.console.info(f"Evidence for '{model}' is in {place}")
    return 0
