"""A size limit that leaves out whole sections, the least important first, and names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Control characters, which no escaped value can hold, mark where a section begins and ends.
_OPEN, _MIDDLE, _CLOSE = "\x01", "\x02", "\x03"
_SECTION = re.compile(f"{_OPEN}(\\d+){_MIDDLE}([^{_MIDDLE}]*){_MIDDLE}([^{_CLOSE}]*){_CLOSE}")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a text that may be left out, lowest priority first."""

    title: str
    priority: int
    text: str


def mark(text: str, *, title: str, priority: int) -> str:
    """Return a section's text with its marks, for `fit` to find."""
    return f"{_OPEN}{priority}{_MIDDLE}{title}{_MIDDLE}{text}{_CLOSE}"


def size(text: str) -> int:
    """Return a text's size in bytes, which is never less than in characters of any kind."""
    return len(text.encode("utf-8", "replace"))


def fit(text: str, limit: int | None, *, where: str, told: int | None = None) -> str:
    """Return a text without its marks, and without as many sections as the limit requires.

    Parameters
    ----------
    limit
        In bytes; None for no limit.
    where
        Where the reader finds what was left out.
    told
        The limit that the reader is told, where this text is part of a longer one.
    """
    pieces: list[str | Section] = []
    end = 0
    for found in _SECTION.finditer(text):
        pieces.append(text[end : found.start()])
        pieces.append(Section(priority=int(found[1]), title=found[2], text=found[3]))
        end = found.end()
    pieces.append(text[end:])
    return _tidy(_within(pieces, limit, where, told or limit))


def _within(pieces: Sequence[str | Section], limit: int | None, where: str, told: int | None) -> str:
    def text_of(piece: str | Section) -> str:
        return piece.text if isinstance(piece, Section) else piece

    whole = "".join(map(text_of, pieces))
    if limit is None or size(whole) <= limit:
        return whole
    kept = list(pieces)
    left_out: list[str] = []
    # Of equals, the last goes first.
    for section in sorted(
        (piece for piece in reversed(pieces) if isinstance(piece, Section)), key=lambda one: one.priority
    ):
        kept.remove(section)
        left_out.insert(0, section.title)
        said = f"\n\n<sub>Left out, to stay within {told:,} bytes: {', '.join(left_out)}. {where}</sub>\n"
        whole = "".join(map(text_of, kept)) + said
        if size(whole) <= limit:
            return whole
    return whole


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
