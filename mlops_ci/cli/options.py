"""Options that several verbs share; each is a flag, or the action's input as a variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = click.Choice(["text", "markdown", "html", "json", "junit", "openmetrics"])


def _compose(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def output_options(function: F) -> F:
    """Add `--format` and `--output`."""
    return _compose(
        click.option("--format", "form", type=FORMATS, help="How to write the report (default: text)."),
        click.option(
            "--output",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the report here; its suffix (.md, .html, .json) chooses the format.",
        ),
    )(function)


def config_options(function: F) -> F:
    """Add `--config` and `--model`."""
    return _compose(
        click.option(
            "--config",
            default="mlops-ci.yaml",
            show_default=True,
            envvar="MLOPS_CI_CONFIG",
            help="Settings file; a glob such as 'models/*/mlops-ci.yaml' takes several.",
        ),
        click.option("--model", "only", envvar="MLOPS_CI_MODEL", help="Only this one of several models."),
    )(function)


def registry_options(function: F) -> F:
    """Add the addresses of MLflow."""
    return _compose(
        click.option(
            "--tracking-uri",
            envvar=["MLOPS_CI_TRACKING_URI", "MLFLOW_TRACKING_URI"],
            help="MLflow tracking server (default: registry.tracking_uri, then sqlite:///mlflow.db).",
        ),
        click.option(
            "--registry-uri",
            envvar=["MLOPS_CI_REGISTRY_URI", "MLFLOW_REGISTRY_URI"],
            help="MLflow registry, where it is not the tracking server.",
        ),
    )(function)


def ledger_options(function: F) -> F:
    """Add where the history of promotions is, who acts, and the token."""
    return _compose(
        click.option(
            "--ledger",
            envvar="MLOPS_CI_LEDGER",
            metavar="URL",
            help="Git remote of the history (default: promotion.ledger, then the repository's own).",
        ),
        click.option(
            "--github-token",
            envvar="MLOPS_CI_GITHUB_TOKEN",
            help="Token that may push the history, and posts the report.",
        ),
        click.option("--actor", envvar=["MLOPS_CI_ACTOR", "GITHUB_ACTOR"], help="Who acts (default: you)."),
        click.option(
            "--report-dir",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="MLOPS_CI_REPORT_DIR",
            help="Write the report here too, as JSON, HTML and Markdown.",
        ),
    )(function)


def change_options(function: F) -> F:
    """Add what identifies the change, and the user's environment."""
    return _compose(
        click.option(
            "--target",
            envvar="MLOPS_CI_TARGET",
            help="Branch it would be merged into (default: the pull request's, else the main one).",
        ),
        click.option(
            "--pipeline-python",
            type=click.Path(path_type=Path),
            envvar="MLOPS_CI_PIPELINE_PYTHON",
            help="Interpreter of the environment that the stages run in (default: what PATH gives).",
        ),
    )(function)


environment_option = click.option(
    "--environment",
    metavar="NAME",
    envvar="MLOPS_CI_ENVIRONMENT",
    help="Environment of promotion.environments (default: promotion.environment, else the only one).",
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be changed, and change nothing."
)
