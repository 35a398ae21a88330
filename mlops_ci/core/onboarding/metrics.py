"""Which metrics `init` proposes to gate, each with a margin that the rows of the holdout can settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_ci.core.gate.power import rows_for_disagreement
from mlops_ci.core.onboarding.columns import Meaning
from mlops_ci.core.onboarding.scalars import Scalar

# Margins that a holdout may be able to settle, from strict to lenient, and the disagreement that is usual
# between two versions of one model.
MARGINS = (0.01, 0.02, 0.03, 0.05)
DISAGREEMENT = 0.06


@dataclass(frozen=True, kw_only=True)
class ProposedMetric:
    """A metric to gate: its keys in mlops-ci.yaml, and the reason to show beside them."""

    name: str
    fields: Mapping[str, Any]
    why: str = ""


def settling_margin(rows: int | None) -> float:
    """Return the strictest usual margin that this many rows settle with a power of 80%."""
    if rows is None:
        return MARGINS[0]
    able = [margin for margin in MARGINS if rows_for_disagreement(margin, DISAGREEMENT, 0.05) <= rows]
    return able[0] if able else MARGINS[-1]


def row_metrics(means: Meaning, rows: int | None) -> tuple[ProposedMetric, ...]:
    """Return the metrics to gate where there are predictions row by row.

    Parameters
    ----------
    means
        Which columns the predictions have, and so what kind of task it is.
    rows
        Rows of the holdout, where the predictions are here.
    """
    if means.task == "numbers":
        return (
            ProposedMetric(
                name="root_mean_squared_error",
                fields={"margin": "2%"},
                why="the loss you accept: 2% of the champion's error; choose your own",
            ),
        )
    margin = settling_margin(rows)
    needed = rows_for_disagreement(margin, DISAGREEMENT, 0.05)
    why = f"the loss you accept: {margin * 100:g} point{'s' if margin > 0.01 else ''}"
    if rows is not None and needed > rows:
        why += f"; your {rows:,} rows are few: about {needed:,} settle this one"
    elif rows is not None:
        why += f", about what {rows:,} rows can settle"
    else:
        why += f"; about {needed:,} rows settle it"
    first = ProposedMetric(name="accuracy", fields={"margin": margin}, why=why)
    if means.task == "classes" or "prediction" not in means.parts:
        return (first,) if "score" not in means.parts or "prediction" in means.parts else (_auc(),)
    return (first, _auc()) if "score" in means.parts else (first,)


def _auc() -> ProposedMetric:
    return ProposedMetric(
        name="roc_auc", fields={"margin": 0.01}, why="needs y_score; `gate: false` only shows it"
    )


def scalar_metric(one: Scalar) -> ProposedMetric:
    """Return the metric to gate for a number of a metrics file, of which no rows are known."""
    fields = {
        "from": f"{one.file}:{one.key}",
        "greater_is_better": one.greater_is_better,
        "margin": "2%" if one.relative else 0.01,
        "on_point": "fail",
    }
    return ProposedMetric(name=one.name, fields=fields, why="a single number: its loss may be chance")
