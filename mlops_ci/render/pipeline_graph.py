"""The graph of a pipeline's stages for the HTML report, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mlops_ci.render.charts import svg, text_at


def pipeline_graph(stages: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the stages as boxes from top to bottom, each joined to those whose outputs it reads."""
    layers = _layers(stages[:60])
    widest = max((len(layer) for layer in layers), default=0)
    if not widest:
        return Markup("")
    box, tall, gap = 150.0, 44.0, 26.0
    width = widest * (box + 14) + 2
    at, marks = {}, []
    for row, layer in enumerate(layers):
        start = (width - len(layer) * (box + 14) + 14) / 2
        for column, stage in enumerate(layer):
            at[stage["name"]] = (start + column * (box + 14), 1 + row * (tall + gap))
    by_output = {out: stage["name"] for layer in layers for stage in layer for out in stage["outs"]}
    for layer in layers:
        for stage in layer:
            x, y = at[stage["name"]]
            for source in sorted(
                {by_output[path] for path in stage["inputs"] if path in by_output} - {stage["name"]}
            ):
                sx, sy = at[source]
                marks.append(
                    f'<path class="edge" d="M{sx + box / 2:.0f} {sy + tall:.0f}'
                    f" C{sx + box / 2:.0f} {sy + tall + 14:.0f} {x + box / 2:.0f} {y - 14:.0f}"
                    f' {x + box / 2:.0f} {y:.0f}"/>'
                )
            state = stage["state"] or "unknown"
            kind = state if state in {"ran", "restored", "skipped", "failed"} else "unknown"
            size = f'width="{box:.0f}" height="{tall:.0f}" rx="6"'
            marks.append(f'<rect class="stage {kind}" x="{x:.0f}" y="{y:.0f}" {size}/>')
            marks.append(text_at(x + box / 2, y + 19, stage["name"], most=18, kind="name"))
            marks.append(text_at(x + box / 2, y + 35, "up to date" if state == "skipped" else state))
    height = len(layers) * (tall + gap) - gap + 2
    said = ", ".join(f"{stage['name']} {stage['state'] or 'unknown'}" for layer in layers for stage in layer)
    return svg("".join(marks), f"0 0 {width:g} {height:g}", "graph", f"Stages: {said}", width=width)


def _layers(stages: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return stages by their depth in the graph; stages of a cycle stay where the search ends."""
    by_output = {out: stage["name"] for stage in stages for out in stage["outs"]}
    before = {
        stage["name"]: {by_output[path] for path in stage["inputs"] if path in by_output} - {stage["name"]}
        for stage in stages
    }
    depth = dict.fromkeys(before, 0)
    for _ in stages:
        for name, needed in before.items():
            depth[name] = min(len(depth), max((depth[one] + 1 for one in needed), default=0))
    rows = sorted({*depth.values()})
    return [[stage for stage in stages if depth[stage["name"]] == row] for row in rows]


GLOBALS: dict[str, Callable[..., Any]] = {"pipeline_graph": pipeline_graph}
