"""The registry's verbs: `adopt`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.delivery import deliver
from mlops_ci.cli.options import (
    change_options,
    config_options,
    dry_run_option,
    output_options,
    registry_options,
)
from mlops_ci.cli.session import Unit, open_session, units
from mlops_ci.cli.wiring import tools_for
from mlops_ci.commands.adopt import Known, adopt_pipeline, adopt_version
from mlops_ci.commands.reproduce import reproduce
from mlops_ci.errors import UsageError


@click.command()
@config_options
@registry_options
@change_options
@click.option(
    "--version", "version", help="Version of the registered model (default: the one with the alias)."
)
@click.option(
    "--predictions",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its predictions on the holdout, with the columns of `evaluation`.",
)
@click.option("--rescore", is_flag=True, help="Score it now with `evaluation.score_command`.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME=VALUE",
    help="A single number, if nothing else is known.",
)
@click.option("--from-pipeline", is_flag=True, help="Register what this branch's pipeline produces.")
@output_options
@dry_run_option
def adopt(**options: Any) -> int:
    """Take in the model that is already in production as the champion.

    \b
    This branch's pipeline made it:       mlops-ci adopt --from-pipeline
    It is registered, with predictions:   mlops-ci adopt --version 7 --predictions old.csv
    It can be scored:                     mlops-ci adopt --version 7 --rescore
    Only numbers are left of it:          mlops-ci adopt --version 7 --metric accuracy=0.93
    """
    session = open_session(options)
    models = units(session, options["config"], options["only"])
    if len(models) > 1:
        names = ", ".join(unit.settings.registry.model for unit in models)
        raise UsageError("the settings hold several models", remedy=f"name one with --model: {names}")
    unit: Unit = models[0]
    with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
        tools = tools_for(session, unit, Path(folder), runs_code=True)
        if options["from_pipeline"]:
            evidence = reproduce(unit.settings, tools, session.source)
            report = adopt_pipeline(
                unit.settings, tools, session.source, evidence, dry_run=options["dry_run"]
            )
        else:
            report = adopt_version(
                unit.settings,
                tools,
                session.source,
                Known(
                    version=options["version"],
                    predictions=options["predictions"],
                    rescore=options["rescore"],
                    metrics=_scalars(options["metrics"]),
                ),
                dry_run=options["dry_run"],
            )
    return deliver(session, [report])


def _scalars(pairs: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            raise UsageError(
                f"--metric {pair}: is not NAME=NUMBER", remedy="such as --metric accuracy=0.93"
            ) from None
    return values
