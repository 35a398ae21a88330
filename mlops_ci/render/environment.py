"""The Jinja environment: our templates, and the user's, which extend them and override blocks."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from mlops_ci.core import formatting
from mlops_ci.render import charts, diagrams, layout, pipeline_graph, timeline, trends
from mlops_ci.render.budget import mark
from mlops_ci.render.escaping import ESCAPES, VALUE_LIMIT, lead, link, output, prose

# Where a user's templates are, at the tip of the target branch.
FOLDER = ".mlops-ci/templates/"


def template_folder() -> Path:
    """Return the folder of the shipped templates: inside the wheel, or at the top of the source tree."""
    packaged = Path(__file__).parents[1] / "_templates"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "templates"


class _Overrides(BaseLoader):
    """Loads the user's templates, under their names in the repository."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def get_source(
        self, environment: Any, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return a template's text, and its place for messages."""
        if template not in self._sources:
            raise TemplateNotFound(template)
        return self._sources[template], FOLDER + template, lambda: True


@cache
def environment(form: str, overrides: tuple[tuple[str, str], ...] = ()) -> ImmutableSandboxedEnvironment:
    """Return the templates of a form, sandboxed, with every value escaped when it is printed."""
    ours = FileSystemLoader(template_folder() / "report")
    loaders: list[BaseLoader] = [_Overrides(dict(overrides))] if overrides else []
    loaders += [PrefixLoader({"default": ours}), ours]
    safe = ESCAPES[form]

    def finalize(value: Any) -> Any:
        if hasattr(value, "__html__"):  # what templates and macros wrote
            return value
        return safe("" if value is None else value, VALUE_LIMIT)

    made = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
    )
    made.filters.update(formatting.FILTERS, prose=prose(form), lead=lead, output=output(form), link=link)
    made.globals.update(section=_section, **diagrams.GLOBALS, **trends.WORDS)
    if form == "html":
        made.globals.update(**charts.GLOBALS, **pipeline_graph.GLOBALS, **trends.PICTURES, **timeline.GLOBALS)
    if form == "text":
        made.globals.update(layout.GLOBALS)
        made.filters.update(layout.FILTERS)
    return made


def _section(title: str, priority: int = 50, *, caller: Callable[[], str]) -> Markup:
    """Mark the content of a `call` block as a section that may be left out if the report is too long."""
    return Markup(mark(caller(), title=str(title), priority=int(priority)))  # noqa: S704 (from a template)


def place_of(error: Exception) -> str:
    """Return file and line of the user's template that an error comes from."""
    if isinstance(error, TemplateSyntaxError):
        return f"`{error.filename or error.name or FOLDER}`, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if frame.filename.startswith(FOLDER)), None)
    return f"`{last.filename}`, line {last.lineno}" if last else f"`{FOLDER}`"
