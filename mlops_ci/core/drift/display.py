"""Draws distributions: Unicode bars for text and comments, SVG outlines for the HTML report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_BARS = "▁▂▃▄▅▆▇█"


def bars(shares: Sequence[float], most: float | None = None) -> str:
    """Return shares as unicode bars, the highest (or `most`) full, an empty one a space's width."""
    top = max([*shares, 0.0]) if most is None else most
    if not shares or top <= 0:
        return ""
    return "".join(_BARS[min(int(share / top * (len(_BARS) - 1) + 0.5), len(_BARS) - 1)] for share in shares)


def outlines(histogram: Mapping[str, Any], width: float = 320, height: float = 80) -> dict[str, str]:
    """Return the SVG points of both sides' outlines, on one scale, by side."""
    top = max([*histogram["reference"], *histogram["current"], 1e-12])
    made = {}
    for side in ("reference", "current"):
        shares = histogram[side]
        step = width / max(len(shares), 1)
        points = [(0.0, height)]
        for place, share in enumerate(shares):
            level = height - share / top * (height - 4)
            points += [(place * step, level), ((place + 1) * step, level)]
        points.append((width, height))
        made[side] = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return made


def edge(value: float, kind: str) -> str:
    """Return an end of the drawn range; a time as its date."""
    if kind != "time":
        return f"{value:.4g}"
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")


FILTERS: dict[str, Callable[..., Any]] = {"bars": bars, "outlines": outlines, "edge": edge}
