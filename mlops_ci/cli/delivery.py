"""Delivers reports: to the forge, files, outputs of the job and standard output; and sets the exit code."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_ci.adapters import colours
from mlops_ci.adapters.files import write_atomic
from mlops_ci.core.bundle import folder_name
from mlops_ci.core.report import Report

if TYPE_CHECKING:
    from mlops_ci.cli.session import Session

WIDTH = 80

# Of several models the gravest ends the run: proven worse, no evidence, service, usage, held.
GRAVITY = (1, 5, 4, 2, 3, 0)
_FILES = {"json": ".json", "html": ".html", "markdown": ".md", "junit": ".junit.xml"}
_SUFFIXES = {
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".txt": "text",
    ".xml": "junit",
    ".prom": "openmetrics",
}


def gravest(reports: Sequence[Report]) -> int:
    """Return the gravest exit code of several models."""
    return min((report.exit_code for report in reports), key=GRAVITY.index)


def deliver(session: Session, reports: Sequence[Report], *, together: Collection[str] = ()) -> int:
    """Publish reports, write their files and outputs, print them; return the exit code.

    Parameters
    ----------
    together
        Models that share one comment.
    """
    from mlops_ci.cli.session import templates_of  # noqa: PLC0415
    from mlops_ci.render import FORMS, render  # noqa: PLC0415

    options = session.options
    overrides = templates_of(session)
    shown = bool(options.get("form") or options.get("output"))
    # A terminal prints one form; `show` below renders what was asked for by name.
    wanted = FORMS if session.on_forge or options.get("report_dir") else () if shown else ("text",)
    rendered = [
        {form: render(report, form, overrides, width=_width()) for form in wanted} for report in reports
    ]
    code = gravest(reports)
    files: dict[str, str] = {}
    full: OSError | None = None
    if options.get("report_dir"):
        try:
            files = _write_files(Path(options["report_dir"]), reports, rendered, code)
        except OSError as error:
            full = error  # what can still be told is told first
    url = ""
    if session.on_forge or not shown:
        url = _publish(session, list(zip(reports, rendered, strict=True)), overrides, together)
    if session.on_forge:
        session.forge.retire(replaced(reports, options, together))
    decided = next(report for report in reports if report.exit_code == code)
    session.forge.conclude(code, decided.headline)
    session.forge.outputs(outputs(reports, code) | files | {"comment-url": url})
    if session.on_forge or shown:
        show(reports, options, overrides)
    if full is not None:
        raise full
    return code


def _publish(
    session: Session,
    pairs: Sequence[tuple[Report, Mapping[str, str]]],
    overrides: Mapping[str, str],
    together: Collection[str],
) -> str:
    """Publish each report with its rendered forms; return the address of the last comment."""
    url = ""
    for report, forms in pairs:
        if report.model not in together:
            key = own_key(report.command, report.model, session.options)
            url = session.forge.publish(report, forms, key=key) or url
    shared = [pair for pair in pairs if pair[0].model in together]
    return (_publish_together(session, shared, overrides) if shared else None) or url


def _publish_together(
    session: Session, shared: Sequence[tuple[Report, Mapping[str, str]]], overrides: Mapping[str, str]
) -> str | None:
    from mlops_ci.render import render_together  # noqa: PLC0415

    ordered = sorted(shared, key=lambda pair: GRAVITY.index(pair[0].exit_code))
    reports = [report for report, _ in ordered]
    text = render_together(reports, overrides) if session.on_forge else ""
    key = shared_key(reports[0].command, session.options)
    return session.forge.publish_together(reports, [forms for _, forms in ordered], text, key=key)


def own_key(command: str, model: str, options: Mapping[str, Any]) -> str:
    """Return the key of a model's comment; without a model, that of the comment about broken settings."""
    return f"{command} {model}" if model else f"{command} of {options.get('config', '')}"


def replaced(reports: Sequence[Report], options: Mapping[str, Any], together: Collection[str]) -> set[str]:
    """Return the keys of comments that these reports make obsolete.

    Settings that can be read replace what was said of broken ones, and a shared comment those of its
    models. A job on one model cannot know whether another one shares a comment still.
    """
    if not all(report.model for report in reports):
        return set()
    command = reports[0].command
    keys = {own_key(command, "", options)}
    keys |= {own_key(command, one.model, options) for one in reports if one.model in together}
    if not together and not options.get("only"):
        keys.add(shared_key(command, options))
    return keys


def shared_key(command: str, options: Mapping[str, Any]) -> str:
    """Return the key of the comment for several models; jobs on other settings have their own."""
    return f"{command} together {options.get('config', '')}"


def outputs(reports: Sequence[Report], code: int) -> dict[str, str]:
    """Return the action's outputs; of several models, those of the one that decided the run."""
    one = next(report for report in reports if report.exit_code == code)
    return {
        "verdict": one.verdict.value if one.verdict else "",
        "exit-code": str(code),
        "champion-version": (one.champion.version or "") if one.champion else "",
        "candidate-run-id": (one.candidate.run_id or "") if one.candidate else "",
        "promoted-version": str(one.details.get("promoted_version") or ""),
        "drift": str(bool(one.drift.get("drifted"))).lower() if one.drift else "",
    }


def show(reports: Sequence[Report], options: Mapping[str, Any], overrides: Mapping[str, str]) -> None:
    """Write reports to a file, or to standard output."""
    from mlops_ci.adapters.forges.github_actions import inert  # noqa: PLC0415
    from mlops_ci.render import WHOLE, render  # noqa: PLC0415

    output: Path | None = options.get("output")
    form = options.get("form") or (_SUFFIXES.get(output.suffix, "text") if output else "text")
    whole = WHOLE.get(form)
    width = WIDTH if output else _width()
    text = whole(reports) if whole else "\n".join(render(r, form, overrides, width=width) for r in reports)
    if form == "json" and len(reports) > 1:
        text = "[" + ",\n".join(render(report, form) for report in reports) + "]\n"
    if output is None:
        text = inert(text, form, os.environ)
        coloured = form == "text" and colours.wanted(sys.stdout)
        click.echo(colours.coloured(text) if coloured else text, nl=False, color=coloured or None)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, text)


def announce(session: Session, models: Sequence[str], *, together: Collection[str] = ()) -> None:
    """Announce on the change that models are being checked."""
    run_url = session.source.run_url
    where = f" ([log]({run_url}))" if run_url else ""
    shared = [model for model in models if model in together]
    for model in models:
        if model not in together:
            session.forge.announce(
                f"Checking `{model}`{where} …", key=own_key("check", model, session.options)
            )
    if shared:
        named = ", ".join(f"`{model}`" for model in shared[:5]) + (" and more" if len(shared) > 5 else "")
        session.forge.announce(f"Checking {named}{where} …", key=shared_key("check", session.options))


def _width() -> int:
    """Return the width of text: the terminal's within limits, 80 in a pipe."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(60, min(shutil.get_terminal_size((WIDTH, 24)).columns, 110))


def _write_files(
    folder: Path, reports: Sequence[Report], rendered: Sequence[Mapping[str, str]], code: int
) -> dict[str, str]:
    """Write each report in each form; return the outputs, which name the report that decided."""
    from mlops_ci.render import openmetrics  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "metrics.txt", openmetrics(reports))
    deciding = next(report for report in reports if report.exit_code == code)
    named: dict[str, str] = {}
    for report, forms in zip(reports, rendered, strict=True):
        name = folder_name(report.model) if report.model else report.command
        places = {form: folder / f"{name}{suffix}" for form, suffix in _FILES.items()}
        for form, place in places.items():
            write_atomic(place, forms[form])
        if report is deciding:
            named = {"report-json": str(places["json"]), "report-html": str(places["html"])}
    return named
