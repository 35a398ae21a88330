"""Settings of drift: effect, threshold and sensitivity, by column, by kind, and by default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Sensitivity = Literal["default", "high"]

# Effect: (threshold by default, with high sensitivity). Chosen on simulated data, see the docs.
NUMBER_EFFECTS: Mapping[str, tuple[float, float]] = {
    "ks": (0.1, 0.04),
    "psi": (0.2, 0.05),
    "wasserstein": (0.2, 0.08),
    "jensen_shannon": (0.15, 0.06),
    "total_variation": (0.15, 0.06),
    "mean_shift": (0.25, 0.1),
}
CATEGORY_EFFECTS: Mapping[str, tuple[float, float]] = {
    "cramers_v": (0.1, 0.04),
    "psi": (0.2, 0.05),
    "jensen_shannon": (0.15, 0.06),
    "total_variation": (0.15, 0.06),
}
TEXT_EFFECTS: Mapping[str, tuple[float, float]] = {"token_share": (0.1, 0.05)}
EFFECTS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "number": NUMBER_EFFECTS,
    "time": NUMBER_EFFECTS,
    "category": CATEGORY_EFFECTS,
    "text": TEXT_EFFECTS,
}
DEFAULT_EFFECT = {"number": "ks", "time": "ks", "category": "cramers_v", "text": "token_share"}
CHECKS: Mapping[str, tuple[float, float]] = {
    "missing": (0.05, 0.02),
    "new_values": (0.01, 0.01),
    "vanished_values": (0.01, 0.01),
    "range": (0.01, 0.01),
    "weekday": (0.1, 0.04),
    "hour": (0.1, 0.04),
    "length": (0.1, 0.04),
    "domain_classifier": (0.6, 0.55),
}


class InvalidDriftSettingsError(ValueError):
    """Invalid settings of drift; the message says which, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class ColumnSettings:
    """Settings of one column; None takes the general setting.

    Attributes
    ----------
    effect
        Name of the effect size (`method` in the settings file).
    kind
        ``category`` for a number that stands for a class, or ``text``.
    importance
        Weight in the verdict on the data set.
    ignore
        True leaves the column out.
    """

    effect: str | None = None
    threshold: float | None = None
    sensitivity: Sensitivity | None = None
    kind: Literal["category", "number", "text"] | None = None
    importance: float | None = None
    ignore: bool = False


@dataclass(frozen=True, kw_only=True)
class DriftSettings:
    """The settings of a drift comparison.

    Attributes
    ----------
    sensitivity
        ``default`` or ``high``: which of the thresholds of each effect.
    alpha
        Level of the Benjamini-Hochberg procedure over all columns and side checks.
    effects, thresholds
        Effect by kind of column (``number``, ``category``), and threshold by effect or side check.
    columns
        Settings of single columns.
    max_share
        The data set drifts when a larger share of its columns does (by importance, if given).
    target, prediction
        Columns whose drift is label drift and prediction drift: each makes the data set drift.
    multivariate
        Whether to train a domain classifier, where rows are at hand.
    seed
        Of the domain classifier's sample and folds.
    min_count, show
        Categories of fewer rows are not shown by name, but in the columns of `show`.
    """

    sensitivity: Sensitivity = "default"
    alpha: float = 0.05
    effects: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, ColumnSettings] = field(default_factory=dict)
    max_share: float = 0.0
    target: str | None = None
    prediction: str | None = None
    multivariate: bool = False
    seed: int = 0
    min_count: int = 10
    show: Sequence[str] = ()

    def of(self, name: str) -> ColumnSettings:
        """Return the settings of one column."""
        return self.columns.get(name, ColumnSettings())

    def effect(self, name: str, kind: str) -> str:
        """Return the effect by which a column is judged."""
        return self.of(name).effect or self.effects.get(kind) or DEFAULT_EFFECT[kind]

    def threshold(self, name: str, kind: str) -> float:
        """Return the threshold of a column's effect."""
        own, effect = self.of(name), self.effect(name, kind)
        if own.threshold is not None:
            return own.threshold
        if own.sensitivity is None and effect in self.thresholds:
            return self.thresholds[effect]
        return EFFECTS[kind][effect][(own.sensitivity or self.sensitivity) == "high"]

    def check_threshold(self, name: str, check: str) -> float:
        """Return the threshold of a side check of a column."""
        if check in self.thresholds:
            return self.thresholds[check]
        return CHECKS[check][(self.of(name).sensitivity or self.sensitivity) == "high"]


def settings_from(options: Mapping[str, Any]) -> DriftSettings:
    """Make settings from plain values, as in the settings file or as keyword arguments.

    `method` may be one effect's name, or a mapping from kind to effect; `columns` a mapping from
    column to ``{method, threshold, sensitivity, kind, importance, ignore}``.

    Raises
    ------
    InvalidDriftSettingsError
        Naming the key, and what would do.
    """
    given = dict(options)
    known = {item.name for item in fields(DriftSettings)} - {"effects"} | {"method"}
    _refuse_unknown("", given, known)
    _one_of("sensitivity", given.get("sensitivity", "default"), ("default", "high"))
    _positive("alpha", given.get("alpha", 0.05))
    effects = _effects(given.pop("method", None))
    columns = {name: _column(name, value) for name, value in dict(given.pop("columns", {})).items()}
    thresholds = dict(given.pop("thresholds", {}))
    _refuse_unknown("thresholds.", thresholds, {*CHECKS, *NUMBER_EFFECTS, *CATEGORY_EFFECTS, *TEXT_EFFECTS})
    for name, value in thresholds.items():
        _positive(f"thresholds.{name}", value)
    return DriftSettings(effects=effects, columns=columns, thresholds=thresholds, **given)


def _effects(method: Any) -> dict[str, str]:
    if method is None:
        return {}
    if isinstance(method, str):
        kinds = [kind for kind, effects in EFFECTS.items() if method in effects]
        _one_of("method", method, sorted({*NUMBER_EFFECTS, *CATEGORY_EFFECTS, *TEXT_EFFECTS}))
        return dict.fromkeys(kinds, method)
    for kind, effect in dict(method).items():
        _one_of("method", kind, tuple(EFFECTS))
        _one_of(f"method.{kind}", effect, tuple(EFFECTS[kind]))
    return dict(method)


def _column(name: str, value: Any) -> ColumnSettings:
    if isinstance(value, ColumnSettings):
        return value
    given = dict(value)
    known = {item.name for item in fields(ColumnSettings)} - {"effect"} | {"method"}
    _refuse_unknown(f"columns.{name}.", given, known)
    effect = given.pop("method", None)
    if effect is not None:
        _one_of(f"columns.{name}.method", effect, sorted({*NUMBER_EFFECTS, *CATEGORY_EFFECTS, *TEXT_EFFECTS}))
    if given.get("sensitivity") is not None:
        _one_of(f"columns.{name}.sensitivity", given["sensitivity"], ("default", "high"))
    if given.get("kind") is not None:
        _one_of(f"columns.{name}.kind", given["kind"], ("category", "number", "text"))
    for key in ("threshold", "importance"):
        if given.get(key) is not None:
            _positive(f"columns.{name}.{key}", given[key])
    return ColumnSettings(effect=effect, **given)


def _refuse_unknown(prefix: str, given: Mapping[str, Any], known: set[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(known))}"
            raise InvalidDriftSettingsError(f"drift.{prefix}{key} is unknown; {hint}")


def _one_of(key: str, value: Any, allowed: Any) -> None:
    if value not in allowed:
        raise InvalidDriftSettingsError(f"drift.{key} is {value!r}; use one of {', '.join(allowed)}")


def _positive(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise InvalidDriftSettingsError(f"drift.{key} is {value!r}; use a number from 0 up")
