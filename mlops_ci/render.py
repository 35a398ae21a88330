"""Reports as Markdown, HTML, text and JSON: Jinja in a sandbox, every value escaped by default."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import DictLoader, FileSystemLoader, StrictUndefined
from jinja2.loaders import BaseLoader, ChoiceLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from mlops_ci.core import numbers
from mlops_ci.core.report import Report

FORMATS = ("text", "markdown", "html", "json")
_SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}

# What has a meaning in GitHub's or GitLab's Markdown, or in HTML, becomes an entity.
_SPECIAL = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_[]|~$<>&"}
# Line breaks, and what turns text around or hides it.
_HIDDEN = re.compile("[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")
# Mentions, references and bare addresses become links by themselves: an invisible joint stops them.
_LINKS = re.compile(
    r"(@|#(?=\d)|:(?=//)|(?i:\bwww)(?=\.)|(?i:\bgh-)(?=\d)|^[-+=#](?=\s|$|[-=#])|^\d+(?=[.)](?:\s|$)))"
)
_JOINT = "\u2060"


def template_folder() -> Path:
    """Return the folder of the shipped templates: inside the wheel, or at the top of the source tree."""
    packaged = Path(__file__).parent / "_templates"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "templates"


def escape_markdown(value: object) -> Markup:
    """Return a value as Markdown text that shows as it is and does nothing."""
    text = _LINKS.sub(rf"\1{_JOINT}", _HIDDEN.sub(" ", str(value)))
    return Markup(text.translate(_SPECIAL))  # noqa: S704 (escaped just here)


def prose(form: str) -> Callable[[object], Markup]:
    """Return a filter for our own sentences: what stands between backticks becomes code."""
    plain_text = _escaper(form)
    in_code = escape_markdown if form == "markdown" else escape

    def filled(value: object) -> Markup:
        parts = str(value or "").split("`")
        if form == "text" or len(parts) % 2 == 0:
            return plain_text(value or "")
        pieces = [
            f"<code>{in_code(part)}</code>" if index % 2 else plain_text(part)
            for index, part in enumerate(parts)
        ]
        return Markup("").join(Markup(piece) for piece in pieces)  # noqa: S704 (each is escaped)

    return filled


def link(value: object) -> Markup:
    """Return an address that may stand in a link: http or https, and nothing that could end the link."""
    text = str(value or "")
    if not re.fullmatch(r"https?://[^\s<>\"'()\\\[\]`]+", text):
        return Markup("")
    return Markup(quote(text, safe=":/?#@!$&*+,;=%~-._"))  # noqa: S704 (quoted)


def render(report: Report, form: str, overrides: Mapping[str, str] | None = None, **options: Any) -> str:
    """Return a report in one of `FORMATS`.

    Parameters
    ----------
    overrides
        The user's templates by name, from the target branch; they may extend and replace ours.
    options
        Seen by the templates as ``options``.
    """
    if form == "json":
        return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    environment = _environment(form, tuple(sorted((overrides or {}).items())))
    names = [f"{report.command}.{_SUFFIX[form]}.j2", f"report.{_SUFFIX[form]}.j2"]
    template = environment.select_template(names)
    text = template.render(report=report.to_dict(), options={"full": True, **options})
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _escaper(form: str) -> Callable[[object], Markup]:
    if form == "markdown":
        return escape_markdown
    return escape if form == "html" else _visible


def _visible(value: object) -> Markup:
    return Markup(_HIDDEN.sub(" ", str(value)))  # noqa: S704 (plain text)


@cache
def _environment(form: str, overrides: tuple[tuple[str, str], ...]) -> ImmutableSandboxedEnvironment:
    folder = FileSystemLoader(template_folder() / "report")
    loader: BaseLoader = ChoiceLoader([DictLoader(dict(overrides)), folder]) if overrides else folder
    # A value is escaped when it is printed; Markup (what templates and macros wrote) stays.
    safe = _escaper(form)
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if hasattr(value, "__html__") else safe("" if value is None else value),
    )
    environment.filters.update(numbers.FILTERS, prose=prose(form), link=link)
    return environment
