"""The timeline chart: which version served when, how production performed, and numbered steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from mlops_ci.render.escaping import cut

WIDTH, LEFT, RIGHT = 920.0, 84.0, 12.0
# From the top: flags, one lane a version, the metric's plot, the months.
FLAGS, LANE, PLOT, MONTHS = 34.0, 26.0, 170.0, 24.0
GAP = 18.0
# Flags this close would cover each other: the later one is moved to the right.
FLAG = 19.0

Place = Callable[[str], float]


def picture(timeline: Mapping[str, Any]) -> Markup:
    """Return the chart of a `core.timeline.Timeline`, as plain values."""
    times = [_stamp(one[key]) for key in ("since", "until") for one in timeline["servings"]]
    times += [_stamp(step["time"]) for step in timeline["steps"]]
    if len(set(times)) < 2:
        return Markup("")
    low, high = min(times), max(times)

    def across(time: str) -> float:
        share = (_stamp(time) - low) / (high - low)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0)

    versions = sorted({one["version"] for one in timeline["servings"]}, key=_natural)
    plot_top = FLAGS + len(versions) * LANE + GAP
    floor = plot_top + (PLOT if timeline["windows"] else 0)
    marks = [_months(low, high, across, floor)]
    marks += _lanes(timeline["servings"], versions, across)
    if timeline["windows"]:
        marks.append(_plot(timeline, across, plot_top))
    marks.append(_flags(timeline["steps"], across, floor))
    said = f"Versions in production, and {timeline['metric']} by window; all of it is in the tables below"
    return Markup(  # noqa: S704 (numbers and our own words; the rest is escaped)
        f'<svg class="timeline" viewBox="0 0 {WIDTH:g} {floor + MONTHS:g}" role="img"'
        f' aria-label="{escape(said)}">{"".join(marks)}</svg>'
    )


def _stamp(time: str) -> float:
    found = datetime.fromisoformat(time)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _natural(version: str) -> tuple[int, str]:
    return (int(version) if version.isdigit() else 0, version)


def _months(low: float, high: float, across: Place, floor: float) -> str:
    """Return a line and a name for the first of each month; years where they begin."""
    at = datetime.fromtimestamp(low, UTC)
    year, month = at.year, at.month
    made: list[str] = []
    every = max(1, round((high - low) / (86_400 * 30.4) / 14))
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        first = datetime(year, month, 1, tzinfo=UTC)
        if first.timestamp() > high:
            return "".join(made)
        x = across(first.isoformat())
        made.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{FLAGS - 6:g}" y2="{floor:g}"/>')
        if (month - 1) % every == 0 and x < WIDTH - RIGHT - 28:
            name = f"{first:%b}" + (f" {year}" if month == 1 or len(made) == 1 else "")
            made.append(f'<text x="{x + 2:.1f}" y="{floor + 16:g}">{name}</text>')


def _lanes(servings: Sequence[Mapping[str, Any]], versions: Sequence[str], across: Place) -> list[str]:
    marks = []
    for index, version in enumerate(versions):
        top = FLAGS + index * LANE
        marks.append(
            f'<text class="name" x="{LEFT - 10:g}" y="{top + 15:g}" text-anchor="end">'
            f"version {escape(cut(version, 6))}</text>"
        )
        for one in (one for one in servings if one["version"] == version):
            x, end = across(one["since"]), across(one["until"])
            tall = 16 if one["role"] == "champion" else 9
            what = f"version {version} as {one['role']}"
            title = f"{what}, {one['share']:.0%} of the requests, {one['since'][:10]} to {one['until'][:10]}"
            marks.append(
                f'<rect class="serving {one["role"]}" x="{x:.1f}" y="{top + 11 - tall / 2:.1f}"'
                f' width="{max(end - x, 2.5):.1f}" height="{tall}" rx="2">'
                f"<title>{escape(title)}</title></rect>"
            )
            if one["rolled_back"]:
                marks.append(f'<path class="back" d="M{end - 5:.1f} {top + 6:.1f} l10 10 m0 -10 l-10 10"/>')
    return marks


def _plot(timeline: Mapping[str, Any], across: Place, top: float) -> str:
    windows = timeline["windows"]
    values = [v for one in windows for v in (one["value"], one["lower"], one["upper"], one["expected"])]
    known = [float(value) for value in values if value is not None]
    low, high = min(known) - 0.02, max(known) + 0.02

    def up(value: float) -> float:
        return top + (PLOT - 4) * (high - value) / (high - low)

    step = 0.05 if high - low < 0.45 else 0.1
    marks = []
    for index in range(round(low / step), round(high / step) + 1):
        value = index * step
        if low <= value <= high:
            y = up(value)
            marks.append(
                f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            marks.append(f'<text x="{LEFT - 10:g}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    marks.append(
        f'<text class="name" x="14" y="{top + PLOT / 2:.0f}" text-anchor="middle"'
        f' transform="rotate(-90 14 {top + PLOT / 2:.0f})">{escape(cut(timeline["metric"], 30))}</text>'
    )
    marks += [_window(one, across, up) for one in windows]
    return "".join(marks)


def _window(one: Mapping[str, Any], across: Place, up: Callable[[float], float]) -> str:
    x, end, y = across(one["since"]), across(one["until"]), up(one["value"])
    middle, marks = (x + end) / 2, []
    if one["expected"] is not None:
        level = up(one["expected"])
        marks.append(
            f'<line class="expected" x1="{x:.1f}" x2="{end:.1f}" y1="{level:.1f}" y2="{level:.1f}"/>'
        )
    if one["lower"] is not None and one["upper"] is not None:
        marks.append(
            f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" y1="{up(one["upper"]):.1f}"'
            f' y2="{up(one["lower"]):.1f}"/>'
        )
    title = f"version {one['version']}, {one['since'][:10]} to {one['until'][:10]}: {one['value']:.3f}"
    marks.append(
        f'<line class="seen {one["state"]}" x1="{x + 1:.1f}" x2="{end - 1:.1f}" y1="{y:.1f}" y2="{y:.1f}">'
        f"<title>{escape(title)}</title></line>"
    )
    return "".join(marks)


def _flags(steps: Sequence[Mapping[str, Any]], across: Place, floor: float) -> str:
    """Return a numbered flag for each step; flags of one day are side by side."""
    places = [across(step["time"]) for step in steps]
    right = WIDTH - RIGHT - FLAG / 2
    at: list[float] = []
    for place in places:
        at.append(max(place, at[-1] + FLAG) if at else place)
    # Whoever was pushed over the edge is pushed back, and pushes the others.
    for index in range(len(at) - 1, -1, -1):
        at[index] = min(at[index], right if index == len(at) - 1 else at[index + 1] - FLAG)
    marks = []
    for number, (step, x, place) in enumerate(zip(steps, at, places, strict=True), 1):
        marks.append(f'<path class="pole" d="M{x:.1f} 17 L{place:.1f} {FLAGS - 6:g} V{floor:g}"/>')
        marks.append(f'<circle class="flag {step["kind"]}" cx="{x:.1f}" cy="9.5" r="8.5"/>')
        marks.append(
            f'<text class="number" x="{x:.1f}" y="13.2" text-anchor="middle">{number}'
            f"<title>{escape(cut(step['title'], 80))}</title></text>"
        )
    return "".join(marks)


GLOBALS: Mapping[str, Callable[..., Any]] = {"timeline_picture": picture}
