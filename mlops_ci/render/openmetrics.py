"""Renders reports as OpenMetrics text, for GitLab's metrics report or any collector."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from mlops_ci.core.report import Report
from mlops_ci.render.escaping import VALUE_LIMIT, cut

_HELP = {
    "mlops_ci_champion": "Value of a metric of the model in production.",
    "mlops_ci_candidate": "Value of a metric of this change's model.",
    "mlops_ci_difference": "Candidate against champion, positive is better.",
    "mlops_ci_margin": "Loss that the team accepts.",
    "mlops_ci_drifted_columns": "Columns that drifted.",
    "mlops_ci_exit_code": "What the check ended with: 0 lets the merge pass.",
}


def openmetrics(reports: Sequence[Report]) -> str:
    """Return reports as gauges, one sample a model and metric; slices stay in the other forms."""
    samples: dict[str, dict[str, str]] = {name: {} for name in _HELP}
    for report in reports:
        for name, labels, value in _samples(report):
            samples[name].setdefault(labels, value)
    lines: list[str] = []
    for name, taken in samples.items():
        if taken:
            lines += [f"# TYPE {name} gauge", f"# HELP {name} {_HELP[name]}"]
            lines += [f"{name}{labels} {value}" for labels, value in taken.items()]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _samples(report: Report) -> Iterator[tuple[str, str, str]]:
    for finding in report.findings:
        if finding.slice is not None:
            continue
        labels = _labels(model=report.model, metric=finding.metric)
        for side in ("champion", "candidate", "difference", "margin"):
            value = getattr(finding, side)
            if value is not None and math.isfinite(value):
                yield f"mlops_ci_{side}", labels, f"{float(value):.10g}"
    if report.drift is not None:
        moved = sum(bool(column.get("drifted")) for column in report.drift.get("columns", ()))
        yield "mlops_ci_drifted_columns", _labels(model=report.model), str(moved)
    yield "mlops_ci_exit_code", _labels(model=report.model), str(report.exit_code)


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_value(value)}"' for name, value in values.items()) + "}"


def _value(text: str) -> str:
    # GitLab reads a line as a shell would, so a quote or a backslash, even escaped, could spoil the file.
    return re.sub(r"[\"'\\`]", "_", cut(text, VALUE_LIMIT))
