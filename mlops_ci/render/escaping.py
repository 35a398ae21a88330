"""Escapes values for Markdown, HTML and text, so that they show as they are and have no effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from markupsafe import Markup, escape

# No single value may fill a report; what is longer is cut, visibly.
VALUE_LIMIT = 240
PROSE_LIMIT = 1_000
OUTPUT_LINES = 40

# What has a meaning in GitHub's or GitLab's Markdown, or in HTML, becomes an entity.
_SPECIAL = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_[]|~$<>&"}
# Line breaks, what turns text around or hides it, and what is no character.
_HIDDEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\uffff\ud800-\udfff\U000e0000-\U000e0fff]+"
)
# What becomes a mention, a reference, an address or a picture by itself, even when written with entities:
# an invisible joint after it stops that. Mentions, #1, GH-1, addresses and :emoji: on all forges;
# !1 $1 &1 %1 ~label ^alert on GitLab.
_ACTIVE = re.compile(
    r"(@|#(?=\w)|:(?=//|[\w+-])|www(?=\.)|GH-(?=\d)"
    r"|[!$&%~^](?=[\w\"'])|(?:mailto|xmpp|javascript):|^[-+=#>](?=\s|$|[-=#+])|^\d+(?=[.)](?:\s|$)))",
    re.IGNORECASE,
)
JOINT = "\u2060"


def cut(value: object, limit: int) -> str:
    """Return a value as text on one line, without invisible characters, cut to a limit."""
    text = str(value)
    if len(text) > 2 * limit:
        text = text[: 2 * limit]
    text = _HIDDEN.sub(" ", text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _markdown(text: str) -> Markup:
    return Markup(_ACTIVE.sub(rf"\g<0>{JOINT}", text).translate(_SPECIAL))  # noqa: S704 (escaped just here)


def escape_markdown(value: object, limit: int = VALUE_LIMIT) -> Markup:
    """Escape a value for Markdown, so that it shows as it is and has no effect."""
    # Spaces at the start could make a block of code.
    return _markdown(cut(value, limit).strip())


def escape_html(value: object, limit: int = VALUE_LIMIT) -> Markup:
    """Escape a value for HTML."""
    return escape(cut(value, limit))


def visible(value: object, limit: int = VALUE_LIMIT) -> Markup:
    """Return a value as plain text on one line."""
    return Markup(cut(value, limit))  # noqa: S704 (plain text)


Escape = Callable[[object, int], Markup]
ESCAPES: dict[str, Escape] = {"markdown": escape_markdown, "html": escape_html, "text": visible}


def prose(form: str) -> Callable[[object], Markup]:
    """Return a filter for our own sentences: text between backticks becomes code."""
    safe: Callable[[str], Markup] = {"markdown": _markdown, "html": escape, "text": Markup}[form]

    def filled(value: object) -> Markup:
        """Show one of our sentences: what stands between backticks becomes code."""
        text = cut(value or "", PROSE_LIMIT).strip()
        parts = text.split("`")
        if form == "text" or len(parts) % 2 == 0:
            return safe(text)
        pieces = [
            Markup("<code>{}</code>").format(piece) if index % 2 else piece
            for index, piece in enumerate(safe(part) for part in parts)
        ]
        return Markup("").join(pieces)

    return filled


# What is quoted below a problem starts with two spaces on each line.
_QUOTED = re.compile(r"\n(?=  )")


def lead(value: object) -> str:
    """Return what a problem says first: what is wrong, without the output that shows it."""
    return _QUOTED.split(str(value or ""), maxsplit=1)[0]


def output(form: str) -> Callable[[object], Markup]:
    """Return a filter for what is quoted below a problem: lines of output, as they stand."""
    safe: Callable[[str], Markup] = {"markdown": _markdown, "html": escape, "text": Markup}[form]
    frame = {"text": "{}", "markdown": "<pre>{}</pre>", "html": '<pre tabindex="0">{}</pre>'}[form]

    def filled(value: object) -> Markup:
        """Show what is quoted below a problem as a block of lines."""
        quoted = _QUOTED.split(str(value or ""))[1 : OUTPUT_LINES + 1]
        lines = [re.sub(r"^  (\| ?)?", "", line) for line in quoted]
        shown = [safe(cut(line, VALUE_LIMIT).rstrip()) for line in lines]
        return Markup(frame).format(Markup("\n").join(shown)) if any(shown) else Markup("")  # noqa: S704 (ours)

    return filled


def link(value: object) -> Markup:
    """Return an address that is safe in a link: http or https, without characters that could end it."""
    text = str(value or "")
    if len(text) > 2_000 or not re.fullmatch(r"https?://[^\s<>\"'()\\\[\]`|]+", text):
        return Markup("")
    return Markup(quote(text, safe=":/?#@!$&*+,;=%~-._"))  # noqa: S704 (quoted)


def plain_word(value: object) -> str:
    """Return a value for a place without escaping (a diagram): plain characters only."""
    return re.sub(r"[^A-Za-z0-9_. -]", "", str(value))[:30].strip()
