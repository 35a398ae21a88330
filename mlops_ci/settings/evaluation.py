"""The blocks `evaluation` and `metrics`: predictions, the roles of their columns, metrics and margins."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from mlops_ci.core.policy import Average
from mlops_ci.settings.block import Block, RelativePath


class EvaluationSettings(Block):
    """Per-row predictions, and what their columns mean."""

    predictions: RelativePath | None = None
    """Predictions on the holdout, one row per id (CSV, Parquet, Feather, JSON lines)."""
    holdout: RelativePath | None = None
    """Labelled rows: labels come from the target branch's copy of this file, matched by id."""
    id: str = "id"
    """Column that identifies a row."""
    target: str | None = "y_true"
    """Column of the true label or value."""
    prediction: str | None = "y_pred"
    """Column of the predicted label or value."""
    score: str | list[str] | None = "y_score"
    """Column of the positive class's score, or one column a class; left out where the file has none."""
    group: str | None = None
    """Column of the unit that rows belong to (user, device): rows of one group are dependent."""
    weight: str | None = None
    """Column of row weights."""
    time: str | None = None
    """Column of when each row was: `monitor` learns from it how far estimates without labels may be off."""
    slices: list[str | SliceSettings] = []
    """Columns whose values are compared one by one."""
    positive: str | None = None
    """The positive label, as text; by default the greater of two."""
    score_command: str | None = None
    """Scores a champion on a changed holdout: reads MLOPS_CI_MODEL and MLOPS_CI_HOLDOUT, writes
    MLOPS_CI_OUTPUT."""
    log: Literal["full", "digest"] = "full"
    """Keep the evaluation with the candidate's run, or only its digest."""


class SliceSettings(Block):
    """A column that is cut into bins."""

    column: str
    """Name of a numeric column."""
    bins: int | list[float] = 4
    """Number of quantile bins, or their inner edges."""


class MetricSettings(Block):
    """What the team accepts on one metric."""

    metric: str | None = None
    """Which metric; by default the key. `package.module:function` for a custom one."""
    greater_is_better: bool | None = None
    """Direction; must be given for what is custom, and is known for the rest."""
    margin: float | str | None = None
    """Accepted loss, in the metric's unit (0.01), or as a share of the champion's value ("2%")."""
    gate: bool = True
    """False shows the metric without judging by it."""
    minimum: float | None = None
    """Value that the candidate must be proven to reach."""
    maximum: float | None = None
    """Value that the candidate must be proven not to exceed."""
    slices: bool | list[str] = False
    """True compares the slices of `evaluation.slices` too; or name columns."""
    average: Average = "binary"
    """How a binary metric extends to several classes."""
    positive: str | None = None
    """The positive label of this metric, as text."""
    column: str | None = None
    """A per-row column that holds this metric's value."""
    aggregate: str = Field(default="mean", pattern=r"^(mean|quantile:0?\.\d+)$")
    """How the column is summed up: `mean`, or `quantile:0.95`."""
    from_: str | None = Field(default=None, alias="from", pattern=r"^[^:]+:.+$")
    """A scalar: `file.json:key.path`."""
    on_point: Literal["show", "fail"] = "show"
    """What a scalar without an interval may do when it is beyond the margin."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """Bound on a per-row loss."""
    fpr: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The false positive rate of `recall_at_fpr`."""

    @field_validator("margin", "minimum", "maximum", mode="before")
    @classmethod
    def _no_switch(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a number, not yes or no")
        return value

    @field_validator("margin")
    @classmethod
    def _margin(cls, value: float | str | None) -> float | str | None:
        amount = _percent(value) if isinstance(value, str) else value
        if amount is not None and not 0 < amount < float("inf"):
            raise ValueError(
                "must be greater than 0: with no margin, not even the champion itself would pass"
            )
        return value

    @field_validator("minimum", "maximum")
    @classmethod
    def _limit(cls, value: float | None) -> float | None:
        if value is not None and not isfinite(value):
            raise ValueError("must be a finite number")
        return value

    @property
    def margin_value(self) -> tuple[float, bool]:
        """The margin as a number, and whether it is relative to the champion."""
        if isinstance(self.margin, str):
            return _percent(self.margin), self.margin.endswith("%")
        return self.margin or 0.0, False


def _percent(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"'{text}' is neither a number nor a percentage such as '2%'") from None
