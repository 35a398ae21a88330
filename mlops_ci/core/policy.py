"""The policy of one model's gate: metrics, margins, and what to do when a result is inconclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

OnInconclusive = Literal["auto", "approve", "pass", "block"]
OnDrift = Literal["ignore", "warn", "approve", "block"]
OnNoChampion = Literal["pass", "approve", "block"]
Average = Literal["binary", "macro", "micro", "weighted"]


@dataclass(frozen=True, kw_only=True)
class MetricPolicy:
    """What the team accepts on one metric.

    Attributes
    ----------
    metric
        Name of the metric (scikit-learn's), `column` for a per-row column, or
        ``package.module:function`` for a custom one.
    greater_is_better
        Direction; None takes the known direction of a known metric.
    margin
        Accepted loss, absolute, in the metric's unit; > 0 for a gated metric.
    relative
        True if `margin` is a share of the champion's value.
    gate
        False shows the metric without judging by it.
    minimum, maximum
        Absolute limits that the candidate must be proven to keep, or None.
    slices
        Names of the columns whose values are compared one by one.
    average, positive
        How scikit-learn's binary metrics extend to several classes, and the positive label.
    column, aggregate
        A per-row (or per-group) column and how it is summed up: ``mean`` or ``quantile:0.95``.
    source
        ``file:key.path`` of a scalar in a metrics file (`from` in the settings), or None.
    on_point
        What a difference without an interval may do: ``show`` or ``fail`` beyond the margin.
    clip
        Bound on a per-row loss, in the metric's unit, or None for the metric's default.
    fpr
        The false positive rate of ``recall_at_fpr``.
    """

    metric: str
    greater_is_better: bool | None = None
    margin: float = 0.0
    relative: bool = False
    gate: bool = True
    minimum: float | None = None
    maximum: float | None = None
    slices: tuple[str, ...] = ()
    average: Average = "binary"
    positive: str | None = None
    column: str | None = None
    aggregate: str = "mean"
    source: str | None = None
    on_point: Literal["show", "fail"] = "show"
    clip: float | None = None
    fpr: float | None = None


@dataclass(frozen=True, kw_only=True)
class Strict:
    """How alpha is spent over the uses of one holdout."""

    uses: int
    adaptivity: Literal["none", "full"] = "none"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules of one gate; see ``docs/settings`` for each key.

    Attributes
    ----------
    metrics
        Policy of each metric by the name that reports show.
    alpha
        One-sided error rate of each proof.
    max_total_loss
        Accepted loss since the fixed reference champion, by metric name.
    min_slice
        Smallest slice that is compared, in rows.
    bins
        Number of quantile bins, or inner edges, of slice columns that hold numbers.
    seed
        Seed of resampling.
    """

    metrics: Mapping[str, MetricPolicy]
    alpha: float = 0.05
    on_inconclusive: OnInconclusive = "auto"
    on_drift: OnDrift = "warn"
    on_no_champion: OnNoChampion = "pass"
    max_total_loss: Mapping[str, float] = field(default_factory=dict)
    strict: Strict | None = None
    min_slice: int = 30
    bins: Mapping[str, int | tuple[float, ...]] = field(default_factory=dict)
    seed: int = 0
