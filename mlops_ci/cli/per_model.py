"""Runs a verb for each model of the repository; a failure becomes that model's report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.delivery import deliver
from mlops_ci.cli.interruption import machine_problem
from mlops_ci.cli.session import Session, Unit, open_session, units
from mlops_ci.cli.wiring import tools_for
from mlops_ci.commands.error_report import could_not_tell
from mlops_ci.commands.tools import Tools
from mlops_ci.core.report import Notice, Report
from mlops_ci.errors import MlopsCiError, UsageError

BEGUN = Notice(
    text="What was begun, if anything, is finished by the next `mlops-ci promote` or `mlops-ci reconcile`.",
    level="warning",
)


def for_each_model(
    options: dict[str, Any],
    verb: Callable[[Session, Unit, Tools], Report | list[Report]],
    *,
    command: str | None = None,
    begun: Sequence[Notice] = (BEGUN,),
    single: bool = False,
) -> int:
    """Run a verb for each model; a failure becomes that model's report.

    Parameters
    ----------
    command
        Name of the verb in the report of a failure; by default as it was called.
    begun
        What a failure leaves, said in its report.
    single
        The verb is about one model: several need `--model`.
    """
    session = open_session(options)
    models = units(session, options["config"], options["only"])
    if single and len(models) > 1:
        names = ", ".join(unit.settings.registry.model for unit in models)
        raise UsageError("the settings hold several models", remedy=f"name one with --model: {names}")
    name = command or click.get_current_context().info_name or "promote"
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
        for index, unit in enumerate(models):
            tools = tools_for(session, unit, Path(folder) / str(index), runs_code=False)
            try:
                made = verb(session, unit, tools)
            except UsageError:
                raise
            except MlopsCiError as error:
                made = _failed(session, unit, error, name, begun)
            except OSError as error:
                trouble = machine_problem(error)
                if trouble is None:
                    raise
                made = _failed(session, unit, trouble, name, begun)
            reports += made if isinstance(made, list) else [made]
    return deliver(session, reports)


def _failed(
    session: Session, unit: Unit, error: MlopsCiError, command: str, begun: Sequence[Notice]
) -> Report:
    model = unit.settings.registry.model
    report = could_not_tell(model, error, session.source, unit.notices)
    headline = f"{model}: {command} failed"
    return replace(report, command=command, headline=headline, notices=(*report.notices, *begun))
