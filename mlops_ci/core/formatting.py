"""Formats numbers for reports: as many digits as the evidence supports, changes, units and outcome signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_ci.core.drift import display
from mlops_ci.core.verdict import Finding

ICONS = {
    "better": "✅",
    "non_inferior": "✅",
    "unchanged": "✅",
    "inconclusive": "❔",
    "worse": "❌",
    "error": "🚫",
}
VERDICT_ICONS = {
    "pass": "✅",
    "inconclusive": "❔",
    "fail": "❌",
    "error": "🚫",
    "held": "✋",
    "blocked": "⛔",
    "none": "ℹ️",
}
OUTCOME_WORDS = {
    "non_inferior": "within the margin",
    "inconclusive": "not settled",
    "error": "could not tell",
}
MINUS = "−"


def decimals(finding: Finding | Mapping[str, Any]) -> int:
    """Return the number of decimals for a finding: two significant digits of its interval's width.

    It is the one rule for every figure of a finding, in sentences, headlines and tables.
    """
    part: Callable[[str], Any] = finding.get if isinstance(finding, Mapping) else finding.__getattribute__
    interval, margin = part("interval"), part("margin")
    size = abs(interval[1] - interval[0]) if interval else 0.0
    if not size or not math.isfinite(size):
        size = margin or 0.0
    if not size:
        value = part("candidate") or part("champion") or 0.0
        size = abs(value) / 1000
    return 3 if size <= 0 else min(9, max(0, 1 - math.floor(math.log10(size))))


def fixed(value: float | None, places: int) -> str:
    """Format a number with a fixed number of decimals; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:,.{places}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.removeprefix("-")


def stated(value: float | None, places: int) -> str:
    """Format a number that a person chose: never rounded by more than 1% of itself."""
    while value and places < 9 and abs(round(value, places) - value) > abs(value) / 100:
        places += 1
    return fixed(value, places)


def signed(value: float | None, places: int) -> str:
    """Format a change with its sign."""
    text = fixed(value, places)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.,") else text


def change(finding: Mapping[str, Any]) -> str:
    """Return candidate minus champion, in the metric's own direction."""
    if finding["champion"] is None or finding["candidate"] is None:
        return "–"
    return signed(finding["candidate"] - finding["champion"], decimals(finding))


def span(finding: Mapping[str, Any]) -> str:
    """Format the interval of the change."""
    if not finding["interval"]:
        return "–"
    low, high = finding["interval"]
    if not finding["greater_is_better"]:
        low, high = -high, -low
    places = decimals(finding)
    return f"{signed(low, places)} to {signed(high, places)}"


def limit(finding: Mapping[str, Any], places: int | None = None) -> str:
    """Format what a finding was compared with: the margin, or an absolute limit with its side."""
    places = decimals(finding) if places is None else places
    if finding.get("limit") is not None:
        sign = "≥" if finding["greater_is_better"] else "≤"
        return f"{sign} {stated(finding['limit'], places)}"
    return stated(finding["margin"], places)


def pvalue(value: float | None) -> str:
    """Format a p-value with three decimals, or as smaller than that."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(share: float) -> str:
    """Format a share as a percentage, without trailing digits."""
    return f"{100 * share:.4g}%"


def rate(value: float | None, sign: bool = False) -> str:
    """Format a rate, or a change of a rate; a dash if it is unknown."""
    if value is None:
        return "–"
    return (signed if sign else fixed)(100 * value, 2) + "%"


def ordinal(number: int) -> str:
    """Format an ordinal: 1st, 2nd, 3rd, 4th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def many(count: int, one: str, several: str = "") -> str:
    """Format a count with its noun: 1 row, 2 rows."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def attention(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the findings that need attention, the gravest first.

    A slice that is not settled never holds a merge, so it is not among them.
    """
    grave = {"worse": 0, "error": 1, "inconclusive": 2}
    picked = [
        finding
        for finding in findings
        if finding["gated"]
        and finding["outcome"] in grave
        and not (finding["slice"] and finding["outcome"] == "inconclusive")
    ]
    return sorted(picked, key=lambda one: (grave[one["outcome"]], one["slice"] is not None))


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to text by dotted name."""
    found: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            found |= flat(value, name)
        else:
            found[name] = str(value)
    return found


def changed_params(report: Mapping[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Return the changed parameters: name, champion's value, candidate's value."""
    details = report["details"]
    before, after = flat(details.get("champion_params") or {}), flat(details.get("params") or {})
    if not before:
        return []
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [(name, before.get(name), after.get(name)) for name in names]


def arrow(finding: Mapping[str, Any]) -> str:
    """Return an arrow in the better direction."""
    return "↑" if finding["greater_is_better"] else "↓"


def outcome_icon(finding: Mapping[str, Any]) -> str:
    """Return the icon of an outcome; metrics that are only shown have none."""
    return ICONS[finding["outcome"]] if finding["gated"] else "·"


def outcome_words(outcome: str) -> str:
    """Return an outcome in words, for readers without a statistics background."""
    return OUTCOME_WORDS.get(outcome, outcome.replace("_", " "))


def compact(value: float) -> str:
    """Format a number of any size in a few characters."""
    return f"{value:.3g}".replace("-", MINUS)


def verdict_icon(report: Mapping[str, Any]) -> str:
    """Return the icon of a report: held takes precedence over the verdict."""
    if report["exit_code"] == 3:
        return VERDICT_ICONS["held"]
    if report["verdict"] == "inconclusive" and report["exit_code"] in (0, 1):
        return VERDICT_ICONS["blocked" if report["exit_code"] else "pass"]
    return VERDICT_ICONS[report["verdict"] or "none"]


def short(digest: str | None, length: int = 8) -> str:
    """Return the first characters of a digest."""
    return (digest or "")[:length]


def when(time: str) -> str:
    """Format a time in UTC to the minute."""
    return f"{time[:10]} {time[11:16]} UTC" if len(time) >= 16 else time


def seconds(value: float | None) -> str:
    """Format a duration."""
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"


FILTERS: dict[str, Callable[..., Any]] = {
    "decimals": decimals,
    "fixed": fixed,
    "stated": stated,
    "change": change,
    "span": span,
    "limit": limit,
    "pvalue": pvalue,
    "percent": percent,
    "rate": rate,
    "ordinal": ordinal,
    "many": many,
    "attention": attention,
    "changed_params": changed_params,
    "arrow": arrow,
    "outcome_icon": outcome_icon,
    "outcome_words": outcome_words,
    "compact": compact,
    "signed": signed,
    "verdict_icon": verdict_icon,
    "short": short,
    "seconds": seconds,
    "when": when,
    **display.FILTERS,
}
