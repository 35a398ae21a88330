"""The verbs `canary start`, `look`, `status` and `stop`."""

from __future__ import annotations

from typing import Any

import click

from mlops_ci.cli.options import (
    change_options,
    config_options,
    dry_run_option,
    ledger_options,
    output_options,
    registry_options,
)
from mlops_ci.cli.per_model import for_each_model
from mlops_ci.commands.canary.look import look as run_look
from mlops_ci.commands.canary.verbs import start as run_start
from mlops_ci.commands.canary.verbs import status as run_status
from mlops_ci.commands.canary.verbs import stop as run_stop
from mlops_ci.commands.promote_report import Confirmation


@click.group()
def canary() -> None:
    """Guard a new version on live traffic before it becomes the champion.

    \b
    Start with the merged commit:       mlops-ci canary start      (or mlops-ci promote)
    Every hour, from a schedule:        mlops-ci canary look
    How far it is:                      mlops-ci canary status
    End it, all traffic back:           mlops-ci canary stop --reason "the team is away"
    """


@canary.command()
@config_options
@registry_options
@ledger_options
@change_options
@click.option("--approve", metavar="REASON", help="Start with a held candidate; the reason is written down.")
@click.option("--again", metavar="REASON", help="Start once more with bytes that were rolled back.")
@output_options
@dry_run_option
def start(**options: Any) -> int:
    """Give the candidate of the merged commit its first share of the traffic.

    It is what `promote` does where mlops-ci.yaml has `canary`: the candidate is found, proven and judged
    again in the same way.

    \b
    After a merge:     mlops-ci canary start
    What would be:     mlops-ci canary start --dry-run
    """
    word = Confirmation(approve=options["approve"], again=options["again"])
    return for_each_model(
        options,
        lambda session, unit, tools: run_start(
            unit.settings, tools, session.source, word, dry_run=options["dry_run"]
        ),
    )


@canary.command()
@config_options
@registry_options
@ledger_options
@change_options
@output_options
@dry_run_option
def look(**options: Any) -> int:
    """Read the windows that are due, decide, and do it: roll back, widen, promote, or go on.

    Ends with 0 where it goes on or promotes, 1 where it rolled back, 3 where the deadline came first. A look
    at one that was over before does nothing and ends with 0.

    \b
    On a schedule:       mlops-ci canary look
    Change nothing:      mlops-ci canary look --dry-run
    """
    return for_each_model(
        options,
        lambda session, unit, tools: run_look(
            unit.settings, tools, session.source, dry_run=options["dry_run"]
        ),
    )


@canary.command()
@config_options
@registry_options
@ledger_options
@change_options
@output_options
def status(**options: Any) -> int:
    """Show the steps, the evidence against its thresholds, and what was decided; change nothing.

    \b
    In a terminal:     mlops-ci canary status
    As a page:         mlops-ci canary status --output canary.html
    """
    return for_each_model(
        options, lambda session, unit, tools: run_status(unit.settings, tools, session.source)
    )


@canary.command()
@config_options
@registry_options
@ledger_options
@change_options
@click.option("--reason", default="", help="Why; written into the ledger.")
@output_options
@dry_run_option
def stop(**options: Any) -> int:
    """End the running canary, with all traffic back on the champion.

    \b
    Now:     mlops-ci canary stop --reason "a bug in the client"
    """
    return for_each_model(
        options,
        lambda session, unit, tools: run_stop(
            unit.settings, tools, session.source, reason=options["reason"], dry_run=options["dry_run"]
        ),
        single=True,
    )
