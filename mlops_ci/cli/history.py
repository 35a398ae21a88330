"""The verbs on the champion and its history: `promote`, `rollback`, `reconcile`, `lineage`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlops_ci.adapters.files import write_atomic
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
from mlops_ci.cli.session import Session, Unit, environment_of
from mlops_ci.cli.wiring import tools_for
from mlops_ci.commands.lineage import lineage as run_lineage
from mlops_ci.commands.rollback import rollback as run_rollback
from mlops_ci.commands.tools import Tools
from mlops_ci.core.report import Report
from mlops_ci.errors import UsageError


@click.command()
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@click.option(
    "--from",
    "origin",
    metavar="NAME",
    envvar="MLOPS_CI_FROM",
    help="Promote the champion of this environment (default: `after` of the environment).",
)
@click.option("--approve", metavar="REASON", help="Promote a held candidate; the reason is written down.")
@click.option("--again", metavar="REASON", help="Promote bytes that were rolled back once more.")
@output_options
@dry_run_option
def promote(**options: Any) -> int:
    """Make the candidate of the merged commit the champion.

    Finds what the check recorded, whatever the merge did to the commit; proves that the bytes are those that
    were judged; decides again by the policy and the champion of now; never trains.

    \b
    After a merge, on the target branch:    mlops-ci promote
    What would happen:                      mlops-ci promote --dry-run
    A held candidate, by hand:              mlops-ci promote --approve "agreed with the fraud team"
    From one environment to the next:       mlops-ci promote --environment production --from staging
    """
    return for_each_model(options, _promote)


def _promote(session: Session, unit: Unit, tools: Tools) -> Report:
    """Promote the judged candidate, or the champion of the preceding environment."""
    # A rollback needs nothing of the gate's statistics, and is wanted at once.
    from mlops_ci.commands.environments import Origin, promote_from  # noqa: PLC0415
    from mlops_ci.commands.promote import promote as run_promote  # noqa: PLC0415
    from mlops_ci.commands.promote_report import Confirmation  # noqa: PLC0415

    options, settings = session.options, unit.settings
    word = Confirmation(approve=options["approve"], again=options["again"])
    here = settings.promotion.environments.get(settings.promotion.environment or "")
    name = options["origin"] or (here.after if here else None)
    if name is None:
        return run_promote(settings, tools, session.source, word, dry_run=options["dry_run"])
    if name == settings.promotion.environment:
        raise UsageError(f"'{name}' cannot be promoted from itself", remedy="name another with --from")
    origin = replace(unit, settings=environment_of(unit.base or settings, name))
    there = tools_for(session, origin, tools.scratch / "from", runs_code=False)
    return promote_from(
        Origin(settings=origin.settings, tools=there),
        *(settings, tools, session.source, word),
        dry_run=options["dry_run"],
    )


@click.command()
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@click.option("--to", metavar="VERSION", help="Version to go to (default: the champion before this one).")
@click.option("--reason", default="", help="Why; written into the ledger.")
@output_options
@dry_run_option
def rollback(**options: Any) -> int:
    """Go back to an earlier champion, in seconds.

    \b
    To the one before:      mlops-ci rollback --reason "false alarms doubled"
    To a named version:     mlops-ci rollback --to 7
    """
    return for_each_model(
        options,
        lambda session, unit, tools: run_rollback(
            unit.settings,
            tools,
            session.source,
            to=options["to"],
            reason=options["reason"],
            dry_run=options["dry_run"],
        ),
        single=True,
    )


@click.command()
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@click.option("--restore", is_flag=True, help="Put an alias that was moved by hand back.")
@click.option("--accept", is_flag=True, help="Write what was done by hand into the ledger.")
@output_options
@dry_run_option
def reconcile(**options: Any) -> int:
    """Find what is not as the ledger says, and finish what was cut short.

    \b
    On a schedule:                      mlops-ci reconcile
    Someone moved the alias by hand:    mlops-ci reconcile --restore    (or --accept)
    """
    if options["restore"] and options["accept"]:
        raise UsageError("--restore and --accept exclude each other")
    from mlops_ci.commands.reconcile import reconcile as run_reconcile  # noqa: PLC0415

    how: Any = "restore" if options["restore"] else "accept" if options["accept"] else "report"
    return for_each_model(
        options,
        lambda session, unit, tools: run_reconcile(
            unit.settings, tools, session.source, hand_moved=how, dry_run=options["dry_run"]
        ),
    )


@click.command()
@click.argument("query", required=False)
@config_options
@registry_options
@ledger_options
@change_options
@environment_option
@click.option("--verify", is_flag=True, help="Check the ledger against the registry's tags and aliases.")
@click.option(
    "--provenance",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the in-toto statement of the one version that is found here.",
)
@output_options
def lineage(query: str | None, **options: Any) -> int:
    """Tell where a version comes from and what became of it; or a commit, or a checksum.

    \b
    Of a version:            mlops-ci lineage 7
    Of a training file:      mlops-ci lineage "$(md5sum < data/train.csv | cut -c-32)"
    Of a commit, or a path:  mlops-ci lineage 4f1c2ab
    Verify the whole chain:  mlops-ci lineage --verify
    """
    return for_each_model(
        options,
        lambda session, unit, tools: _with_provenance(
            run_lineage(unit.settings, tools, session.source, query, verify=options["verify"]),
            options["provenance"],
        ),
    )


def _with_provenance(report: Report, path: Path | None) -> Report:
    if path is None:
        return report
    found = report.details["versions"]
    if len(found) != 1:
        raise UsageError(f"{len(found)} versions were found", remedy="name one version for --provenance")
    write_atomic(path, json.dumps(found[0]["provenance"], indent=2) + "\n")
    return report
