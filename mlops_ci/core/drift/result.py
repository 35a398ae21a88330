"""The results of a drift comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["feature", "target", "prediction"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A side check of a column, beside its distribution.

    Attributes
    ----------
    name
        ``missing``, ``new_values``, ``vanished_values``, ``range``, ``type``, ``schema``,
        ``weekday``, ``hour`` or ``length``.
    effect_size, threshold
        How large the change is, and from where on it counts.
    pvalue, adjusted_pvalue
        Raw, and adjusted over all columns and checks; None if nothing random is involved.
    """

    name: str
    drifted: bool = False
    effect_size: float = 0.0
    threshold: float = 0.0
    pvalue: float | None = None
    adjusted_pvalue: float | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Shares of both sides in the same bins, for display.

    Attributes
    ----------
    edges
        Of numbers and times (seconds since 1970), k + 1 values; empty for categories.
    labels
        Of categories, k names.
    reference, current
        Shares, k values each.
    """

    edges: Sequence[float] = ()
    labels: Sequence[str] = ()
    reference: Sequence[float] = ()
    current: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class DriftColumn:
    """The result for one column.

    Attributes
    ----------
    kind
        ``number``, ``category``, ``text``, ``time``, ``empty``, or ``schema`` (on one side only).
    role
        ``feature``, ``target`` or ``prediction``.
    drifted
        Whether its distribution, or a check, drifted: significantly and largely.
    effect, effect_size, threshold
        Name of the effect size, its value, and from where on it counts as large.
    interval
        Certified bounds of the effect size on these data: where profiles are coarse it is wide.
    pvalue, adjusted_pvalue
        Of "both sides have the same distribution": raw, and adjusted over all columns and checks.
    checks
        What was tested beside the distribution.
    n_reference, n_current
        Rows with a value.
    missing_reference, missing_current
        Shares of rows without.
    message
        One plain sentence.
    """

    name: str
    kind: str = "number"
    role: Role = "feature"
    drifted: bool = False
    effect: str = ""
    effect_size: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    threshold: float = 0.0
    pvalue: float | None = None
    adjusted_pvalue: float | None = None
    checks: Sequence[Check] = ()
    importance: float = 1.0
    n_reference: int = 0
    n_current: int = 0
    missing_reference: float = 0.0
    missing_current: float = 0.0
    histogram: Histogram = Histogram()
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class DomainClassifier:
    """How well a classifier distinguishes the rows of the two sides.

    Attributes
    ----------
    auc, interval
        Cross-validated area under the ROC curve, and its 95% interval; 0.5 is "not at all".
    columns
        The leading columns, by how much the AUC falls without them.
    rows
        Rows of both sides that it was trained and tested on.
    """

    auc: float
    interval: tuple[float, float]
    threshold: float
    drifted: bool
    columns: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """The result of a drift comparison.

    Attributes
    ----------
    drifted
        Whether the data set drifted: more than `max_share` of its columns (by importance), its
        labels, its predictions, or the domain classifier.
    columns
        Drifted ones first, each group by effect size relative to its threshold.
    share, max_share
        Share of drifted columns by importance, and from where on the data set counts as drifted.
    rows_reference, rows_current
        Number of rows of each side.
    notices
        Sentences that every reader must see.
    """

    drifted: bool
    columns: Sequence[DriftColumn]
    share: float = 0.0
    max_share: float = 0.0
    alpha: float = 0.05
    sensitivity: str = "default"
    rows_reference: int = 0
    rows_current: int = 0
    classifier: DomainClassifier | None = None
    notices: Sequence[str] = ()
    message: str = ""

    def column(self, name: str) -> DriftColumn:
        """Return the result of one column by its name."""
        for one in self.columns:
            if one.name == name:
                return one
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        from mlops_ci.core.report import plain  # noqa: PLC0415

        made = plain(self)
        assert isinstance(made, dict)  # noqa: S101
        return made
