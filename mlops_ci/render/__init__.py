"""Renders reports: sandboxed Jinja templates that escape every value, and machine-readable formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_ci.core.formatting import VERDICT_ICONS
from mlops_ci.core.report import Notice, Report
from mlops_ci.render.budget import fit, size
from mlops_ci.render.environment import environment, place_of, template_folder
from mlops_ci.render.escaping import escape_markdown, link, prose
from mlops_ci.render.junit import junit
from mlops_ci.render.layout import WIDTH
from mlops_ci.render.multi_model import compose
from mlops_ci.render.openmetrics import openmetrics

if TYPE_CHECKING:
    from jinja2 import Template

FORMATS = ("text", "markdown", "html", "json", "junit", "openmetrics")
# The comment is the Markdown report within a comment's limits.
FORMS = (*FORMATS, "comment")

# Forms that hold several reports in one document.
WHOLE = {"junit": junit, "openmetrics": openmetrics}

# In bytes: of a comment less its marker and a line of progress, and of a job summary less other notes.
LIMITS = {"comment": 60_000, "markdown": 1_000_000}
_SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}

__all__ = [
    "FORMATS",
    "FORMS",
    "LIMITS",
    "WHOLE",
    "escape_markdown",
    "link",
    "openmetrics",
    "prose",
    "render",
    "render_together",
    "template_folder",
]


def render(report: Report, form: str, overrides: Mapping[str, str] | None = None, **options: Any) -> str:
    """Return a report in one of `FORMS`.

    Parameters
    ----------
    overrides
        The user's templates by name, from the target branch; they may extend and replace ours. Where
        one has an error the report says so, with file and line, and the default is used.
    options
        Seen by the templates as ``options``.
    """
    if form == "json":
        return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "junit":
        return junit([report])
    if form == "openmetrics":
        return openmetrics([report])
    text = _filled(report, form, overrides or {}, options)
    limit = LIMITS.get(form)
    fitted = fit(text, limit, where=_where(report))
    if limit is None or size(fitted) <= limit:
        return fitted
    return _shortest(report)


def render_together(reports: Sequence[Report], overrides: Mapping[str, str] | None = None) -> str:
    """Return one comment for the reports of several models, the gravest first; within a comment's limit."""
    if len(reports) == 1:
        return render(reports[0], "comment", overrides)
    mine = overrides or {}

    def frame(values: Mapping[str, Any]) -> str:
        try:
            return _template("several", "comment", mine).render(**values, options=_options("comment", {}))
        except Exception:  # noqa: BLE001 (whatever a user's template does, the verdict is told)
            return _template("several", "comment", {}).render(**values, options=_options("comment", {}))

    texts = [_filled(report, "comment", mine, {}) for report in reports]
    text = compose(reports, texts, frame, limit=LIMITS["comment"], where=_where)
    return text if size(text) <= LIMITS["comment"] else _shortest(reports[0])


def _filled(report: Report, form: str, overrides: Mapping[str, str], options: Mapping[str, Any]) -> str:
    """Return a report in a form, with its sections marked, whatever the user's templates do."""
    if overrides:
        try:
            return _by_template(report, form, overrides, options)
        except Exception as error:  # noqa: BLE001 (whatever a user's template does, the verdict is told)
            text = f"A template of yours has an error, so the default is used: {place_of(error)}: {error}"
            report = replace(report, notices=(*report.notices, Notice(text=text, level="warning")))
    return _by_template(report, form, {}, options)


def _by_template(report: Report, form: str, overrides: Mapping[str, str], options: Mapping[str, Any]) -> str:
    template = _template(report.command, form, overrides)
    return template.render(report=report.to_dict(), options=_options(form, options))


def _template(command: str, form: str, overrides: Mapping[str, str]) -> Template:
    kind = "markdown" if form == "comment" else form
    names = [f"{command}.{_SUFFIX[kind]}.j2", f"report.{_SUFFIX[kind]}.j2"]
    return environment(kind, tuple(sorted(overrides.items()))).select_template(names)


def _options(form: str, given: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"comment": 25, "html": 2_500}.get(form, 500)
    return {"comment": form == "comment", "rows": rows, "width": WIDTH, **given}


def _where(report: Report) -> str:
    run = link(report.source.run_url)
    if not run:
        return "They are in the HTML report."
    return f"They are in the [job summary and the HTML report]({run})."


def _shortest(report: Report) -> str:
    """Return the fallback for a report that is too long even without its optional sections."""
    first = f"{VERDICT_ICONS[report.verdict or 'none']} {escape_markdown(report.headline)}"
    return f"### {first}\n\nThe report is too long to be shown here; it is in the job's artifacts.\n"
