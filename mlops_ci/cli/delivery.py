"""Getting reports out: the forge, files for later steps, standard output, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mlops_ci.adapters.files import write_atomic
from mlops_ci.adapters.ports import Forge
from mlops_ci.cli.session import Session
from mlops_ci.core.bundle import folder_name
from mlops_ci.core.report import Report
from mlops_ci.render import FORMS, render
from mlops_ci.render.junit import junit

# Of several models the gravest ends the run: proven worse, no evidence, service, usage, held.
GRAVITY = (1, 5, 4, 2, 3, 0)
_SUFFIXES = {
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".txt": "text",
    ".xml": "junit",
}


def gravest(reports: Sequence[Report]) -> int:
    """Return the exit code of a run over several models."""
    return min((report.exit_code for report in reports), key=GRAVITY.index)


def deliver(session: Session, reports: Sequence[Report]) -> int:
    """Publish reports, write their files and outputs, print them; return the exit code."""
    options = session.options
    files: dict[str, str] = {}
    url = ""
    overrides = templates_of(session)
    shown = bool(options.get("form") or options.get("output"))
    # A terminal prints one form; `show` below renders what was asked for by name.
    wanted = FORMS if session.on_forge or options.get("report_dir") else () if shown else ("text",)
    full: OSError | None = None
    for report in reports:
        rendered = {form: render(report, form, overrides) for form in wanted}
        if options.get("report_dir"):
            try:
                files |= _write_files(Path(options["report_dir"]), report, rendered)
            except OSError as error:
                full = error  # what can still be told is told first
        if session.on_forge or not shown:
            url = session.forge.publish(report, rendered, key=f"{report.command} {report.model}") or url
    code = gravest(reports)
    session.forge.outputs(outputs(reports, code) | files | {"comment-url": url})
    if session.on_forge or shown:
        show(reports, options, overrides)
    if full is not None:
        raise full
    return code


def outputs(reports: Sequence[Report], code: int) -> dict[str, str]:
    """Return the action's outputs; of several models, those of the one that decided."""
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
    output: Path | None = options.get("output")
    form = options.get("form") or (_SUFFIXES.get(output.suffix, "text") if output else "text")
    text = junit(reports) if form == "junit" else "\n".join(render(one, form, overrides) for one in reports)
    if form == "json" and len(reports) > 1:
        text = "[" + ",\n".join(render(report, form) for report in reports) + "]\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, text)


def templates_of(session: Session) -> dict[str, str]:
    """Return the user's own templates, from the tip of the target branch only."""
    base, folder = session.source.base, ".mlops-ci/templates/"
    if not base:
        return {}
    names = [name for name in session.repository.paths(base) if name.startswith(folder)]
    found = {name.removeprefix(folder): session.repository.read(base, name) for name in names}
    return {name: text.decode("utf-8", "replace") for name, text in found.items() if text is not None}


def announce(forge: Forge, model: str, run_url: str) -> None:
    """Say on the change that a model is being checked."""
    where = f" ([log]({run_url}))" if run_url else ""
    forge.announce(f"Checking `{model}`{where} …", key=f"check {model}")


def _write_files(folder: Path, report: Report, rendered: Mapping[str, str]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    name = folder_name(report.model) if report.model else report.command
    places = {
        "json": folder / f"{name}.json",
        "html": folder / f"{name}.html",
        "markdown": folder / f"{name}.md",
        "junit": folder / f"{name}.junit.xml",
    }
    for form, place in places.items():
        write_atomic(place, rendered[form])
    return {"report-json": str(places["json"]), "report-html": str(places["html"])}
