"""Charts of monitoring over the windows: one per metric, signals, and volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from mlops_ci.render.charts import span, svg, ticks

WIDTH, HEIGHT, LEFT, FLOOR, EDGE = 640.0, 210.0, 56.0, 172.0, 14.0
_SIGNS = {"drift": "D", "prediction_drift": "P", "loss": "L", "estimated_loss": "E", "volume": "V"}


def metric_trend(windows: Sequence[Mapping[str, Any]], metric: str) -> Markup:
    """Return one metric over the windows.

    Solid with dots: measured by labels. Dashed with a band: estimated without. The thin line is the
    holdout's value, the dotted one where the accepted loss ends; a ring is a proven loss.
    """
    measured = [one["performance"].get(metric) for one in windows]
    guessed = [one["estimates"].get(metric) for one in windows]
    known = [one for one in measured if one]
    shown = [one["value"] for one in known] + [one["holdout"] for one in known]
    shown += [one[end] for one in guessed if one for end in ("value", "lower", "upper")]
    shown = [value for value in shown if value is not None]
    if not shown:
        return Markup("")
    low, high = span(shown)
    across = _across(len(windows))

    def up(value: float) -> float:
        return FLOOR - (FLOOR - EDGE) * (value - low) / (high - low)

    marks = [*_grid(low, high, up), *_dates(windows, across)]
    marks += _band(guessed, across, up)
    marks += _reference(known, up, low, high)
    marks += _line([one and one["value"] for one in guessed], across, up, "candidate estimate")
    marks += _line([one and one["value"] for one in measured], across, up, "candidate")
    for place, one in enumerate(measured):
        if one and one["value"] is not None:
            kind = "dot worse" if one["outcome"] == "worse" else "dot candidate"
            radius = 6 if one["outcome"] == "worse" else 3
            marks.append(
                f'<circle class="{kind}" cx="{across(place):.1f}" cy="{up(one["value"]):.1f}" r="{radius}"/>'
            )
    said = f"{metric} by window: {len(known)} measured, {sum(1 for one in guessed if one)} estimated"
    return svg("".join(marks), f"0 0 {WIDTH:g} {HEIGHT:g}", "plot wide trend", said)


def signal_trend(windows: Sequence[Mapping[str, Any]], signals: Sequence[tuple[str, str]]) -> Markup:
    """Return a row of marks per signal: filled if a window raised it, hollow if not."""
    across = _across(len(windows))
    height = 22.0 * len(signals) + 34
    marks = []
    for row, (name, words) in enumerate(signals):
        y = 16 + 22.0 * row
        marks.append(f'<text x="{LEFT + 66}" y="{y + 4:.0f}" text-anchor="end">{escape(words)}</text>')
        for place, one in enumerate(windows):
            if name in one["known"]:
                kind = "mark raised" if name in one["raised"] else "mark"
                size = 5.5 if name in one["raised"] else 3
                x = LEFT + 80 + (across(place) - LEFT) * (WIDTH - LEFT - 100) / (WIDTH - LEFT - 10)
                marks.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>')
    said = ", ".join(f"{words} {sum(name in one['raised'] for one in windows)}" for name, words in signals)
    return svg("".join(marks), f"0 0 {WIDTH:g} {height:g}", "plot wide signals", f"Windows by signal: {said}")


def volume_trend(windows: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the rows of each window as bars; labelled ones darker."""
    most = max((one["rows"] for one in windows), default=0)
    if not most:
        return Markup("")
    across = _across(len(windows))
    wide = max(min((WIDTH - LEFT) / max(len(windows), 1) * 0.7, 26.0), 1.5)

    def up(value: float) -> float:
        return FLOOR - (FLOOR - EDGE) * value / most

    marks = [*_grid(0.0, float(most), up), *_dates(windows, across)]
    for place, one in enumerate(windows):
        for count, kind in ((one["rows"], "bar"), (one["labels"], "bar labelled")):
            if count:
                x, y = across(place) - wide / 2, up(count)
                size = f'width="{wide:.1f}" height="{FLOOR - y:.1f}"'
                marks.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}/>')
    return svg("".join(marks), f"0 0 {WIDTH:g} {HEIGHT:g}", "plot wide trend", "Rows by window")


def _across(count: int) -> Callable[[int], float]:
    room = WIDTH - LEFT - 36
    return lambda place: LEFT + 18 + (room * place / (count - 1) if count > 1 else room / 2)


def _grid(low: float, high: float, up: Callable[[float], float]) -> list[str]:
    marks = []
    for value in ticks(low, high):
        y = up(value)
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    return marks


def _dates(windows: Sequence[Mapping[str, Any]], across: Callable[[int], float]) -> list[str]:
    step = max(1, -(-len(windows) // 8))
    return [
        f'<text x="{across(place):.1f}" y="{FLOOR + 20}" text-anchor="middle">{escape(date_of(one))}</text>'
        for place, one in enumerate(windows)
        if place % step == 0
    ]


def _band(
    guessed: Sequence[Mapping[str, Any] | None], across: Callable[[int], float], up: Callable[[float], float]
) -> list[str]:
    marks = []
    for run in _runs(guessed):
        ends = [(across(place), guessed[place]) for place in run]
        top = " ".join(f"{x:.1f},{up(one['upper']):.1f}" for x, one in ends if one)
        back = " ".join(f"{x:.1f},{up(one['lower']):.1f}" for x, one in reversed(ends) if one)
        marks.append(f'<polygon class="band" points="{top} {back}"/>')
    return marks


def _reference(
    known: Sequence[Mapping[str, Any]], up: Callable[[float], float], low: float, high: float
) -> list[str]:
    """Draw the holdout's value, and where the accepted loss ends."""
    if not known or known[-1]["holdout"] is None:
        return []
    last = known[-1]
    worse = last["holdout"] - (last["margin"] or 0) * (1 if _greater(last) else -1)
    marks = []
    for value, kind in ((last["holdout"], "zero"), (worse, "margin")):
        if low <= value <= high:
            y = up(value)
            marks.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return marks


def _greater(one: Mapping[str, Any]) -> bool:
    """Return whether greater is better, from a difference whose sign is known to be positive for better."""
    middle = ((one["lower"] or 0) + (one["upper"] or 0)) / 2
    return bool(((one["value"] or 0) - (one["holdout"] or 0)) * middle >= 0)


def _line(
    values: Sequence[float | None], across: Callable[[int], float], up: Callable[[float], float], kind: str
) -> list[str]:
    return [
        f'<polyline class="curve {kind}" points="'
        + " ".join(f"{across(place):.1f},{up(values[place] or 0.0):.1f}" for place in run)
        + '"/>'
        for run in _runs(values)
        if len(run) > 1
    ]


def _runs(values: Sequence[Any]) -> list[list[int]]:
    """Return the runs of consecutive places that have a value."""
    runs: list[list[int]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(place)
    return [run for run in runs if run]


def date_of(window: Mapping[str, Any]) -> str:
    """Return the start of a window, short: its day, with the hour where windows are shorter than a day."""
    start, end = str(window["start"]), str(window["end"])
    return start[5:10] if start[11:16] == end[11:16] else f"{start[8:10]} {start[11:16]}"


def signs(window: Mapping[str, Any]) -> str:
    """Return the letters of the signals that a window raised."""
    return "".join(letter for name, letter in _SIGNS.items() if name in window["raised"])


WORDS: dict[str, Callable[..., Any]] = {"window_date": date_of, "window_signs": signs}
PICTURES: dict[str, Callable[..., Any]] = {
    "metric_trend": metric_trend,
    "signal_trend": signal_trend,
    "volume_trend": volume_trend,
}
