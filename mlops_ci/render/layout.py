"""Lays out text for a terminal: tables aligned by display width, and wrapped lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mlops_ci.core import formatting
from mlops_ci.core.drift.display import bars
from mlops_ci.render.escaping import PROSE_LIMIT, VALUE_LIMIT, cut

WIDTH = 80
_GAP = 2
_HARD_SPACE = "\u00a0"  # where no line may end
_NARROWEST = 12  # to which a name is folded; figures are never cut


def cells(text: str) -> int:
    """Return the display width of a text in terminal columns."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def fill(text: object, width: int, first: str = "", rest: str | None = None) -> Markup:
    """Return a sentence in lines of at most a width, the first and the rest with their own indents.

    A word that is longer than a line stays whole: it may be a command to copy.
    """
    lines = fold(cut(text, PROSE_LIMIT), width - cells(first))
    rest = " " * cells(first) if rest is None else rest
    return Markup(f"\n{rest}".join([first + lines[0], *lines[1:]]))  # noqa: S704 (plain text)


def fold(text: str, width: int, *, breaking: bool = False) -> list[str]:
    """Return a text's words in lines of at most a width.

    With `breaking`, a word that is longer than a line goes on in the next, after a mark where there is one.
    """
    lines, taken = [""], 0
    words = [word for word in text.split(" ") if word]
    for word in (part for one in words for part in (_broken(one, width) if breaking else [one])):
        size = cells(word)
        if lines[-1] and taken + 1 + size > width:
            lines.append(word)
            taken = size
        else:
            lines[-1] += f" {word}" if lines[-1] else word
            taken += size + (1 if taken else 0)
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def _broken(word: str, width: int) -> list[str]:
    parts = []
    while cells(word) > width:
        end = next(i for i in range(len(word), 0, -1) if cells(word[:i]) <= width)
        mark = max(word.rfind(sign, 1, end) for sign in "_-.=/")
        end = mark + 1 if mark > 0 else end
        parts.append(word[:end])
        word = word[end:]
    return [*parts, word]


def table(header: Sequence[str], rows: Sequence[Sequence[object]], sides: str, width: int) -> Markup:
    """Return a table: a header, a rule, rows.

    Parameters
    ----------
    sides
        One character a column: ``l`` left, ``r`` right, ``n`` a name, which is folded where the table would
        be wider than `width`.
    """
    body = [[cut(value, VALUE_LIMIT) for value in row] for row in rows]
    sizes = [max([cells(head), *(cells(row[i]) for row in body)]) for i, head in enumerate(header)]
    over = sum(sizes) + _GAP * (len(sizes) - 1) - width
    for i in (i for i, side in enumerate(sides) if side == "n" and over > 0):
        shrunk = min(sizes[i], max(sizes[i] - over, _NARROWEST))
        over -= sizes[i] - shrunk
        sizes[i] = shrunk
    lines = [_line(header, sizes, sides), "─" * (sum(sizes) + _GAP * (len(sizes) - 1))]
    for row in body:
        folded = [
            fold(text, sizes[i], breaking=True) if sides[i] == "n" else [text] for i, text in enumerate(row)
        ]
        for place in range(max(map(len, folded))):
            line = [part[place] if place < len(part) else "" for part in folded]
            lines.append(_line(line, sizes, sides))
    return Markup("\n".join(lines))  # noqa: S704 (plain text)


def _line(row: Sequence[str], sizes: Sequence[int], sides: str) -> str:
    parts = []
    for text, size, side in zip(row, sizes, sides, strict=True):
        room = " " * (size - cells(text))
        parts.append(room + text if side == "r" else text + room)
    return (" " * _GAP).join(parts).rstrip()


def findings_table(findings: Sequence[Mapping[str, Any]], confidence: int, width: int) -> Markup:
    """Return the table of a comparison."""
    header = ["", "metric", "champion", "candidate", "change", f"{confidence}% interval", "margin"]
    rows = []
    for one in findings:
        places = formatting.decimals(one)
        name = f"{one['metric']}{_HARD_SPACE}{formatting.arrow(one)}" + (
            f" on {one['slice']}" if one["slice"] else ""
        )
        sides = [formatting.fixed(one[side], places) for side in ("champion", "candidate")]
        judged = [formatting.change(one), formatting.span(one), formatting.limit(one)]
        rows.append([formatting.outcome_icon(one), name, *sides, *judged])
    return table(header, rows, "lnrrrrr", width)


def drift_table(columns: Sequence[Mapping[str, Any]], width: int) -> Markup:
    """Return the table of a drift comparison."""
    rows = []
    for one in columns:
        sides = one["histogram"]["reference"], one["histogram"]["current"]
        top = max([*sides[0], *sides[1], 0.0])
        adjusted = one["adjusted_pvalue"]
        size = f"{one['effect_size']:.3f}" if one["effect_size"] is not None else "–"
        shapes = [bars(side, top) for side in sides]
        rows.append(
            ["!" if one["drifted"] else "", one["name"], one["effect"].replace("_", " "), size,
             f"{one['threshold']:g}", "–" if adjusted is None else f"{adjusted:.2g}", *shapes]
        )  # fmt: skip
    header = ["", "column", "effect", "size", "limit", "p (adj.)", "reference", "current"]
    return table(header, rows, "lnnrrrll", width)


def indented(text: object, by: int = 2) -> Markup:
    """Return indented lines."""
    return Markup(re.sub(r"(?m)^(?=.)", " " * by, str(text)))  # noqa: S704 (plain text)


GLOBALS = {"table": table, "findings_table": findings_table, "drift_table": drift_table}
FILTERS = {"fill": fill, "indented": indented}
