"""Colours a text report for a terminal, line by line: the first characters of a line decide its colour."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from typing import TextIO

# Emoji have colours of their own; a row that is fine stays calm, so that the others stand out.
_TONES = {
    **dict.fromkeys(["❌", "🚫", "⛔"], "red"),
    **dict.fromkeys(["✋", "❔", "! "], "yellow"),
    "->": "bold",
    "─": "dim",
}


def wanted(stream: TextIO, env: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream should get colours: a terminal, without NO_COLOR or TERM=dumb."""
    return stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


def coloured(text: str) -> str:
    """Return a text report with colours; unchanged if `rich` is not installed.

    `rich` comes with DVC, and so with every laptop's installation. It takes 40 ms to import: only a
    terminal that wants colours pays for it, and a CI job does without.
    """
    try:
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return text
    made = Text()
    for line, style in _styled(text.splitlines(keepends=True)):
        made.append(line, style)
    into = io.StringIO()
    # The lines are laid out already; rich is here to know how colours are written.
    console = Console(file=into, force_terminal=True, color_system="standard", no_color=False, width=10_000)
    console.print(made, end="", soft_wrap=True, highlight=False)
    return into.getvalue()


def _styled(lines: list[str]) -> Iterator[tuple[str, str | None]]:
    tone, headline = "", True
    for line in lines:
        start = line.lstrip()
        own = next((style for sign, style in _TONES.items() if start.startswith(sign)), "")
        if not start:
            tone, headline = "", False
        elif own or not line.startswith("   "):
            tone = own
        yield line, " ".join(filter(None, ["bold" if headline else "", tone])) or None
