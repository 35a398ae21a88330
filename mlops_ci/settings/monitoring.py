"""The blocks `monitor` and `retrain` of mlops-ci.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mlops_ci.core.monitor.record import Rule
from mlops_ci.core.monitor.windows import length_of
from mlops_ci.core.retrain import RetrainPolicy
from mlops_ci.settings.block import Block

Length = Annotated[str, Field(pattern=r"^\d{1,5}\s*[mhdw]$")]


class _KofN(Block):
    """How many of the last windows have to agree."""

    k: int = Field(default=2, ge=1, le=50)
    """A signal counts once this many ..."""
    n: int = Field(default=3, ge=1, le=100)
    """... of this many last windows raised it."""

    @field_validator("n")
    @classmethod
    def _enough(cls, value: int, info: object) -> int:
        k = getattr(info, "data", {}).get("k", 1)
        if value < k:
            raise ValueError(f"must be at least k ({k})")
        return value

    @property
    def rule(self) -> Rule:
        """The equivalent value of the core."""
        return Rule(k=self.k, n=self.n)


class AlarmSettings(_KofN):
    """When single windows become an alarm."""


class MonitorSettings(Block):
    """What production is watched by, in windows of time."""

    data: str | list[str] | None = None
    """What the model was asked and answered: files or globs (CSV, Parquet), with a column of times."""
    time: str = "time"
    """Column of the time of each row; without a zone it is UTC."""
    window: Length = "1d"
    """Length of a window: 15m, 6h, 1d, 2w. Windows count from a Monday, 00:00 UTC."""
    delay: Length = "1h"
    """A window is judged once this long after its end; rows that come later revise it."""
    lookback: int = Field(default=30, ge=1, le=1000)
    """How many of the newest windows are looked at in one run."""
    labels: str | list[str] | None = None
    """True labels that come later: files or globs with columns `evaluation.id` and `evaluation.target`."""
    version: str | None = None
    """Column of the model version that answered; rows of other versions than the champion are left out."""
    min_rows: int = Field(default=100, ge=2)
    """Fewer rows than this are not tested."""
    min_labels: int = Field(default=100, ge=2)
    """Fewer labelled rows than this are not compared with the holdout."""
    volume: float = Field(default=0.5, gt=0, lt=1)
    """Fewer rows than this share of the usual number (or more than one over it) are unusual."""
    freshness: Length | None = None
    """How old the newest row may be; by default two windows and the delay."""
    estimate: bool = True
    """Estimate the performance of windows without labels, where the score allows it."""
    alarm: AlarmSettings = AlarmSettings()
    """Windows that have to agree: `{k: 2, n: 3}`."""
    issue: bool = True
    """Open, update and close one issue on the forge."""

    @property
    def files(self) -> list[str]:
        """The files or globs of production."""
        return [self.data] if isinstance(self.data, str) else list(self.data or ())

    @property
    def label_files(self) -> list[str]:
        """The files or globs of labels."""
        return [self.labels] if isinstance(self.labels, str) else list(self.labels or ())


class RetrainSettings(Block):
    """When monitoring is reason enough to train again, and what that starts."""

    k: int = Field(default=2, ge=1, le=50)
    """Drift, and a proven loss, in this many ..."""
    n: int = Field(default=3, ge=1, le=100)
    """... of the last windows that could tell."""
    reason: Literal["drift_and_loss", "loss"] = "drift_and_loss"
    """`loss` retrains on a proven loss without drift too. Drift alone, or an estimate, never does."""
    cooldown: Length = "1d"
    """Least time between two triggers."""
    weekly: int = Field(default=2, ge=1)
    """Most triggers in seven days."""
    trigger: str = "mlops-ci-retrain"
    """What is started: a repository_dispatch event, a workflow by its file (`retrain.yml`), or on GitLab a
    pipeline that sees this as MLOPS_CI_EVENT."""
    command: str | None = None
    """A command to run instead, where no forge can start anything."""
    brings_data: bool = False
    """The trigger fetches newer data itself (an import, a database): those of now need not have changed."""
    data: str | list[str] | None = None
    """What `mlops-ci data update` updates when it is given no path."""

    @property
    def policy(self) -> RetrainPolicy:
        """The equivalent value of the core."""
        return RetrainPolicy(
            rule=Rule(k=self.k, n=self.n),
            on=self.reason,
            cooldown=length_of(self.cooldown),
            weekly=self.weekly,
        )

    @property
    def paths(self) -> list[str]:
        """The data to update."""
        return [self.data] if isinstance(self.data, str) else list(self.data or ())
