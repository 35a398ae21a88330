"""The `mlops-ci` command: imports each verb only when it is called, and turns errors into exit codes."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from mlops_ci import __version__
from mlops_ci.cli.interruption import cancellable, machine_problem
from mlops_ci.errors import MlopsCiError

# verb -> module of its click command, and its line in `--help`: no verb imports what another needs
VERBS: dict[str, tuple[str, str]] = {
    "init": ("onboarding", "Look at this repository, and propose mlops-ci.yaml and the workflows."),
    "doctor": ("onboarding", "Find what would keep the gate from working here, each with its remedy."),
    "check": ("gate", "Judge this change's model against the champion, report, and gate the merge."),
    "reproduce": ("gate", "Run the pipeline without any token, and write the evidence for `check`."),
    "promote": (
        "history",
        "Make the candidate of the merged commit the champion; decide again, never train.",
    ),
    "canary": ("canary", "Guard a new version on live traffic: start, look, status, stop."),
    "rollback": ("history", "Go back to an earlier champion, in seconds."),
    "reconcile": ("history", "Find what is not as the ledger says, and finish what was cut short."),
    "compare": ("compare", "Compare the predictions of two models on the same rows."),
    "plan": ("compare", "Say how many labelled rows a holdout needs."),
    "lineage": (
        "history",
        "Tell where a version comes from and what became of it; or a commit, or a checksum.",
    ),
    "adopt": ("registry", "Take in the model that is already in production as the champion."),
    "monitor": ("monitoring", "Judge production's new windows, with and without labels."),
    "retrain": ("monitoring", "Train again where monitoring proves the need: once, and within a budget."),
    "data": ("monitoring", "Bring newer data in: validated, stored, proposed as a pull request."),
    "drift": ("data", "Compare two data sets, and say which columns changed."),
    "profile": ("data", "Keep what drift needs of a data set in a small file."),
    "report": ("reports", "Render a JSON report again, in any format."),
    "demo": ("demo", "Try it: a throw-away repository, a champion, and three changes to it."),
}


class Verbs(click.Group):
    """A group whose commands are imported late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of a verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"mlops_ci.cli.{VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb, or suggest the one that was meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"No such command '{args[0]:.80}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a verb's name without importing any."""
        found = [verb for verb in VERBS if verb.startswith(incomplete)]
        return [CompletionItem(verb, help=VERBS[verb][1]) for verb in found] or super().shell_complete(
            ctx, incomplete
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them, so that `--help` stays fast."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mlops-ci")
def cli() -> None:
    """Stop a pull request from making the model in production worse.

    \b
    Try it:            mlops-ci demo
    Guard your own:    mlops-ci init
    On this branch:    mlops-ci check

    Exit codes: 0 pass, 1 worse, 2 wrong usage or settings, 3 held for approval, 4 a service failed
    (try again), 5 no evidence that can be trusted.
    """


def main() -> None:
    """Run the command line; every expected failure ends in one message and its exit code."""
    try:
        with cancellable():
            code = cli.main(standalone_mode=False, windows_expand_args=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except MlopsCiError as error:
        from mlops_ci.adapters.forges.github_actions import inert  # noqa: PLC0415

        click.echo(inert(f"mlops-ci: {error}", "text", os.environ), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # the reader of our output has gone; say nothing more, also not while Python shuts down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        trouble = machine_problem(error)
        if trouble is None:
            raise
        with suppress(OSError):
            click.echo(f"mlops-ci: {trouble}", err=True)
        sys.exit(trouble.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
