"""The block `canary`: the rates that guard a new version, and the steps of its traffic."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from mlops_ci.core.canary.decide import Rule
from mlops_ci.core.canary.reading import RateReading, Reading
from mlops_ci.settings.block import Block

Seconds = Annotated[float, Field(gt=0)]


class RateSettings(Block):
    """A guarded rate: how often something bad happens; lower is better.

    Bad is, by what is given: `column` true (or 1, or a share between 0 and 1); `column` above `objective`;
    `column` positive where `label` is not (a false positive, counted among the rows whose label is known and
    negative).
    """

    column: str = Field(min_length=1)
    """Column with the outcome, the measured value, or the prediction."""
    objective: float | None = None
    """A value above it is bad: a latency over its objective."""
    label: str | None = None
    """Column of the true label, where `column` is the prediction: what counts are false positives."""
    positive: str = "1"
    """The positive label, as text."""
    margin: float = Field(gt=0, lt=1)
    """Accepted rise of the rate, absolute: 0.01 accepts one more bad outcome in a hundred."""

    @model_validator(mode="after")
    def _one_way(self) -> RateSettings:
        if self.objective is not None and self.label is not None:
            raise ValueError("give `objective` or `label`, not both")
        return self


class TracesSettings(Block):
    """Outcomes that MLflow keeps as traces and assessments."""

    mlflow: str = Field(min_length=1)
    """Experiment whose traces are read. Their columns: `time`, `error`, `latency_ms`, `trace_id`, and every
    tag, metadata entry and assessment by its name."""


class CanarySettings(Block):
    """How a promoted candidate is guarded on live traffic before it becomes the champion.

    With this block, `promote` starts a canary.
    """

    outcomes: str | TracesSettings
    """Rows of what was served: a CSV or Parquet file, a folder or a glob; or `mlflow: experiment`."""
    rates: dict[str, RateSettings] = Field(min_length=1)
    """Guarded rates by name."""
    version: str = "model_version"
    """Column of the version that answered."""
    time: str = "time"
    """Column of the request's time: a timestamp (UTC where it has no zone), ISO 8601, or seconds since
    1970."""
    id: str | None = None
    """Column that identifies a row: one that comes twice counts once."""
    unit: str | None = None
    """Column of the user or device: its requests are dependent, so it counts as one, and once a canary."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """How often an equal version may be rolled back, and one that is worse by a margin promoted."""
    steps: list[float] = [0.05, 0.25, 1.0]
    """Shares of the traffic; 1 is the promotion."""
    window: Annotated[float, Field(ge=1)] = 3600
    """Seconds of traffic that one window holds."""
    min_windows: int = Field(default=3, ge=1)
    """Windows with outcomes that each step takes at least."""
    label_age: Annotated[float, Field(ge=0)] = 0
    """Seconds after which outcomes and labels are complete: a window is read when it is that old."""
    settle: Annotated[float, Field(ge=0)] = 60
    """Seconds around a change of share that are left out: clocks differ, and connections drain."""
    deadline: Seconds = 14 * 86400
    """Seconds after which a canary without proof ends, with all traffic back on the champion."""

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: list[float]) -> list[float]:
        rising = all(low < high for low, high in pairwise(steps))
        if len(steps) < 2 or not rising or steps[0] <= 0 or steps[-1] != 1:
            raise ValueError("must rise from above 0 to 1, such as [0.05, 0.25, 1]: 1 is the promotion")
        return steps

    @property
    def reading(self) -> Reading:
        """The roles of the columns."""
        return Reading(
            version=self.version,
            time=self.time,
            id=self.id,
            unit=self.unit,
            rates={
                name: RateReading(
                    column=rate.column,
                    objective=rate.objective,
                    label=rate.label,
                    positive=rate.positive,
                )
                for name, rate in self.rates.items()
            },
        )

    @property
    def rule(self) -> Rule:
        """The rule of the canary's decisions."""
        return Rule(
            margins={name: rate.margin for name, rate in self.rates.items()},
            alpha=self.alpha,
            steps=tuple(self.steps),
            min_windows=self.min_windows,
            window=self.window,
            label_age=self.label_age,
            settle=self.settle,
            deadline=self.deadline,
        )
