"""The verbs that set up a repository: `init` and `doctor`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.onboarding.work_tree import LocalWorkTree
from mlops_ci.cli.delivery import show
from mlops_ci.cli.options import change_options, config_options, output_options, registry_options
from mlops_ci.core.onboarding.production import WATCHES
from mlops_ci.core.report import Report
from mlops_ci.render import template_folder


def _watches(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Parse a list of names, in any order; None if the option was not given."""
    if value is None:
        return None
    named = [name.strip() for name in value.split(",") if name.strip()]
    for name in named:
        if name not in WATCHES:
            raise click.BadParameter(f"'{name}' is not one of {', '.join(WATCHES)}", context, parameter)
    return tuple(name for name in WATCHES if name in named)


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Ask nothing, and write what is proposed.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, write nothing.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
@click.option("--model", help="Name of the registered model (default: as the code says, else the folder).")
@click.option("--tracking-uri", help="MLflow's address, to write into the settings.")
@click.option(
    "--action",
    metavar="OWNER/NAME@REF",
    help="This action, for the workflows (default: where this one is from).",
)
@click.option("--forge", type=click.Choice(["github", "gitlab"]), help="Default: by the git remote.")
@click.option("--one-job", is_flag=True, help="One job instead of two; only where all authors are trusted.")
@click.option("--forks", is_flag=True, help="The two workflows that also judge pull requests of forks.")
@click.option(
    "--promote/--no-promote", default=True, show_default=True, help="Also the workflow after merges."
)
@click.option(
    "--with",
    "watches",
    metavar="NAME,...",
    callback=_watches,
    help="Also what watches production: canary, monitor, retrain, with their settings.",
)
@output_options
def init(**options: Any) -> int:
    """Look at this repository, and propose mlops-ci.yaml and the workflows.

    Shows every file first, and writes nothing that it has not shown or that is there already.

    \b
    Look, ask, write:        mlops-ci init
    Without questions:       mlops-ci init --yes
    What it would write:     mlops-ci init --dry-run
    Production, too:         mlops-ci init --with canary,monitor,retrain
    """
    from mlops_ci.adapters.onboarding.action_reference import action_reference  # noqa: PLC0415
    from mlops_ci.adapters.onboarding.inspect import inspect  # noqa: PLC0415
    from mlops_ci.commands.init import Choices  # noqa: PLC0415
    from mlops_ci.commands.init import init as run_init  # noqa: PLC0415

    repository = GitRepository(Path.cwd())
    facts, tree = inspect(repository), LocalWorkTree(repository.root)
    folder = template_folder() / "workflows" / "github"
    templates = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")}
    names = ("model", "tracking_uri", "action", "forge", "one_job", "forks", "promote", "watches", "force")
    chosen = {name: options[name] for name in names}
    chosen |= {"action": options["action"] or action_reference(), "watches": options["watches"] or ()}

    def run(*, write: bool) -> Report:
        return run_init(facts, Choices(**chosen), templates, tree, write=write)

    asks = sys.stdin.isatty() and sys.stdout.isatty() and not (options["yes"] or options["dry_run"])
    if not asks:
        show([run(write=options["yes"] and not options["dry_run"])], options, {})
        return 0
    proposed = run(write=False)
    if proposed.model and not options["model"]:
        chosen["model"] = click.prompt("Name of the model in MLflow's registry", default=proposed.model)
    if options["watches"] is None and click.confirm(
        f"Also watch production ({', '.join(WATCHES)})?", default=False
    ):
        chosen["watches"] = WATCHES
    proposed = run(write=False)
    show([replace(proposed, next_step="")], options, {})
    if proposed.actions and click.confirm("\nWrite these files?", default=True):
        written = run(write=True)
        click.echo("\n".join(f"wrote {action.target}" for action in written.actions))
        click.echo(f"-> {written.next_step}")
    return 0


@click.command()
@config_options
@registry_options
@change_options
@click.option("--offline", is_flag=True, help="Only what files say, in a second: for pre-commit.")
@click.option(
    "--github-token",
    envvar=["MLOPS_CI_GITHUB_TOKEN", "GITHUB_TOKEN"],
    help="Token whose permissions are looked at.",
)
@output_options
def doctor(**options: Any) -> int:
    """Find what would keep the gate from working here, each with its remedy.

    Looks at git, settings, pipeline, DVC remote, MLflow, champion, holdout, the forge's token and the
    workflows; changes nothing. Ends with 0 where nothing has to be fixed.

    \b
    All of it:                 mlops-ci doctor
    Fast, without network:     mlops-ci doctor --offline
    """
    from mlops_ci.cli.doctor_wiring import run_doctor  # noqa: PLC0415

    report = run_doctor(options)
    show([report], options, {})
    return report.exit_code
