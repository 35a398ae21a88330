"""Text that Markdown renders specially: a trend as a mermaid chart, and the command that repeats a check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from mlops_ci.core.report import Source
from mlops_ci.core.wording import reproduce_command
from mlops_ci.render.escaping import plain_word

# Reads well on GitHub's white and on its dark grey.
_COLOUR = "#2f81f7"


def trend(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of one metric over the versions so far and this change, oldest first.

    It is the metric of the first finding on all rows that decides, or that is known of at least two
    versions; nothing if there is none.
    """
    history = report["details"].get("history") or []
    overall = [f for f in report["findings"] if not f["slice"] and f["candidate"] is not None and f["gated"]]
    grave = {"worse": 0, "inconclusive": 1}
    for finding in sorted(overall, key=lambda one: grave.get(one["outcome"], 2)):
        name = finding["metric"]
        points = [(f"v{one.get('version')}", (one.get("metrics") or {}).get(name)) for one in history]
        known = [(label, float(value)) for label, value in points if isinstance(value, (int, float))]
        if len(known) >= 2:
            return {
                "metric": name,
                "points": [*known, ("this change", float(finding["candidate"]))],
                "finding": finding,
            }
    return {}


def mermaid_trend(report: Mapping[str, Any]) -> Markup:
    """Return a small line chart of `trend` for mermaid; empty if there is nothing to draw.

    No theme is named and the background is transparent, so that it is right in light and in dark.
    """
    found = trend(report)
    if not found or not all(math.isfinite(value) for _, value in found["points"]):
        return Markup("")
    values = [value for _, value in found["points"]]
    low, high = min(values), max(values)
    pad = (high - low) * 0.15 or abs(high) * 0.01 or 0.01
    places = min(9, max(0, 2 - math.floor(math.log10(high - low or abs(high) or 1))))
    labels = ", ".join(f'"{plain_word(label)}"' for label, _ in found["points"])
    numbers = ", ".join(f"{value:.{places}f}" for value in values)
    lines = [
        "```mermaid",
        "---",
        "config:",
        "  xyChart: {height: 260, width: 700, yAxis: {labelFontSize: 11}}",
        f'  themeVariables: {{xyChart: {{plotColorPalette: "{_COLOUR}", backgroundColor: "transparent"}}}}',
        "---",
        "xychart-beta",
        f"  x-axis [{labels}]",
        f'  y-axis "{plain_word(found["metric"])}" {low - pad:.{places}f} --> {high + pad:.{places}f}',
        f"  line [{numbers}]",
        "```",
    ]
    return Markup("\n".join(lines))  # noqa: S704 (plain words and numbers)


def command(report: Mapping[str, Any]) -> Markup:
    """Return the command that repeats a check; it has plain names only, so nothing needs escaping."""
    if report["command"] != "check":
        return Markup("")
    return Markup(reproduce_command(Source(**report["source"]), report["model"]))  # noqa: S704


GLOBALS: dict[str, Callable[..., Any]] = {
    "trend": trend,
    "mermaid_trend": mermaid_trend,
    "reproduce_command": command,
}
