"""Reports as Markdown, HTML, text, JSON and JUnit: Jinja in a sandbox, every value escaped by default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_ci.core.numbers import VERDICT_ICONS
from mlops_ci.core.report import Notice, Report
from mlops_ci.render.budget import fit, size
from mlops_ci.render.environment import environment, place_of, template_folder
from mlops_ci.render.escaping import escape_markdown, link, prose
from mlops_ci.render.junit import junit

FORMATS = ("text", "markdown", "html", "json", "junit")
# The comment is the Markdown report within a comment's limits.
FORMS = (*FORMATS, "comment")

# In bytes: of a comment less its marker and a line of progress, and of a job summary less other notes.
LIMITS = {"comment": 60_000, "markdown": 1_000_000}
_SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}

__all__ = ["FORMATS", "FORMS", "LIMITS", "escape_markdown", "link", "prose", "render", "template_folder"]


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
    if overrides:
        try:
            return _rendered(report, form, tuple(sorted(overrides.items())), options)
        except Exception as error:  # noqa: BLE001 (whatever a user's template does, the verdict is told)
            text = f"A template of yours has an error, so the default is used: {place_of(error)}: {error}"
            report = replace(report, notices=(*report.notices, Notice(text=text, level="warning")))
    return _rendered(report, form, (), options)


def _rendered(
    report: Report, form: str, overrides: tuple[tuple[str, str], ...], options: Mapping[str, Any]
) -> str:
    kind = "markdown" if form == "comment" else form
    names = [f"{report.command}.{_SUFFIX[kind]}.j2", f"report.{_SUFFIX[kind]}.j2"]
    template = environment(kind, overrides).select_template(names)
    seen = {"comment": form == "comment", "rows": {"comment": 25, "html": 2_500}.get(form, 500), **options}
    text = template.render(report=report.to_dict(), options=seen)
    run = link(report.source.run_url)
    where = (
        f"They are in the [job summary and the HTML report]({run})."
        if run
        else "They are in the HTML report."
    )
    limit = LIMITS.get(form)
    fitted = fit(text, limit, where=where)
    if limit is None or size(fitted) <= limit:
        return fitted
    return _shortest(report)


def _shortest(report: Report) -> str:
    """Return what remains where even without any section a report is too long."""
    first = f"{VERDICT_ICONS[report.verdict or 'none']} {escape_markdown(report.headline)}"
    return f"### {first}\n\nThe report is too long to be shown here; it is in the job's artifacts.\n"
