"""Charts for the HTML report: inline SVG, coloured by the page's style sheet.

They are written by hand and not by a plotting library: so they follow light and dark, print, scale with
the page, hold text that can be selected and read aloud, and cost no import. All numbers are placed here;
words come in through `escape`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from mlops_ci.render.escaping import cut

SIDES = ("champion", "candidate")
# Of a plot with axes: its size, and what is left for the numbers beside the axes.
WIDTH, HEIGHT, LEFT, BOTTOM, EDGE = 320.0, 240.0, 46.0, 38.0, 10.0
# A forest plot shows this many margins to each side.
REACH = 4.0


def forest(finding: Mapping[str, Any]) -> Markup:
    """Return one row of a forest plot: the difference and its interval, in units of the margin.

    All metrics so share one scale: 0 is the champion, -1 is where the accepted loss ends.
    """
    margin, difference = finding["margin"], finding["difference"]
    if not margin or difference is None:
        return Markup("")
    marks = [_line(_share(-1), "margin"), _line(_share(0), "zero")]
    if finding["interval"]:
        low, high = (_share(end / margin) for end in finding["interval"])
        marks.append(
            f'<rect class="interval" x="{low:.2f}" y="9" width="{max(high - low, 0.4):.2f}" height="6"/>'
        )
    at = _share(difference / margin)
    marks.append(f'<rect class="estimate" x="{at - 0.6:.2f}" y="4" width="1.2" height="16"/>')
    said = f"{finding['metric']}: {finding['outcome'].replace('_', ' ')}"
    return svg("".join(marks), "0 0 100 24", f"forest {finding['outcome']}", said, stretch=True)


def _share(margins: float) -> float:
    return 50 + 50 * max(-1.0, min(1.0, margins / REACH))


def _line(x: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="24"/>'


def plot(
    lines: Mapping[str, Mapping[str, Sequence[float]]],
    label: str,
    *,
    x: str = "",
    y: str = "",
    unit: bool = True,
    diagonal: bool = False,
    dots: bool = False,
) -> Markup:
    """Return curves with axes: x and y by name; over the unit square, or over what they span."""
    given = [(name, one["x"], one["y"]) for name, one in lines.items() if one.get("x")]
    if not given:
        return Markup("")
    xs, ys = ([v for one in given for v in one[1]], [v for one in given for v in one[2]])
    low_x, high_x = (0.0, 1.0) if unit else span(xs)
    low_y, high_y = (0.0, 1.0) if unit else span(ys)

    def place(px: float, py: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - EDGE) * (px - low_x) / (high_x - low_x)
        return across, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - EDGE) * (py - low_y) / (high_y - low_y)

    marks = [_axes((low_x, high_x), (low_y, high_y), place, x, y)]
    if diagonal:
        low, high = max(low_x, low_y), min(high_x, high_y)
        (x1, y1), (x2, y2) = place(low, low), place(high, high)
        marks.append(f'<line class="diagonal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    for name, across, up in given:
        at = [place(float(px), float(py)) for px, py in zip(across, up, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        marks.append(f'<polyline class="curve {_kind(name)}" points="{path}"/>')
        if dots:
            marks += [
                f'<circle class="dot {_kind(name)}" cx="{px:.1f}" cy="{py:.1f}" r="3"/>' for px, py in at
            ]
    return svg("".join(marks), f"0 0 {WIDTH:g} {HEIGHT:g}", "plot", label)


def _axes(
    across: tuple[float, float],
    up: tuple[float, float],
    place: Callable[[float, float], tuple[float, float]],
    x: str,
    y: str,
) -> str:
    floor, marks = HEIGHT - BOTTOM, []
    for value in ticks(*across):
        px, _ = place(value, up[0])
        marks.append(f'<line class="grid" x1="{px:.1f}" x2="{px:.1f}" y1="{EDGE}" y2="{floor}"/>')
        marks.append(f'<text x="{px:.1f}" y="{floor + 15}" text-anchor="middle">{value:g}</text>')
    for value in ticks(*up):
        _, py = place(across[0], value)
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - EDGE}" y1="{py:.1f}" y2="{py:.1f}"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{value:g}</text>')
    marks.append(text_at((LEFT + WIDTH) / 2, HEIGHT - 5, x))
    middle = (floor + EDGE) / 2
    turned = f'transform="translate(12 {middle}) rotate(-90)" text-anchor="middle"'
    marks.append(f"<text {turned}>{escape(cut(y, 30))}</text>")
    return "".join(marks)


def text_at(x: float, y: float, words: str, *, most: int = 40, kind: str = "") -> str:
    """Return a text element, centred at a point and cut to at most `most` characters."""
    return (
        f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{escape(cut(words, most))}</text>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Return about four round numbers in a range."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [
        round(index * step, 12) + 0.0
        for index in range(first, first + 12)
        if index * step <= high + 1e-9 * step
    ]


def span(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis: that of the values, with some padding."""
    low, high = min(values), max(values)
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return low - pad, high + pad


def trend_plot(found: Mapping[str, Any]) -> Markup:
    """Return the values of one metric over versions, each with its name below."""
    points = found["points"]
    values = [value for _, value in points]
    low, high = span(values)
    width, height, left, floor = 640.0, 200.0, 56.0, 165.0
    step = (width - left - 70) / max(len(points) - 1, 1)
    at = [
        (left + 20 + i * step, floor - (floor - 12) * (v - low) / (high - low)) for i, v in enumerate(values)
    ]
    marks = []
    for value in ticks(low, high):
        py = floor - (floor - 12) * (value - low) / (high - low)
        marks.append(f'<line class="grid" x1="{left}" x2="{width - 8}" y1="{py:.1f}" y2="{py:.1f}"/>')
        marks.append(f'<text x="{left - 6}" y="{py + 4:.1f}" text-anchor="end">{value:g}</text>')
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
    marks.append(f'<polyline class="curve champion" points="{path}"/>')
    for index, ((px, py), (name, _)) in enumerate(zip(at, points, strict=True)):
        kind = "candidate" if index == len(points) - 1 else "champion"
        marks.append(f'<circle class="dot {kind}" cx="{px:.1f}" cy="{py:.1f}" r="4"/>')
        marks.append(
            f'<text x="{px:.1f}" y="{floor + 20}" text-anchor="middle">{escape(cut(name, 14))}</text>'
        )
    said = ", ".join(f"{name}: {value:g}" for name, value in points)
    return svg(
        "".join(marks), f"0 0 {width:g} {height:g}", "plot wide", f"{found['metric']} by version: {said}"
    )


def _kind(name: str) -> str:
    return name if name in SIDES else "champion"


def svg(marks: str, box: str, kind: str, label: str, *, stretch: bool = False, width: float = 0) -> Markup:
    """Return an SVG element of a style class, with a text alternative."""
    fit = ' preserveAspectRatio="none"' if stretch else ""
    wide = f' style="max-width:{width:.0f}px"' if width else ""
    said = escape(cut(label, 400))
    return Markup(  # noqa: S704 (numbers and our own words; labels are escaped)
        f'<svg class="{kind}" viewBox="{box}" role="img" aria-label="{said}"{fit}{wide}>{marks}</svg>'
    )


def cells(confusion: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return a confusion table: the candidate's count of each cell, its share of its row, and the change."""
    ours, theirs = confusion["candidate"], confusion.get("champion")
    table = []
    for i, row in enumerate(ours):
        total = sum(row) or 1
        table.append(
            [
                {
                    "count": count,
                    "share": round(count / total, 2),
                    "change": count - theirs[i][j] if theirs else None,
                    "right": i == j,
                }
                for j, count in enumerate(row)
            ]
        )
    return table


def residual_lines(residuals: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Return shares of residuals by the middle of their bins, by model."""
    middles = [(low + high) / 2 for low, high in pairwise(residuals["edges"])]
    return {name: {"x": middles, "y": residuals[name]} for name in SIDES if name in residuals}


GLOBALS: dict[str, Callable[..., Any]] = {
    "forest": forest,
    "plot": plot,
    "trend_plot": trend_plot,
    "confusion_cells": cells,
    "residual_lines": residual_lines,
}
