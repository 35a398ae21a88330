"""Guesses the roles of a predictions file's columns from common names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_ci.core.onboarding.facts import Table

# In the order of trust. Compared in lower case, with everything but letters and digits left out.
_MEANINGS = {
    "id": ("id", "rowid", "sampleid", "uid", "uuid", "key", "guid", "index", "rowindex", "filename", "path"),
    "target": (
        *("ytrue", "target", "label", "labels", "truth", "groundtruth", "actual", "actuals", "true", "y"),
        *("truelabel", "truevalue", "expected", "gold", "observed"),
    ),
    "prediction": (
        *("ypred", "prediction", "pred", "predicted", "predictions", "yhat", "predictedlabel", "predlabel"),
        *("output", "forecast"),
    ),
    "score": (
        *("yscore", "score", "proba", "probability", "prob", "yproba", "yprob", "pproba", "p1", "prob1"),
        *("proba1", "confidence", "scores"),
    ),
    "group": (
        "group",
        "groupid",
        "user",
        "userid",
        "customer",
        "customerid",
        "device",
        "deviceid",
        "patientid",
    ),
    "weight": ("weight", "sampleweight", "weights"),
}
_DEFAULTS = {"id": "id", "target": "y_true", "prediction": "y_pred", "score": "y_score"}
MOST_CLASSES = 30


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The role of each column, and the kind of task that they imply.

    Attributes
    ----------
    parts
        Column by part (`id`, `target`, `prediction`, `score`, `group`, `weight`).
    task
        ``binary``, ``classes``, ``numbers``, or empty if the file could not be read.
    slices
        Further columns of few values.
    """

    parts: Mapping[str, str]
    task: str = ""
    slices: tuple[str, ...] = ()

    def written(self) -> dict[str, str]:
        """Return the roles whose column does not have the default name."""
        return {part: column for part, column in self.parts.items() if _DEFAULTS.get(part) != column}


def plain(name: str) -> str:
    """Return a name in lower case without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def meaning(table: Table) -> Meaning:
    """Guess what the columns of a table mean."""
    parts: dict[str, str] = {}
    for part, names in _MEANINGS.items():
        found = _first(names, [column for column in table.columns if column not in parts.values()])
        if found:
            parts[part] = found
    if "id" not in parts and table.rows:
        unique = [name for name in table.columns if table.distinct.get(name) == table.rows]
        whole = [name for name in unique if name not in table.numbers and name not in parts.values()]
        parts |= {"id": whole[0]} if whole else {}
    if "target" not in parts:
        target = _target_by_values(table, parts)
        parts |= {"target": target} if target else {}
    rest = [name for name in table.columns if name not in parts.values() and name not in table.numbers]
    rest = [name for name in rest if "weight" not in plain(name)]
    few = [name for name in rest if 2 <= table.distinct.get(name, 0) <= 12]
    parts = {part: parts[part] for part in _MEANINGS if part in parts}
    return Meaning(parts=parts, task=_task(table, parts), slices=tuple(few))


def is_predictions(table: Table) -> bool:
    """Return whether a table is predictions on a holdout: by its columns, or else by its name."""
    if table.columns:
        parts = meaning(table).parts
        return "target" in parts and ("prediction" in parts or "score" in parts)
    return bool(re.search(r"pred|scored|holdout_scores", table.path.rsplit("/", 1)[-1], re.IGNORECASE))


def _target_by_values(table: Table, parts: Mapping[str, str]) -> str:
    """Return the one column that can be what was predicted, where its name does not say so; else nothing.

    Classes: the one column with the prediction's values. Numbers: the one other column with fractions.
    """
    predicted = parts.get("prediction")
    if not predicted:
        return ""
    rest = [name for name in table.columns if name not in parts.values()]
    if predicted in table.numbers:
        able = [name for name in rest if name in table.numbers]
    else:
        classes = table.values.get(predicted, frozenset())
        able = [name for name in rest if _alike(classes, table.values.get(name, frozenset()))]
    return able[0] if len(able) == 1 else ""


def _alike(some: frozenset[str], others: frozenset[str]) -> bool:
    """Say whether two columns share most of their values, and more than one."""
    shared = len(some & others)
    return shared >= 2 and shared > len(some | others) / 2


def _task(table: Table, parts: Mapping[str, str]) -> str:
    target = parts.get("target")
    if not target or target not in table.distinct:
        return ""
    distinct = table.distinct[target]
    if target in table.numbers or (distinct > MOST_CLASSES and distinct > (table.rows or 0) * 0.1):
        return "numbers"
    return "binary" if distinct <= 2 else "classes"


def _first(names: Iterable[str], columns: Iterable[str]) -> str | None:
    by_name = {plain(column): column for column in reversed(list(columns))}
    return next((by_name[name] for name in names if name in by_name), None)
