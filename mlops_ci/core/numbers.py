"""Numbers for people: as many digits as the evidence has, the plain change, and a sign for each outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.core.drift import show

ICONS = {
    "better": "✅",
    "non_inferior": "✅",
    "unchanged": "✅",
    "inconclusive": "❔",
    "worse": "❌",
    "error": "🚫",
}
VERDICT_ICONS = {"pass": "✅", "inconclusive": "❔", "fail": "❌", "error": "🚫", "held": "✋", "none": "ℹ️"}
MINUS = "−"


def decimals(finding: Mapping[str, Any]) -> int:
    """Return how many decimals a finding deserves: two significant digits of its interval's width."""
    interval, margin = finding.get("interval"), finding.get("margin")
    size = abs(interval[1] - interval[0]) if interval else 0.0
    if not size or not math.isfinite(size):
        size = margin or 0.0
    if not size:
        value = finding.get("candidate") or finding.get("champion") or 0.0
        size = abs(value) / 1000
    return 3 if size <= 0 else min(9, max(0, 1 - math.floor(math.log10(size))))


def fixed(value: float | None, places: int) -> str:
    """Write a number with a fixed number of decimals; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.{places}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.removeprefix("-")


def signed(value: float | None, places: int) -> str:
    """Write a change with its sign."""
    text = fixed(value, places)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.,") else text


def change(finding: Mapping[str, Any]) -> str:
    """Return candidate minus champion, in the metric's own direction."""
    if finding["champion"] is None or finding["candidate"] is None:
        return "–"
    return signed(finding["candidate"] - finding["champion"], decimals(finding))


def span(finding: Mapping[str, Any]) -> str:
    """Return the interval of the plain change."""
    if not finding["interval"]:
        return "–"
    low, high = finding["interval"]
    if not finding["greater_is_better"]:
        low, high = -high, -low
    places = decimals(finding)
    return f"{signed(low, places)} to {signed(high, places)}"


def arrow(finding: Mapping[str, Any]) -> str:
    """Return an arrow in the better direction."""
    return "↑" if finding["greater_is_better"] else "↓"


def outcome_icon(finding: Mapping[str, Any]) -> str:
    """Return the sign of an outcome; what is only shown has none."""
    return ICONS[finding["outcome"]] if finding["gated"] else "·"


def verdict_icon(report: Mapping[str, Any]) -> str:
    """Return the sign of a whole report: held shows before the verdict."""
    if report["exit_code"] == 3:
        return VERDICT_ICONS["held"]
    if report["exit_code"] == 0 and report["verdict"] == "inconclusive":
        return VERDICT_ICONS["pass"]
    return VERDICT_ICONS[report["verdict"] or "none"]


def short(digest: str | None, length: int = 8) -> str:
    """Return the first characters of a digest."""
    return (digest or "")[:length]


def seconds(value: float | None) -> str:
    """Write a duration."""
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"


FILTERS: dict[str, Callable[..., Any]] = {
    "decimals": decimals,
    "fixed": fixed,
    "change": change,
    "span": span,
    "arrow": arrow,
    "outcome_icon": outcome_icon,
    "verdict_icon": verdict_icon,
    "short": short,
    "seconds": seconds,
    **show.FILTERS,
}
