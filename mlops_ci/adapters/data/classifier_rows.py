"""Samples rows of two tables into one numeric matrix, for the domain classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_ci.adapters.data.arrow_arrays import to_numpy
from mlops_ci.adapters.data.profiling import is_text
from mlops_ci.adapters.data.sources import open_table
from mlops_ci.adapters.data.tables import Table
from mlops_ci.core.drift.classifier import domain_classifier
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.drift.result import DomainClassifier
from mlops_ci.core.drift.settings import DriftSettings

Array = NDArray[Any]

SAMPLE = 5_000
_LEVELS = 100


def classify(
    reference: Any, current: Any, settings: DriftSettings
) -> tuple[DomainClassifier | None, list[str]]:
    """Train the domain classifier on up to 5,000 random rows per side; return it, and notices."""
    if any(isinstance(side, Profile) or str(side).endswith(".json") for side in (reference, current)):
        return None, ["no domain classifier: a profile has no rows"]
    with open_table(reference) as one, open_table(current) as two:
        skipped = {settings.target, settings.prediction}
        names = [
            name
            for name in one.schema.names
            if name in two.schema.names
            and name not in skipped
            and not settings.of(name).ignore
            and _usable(one.schema.field(name).type)
            and _usable(two.schema.field(name).type)
        ]
        rng = np.random.default_rng(settings.seed)
        picks = [np.sort(rng.permutation(side.rows)[:SAMPLE]) for side in (one, two)]
        columns = [_encode(_taken(one, name, picks[0]), _taken(two, name, picks[1])) for name in names]
    if not columns:
        return None, ["no domain classifier: the sides share no column that it could use"]
    labels = np.r_[np.zeros(len(picks[0]), bool), np.ones(len(picks[1]), bool)]
    threshold = settings.check_threshold("", "domain_classifier")
    found = domain_classifier(
        np.column_stack(columns), labels, names, threshold=threshold, seed=settings.seed
    )
    return found, [] if found else ["no domain classifier: fewer than 50 rows on one side"]


def _usable(dtype: Any) -> bool:
    """Return whether a column can be a feature: times (which only increase) and nested values cannot."""
    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    return bool(
        is_text(dtype)
        or pa.types.is_boolean(dtype)
        or pa.types.is_integer(dtype)
        or pa.types.is_floating(dtype)
        or pa.types.is_decimal(dtype)
    )


def _taken(table: Table, name: str, rows: Array) -> Array:
    """Return the values of some rows of a column, in ascending order of row."""
    parts = []
    start = 0
    for array in table.arrays(name):
        stop = start + len(array)
        wanted = rows[(rows >= start) & (rows < stop)] - start
        if len(wanted):
            parts.append(to_numpy(array.take(pa.array(wanted))))
        start = stop
    return np.concatenate([part.astype(object) for part in parts])


def _encode(one: Array, two: Array) -> Array:
    """Return both sides as numbers: categories by their rank of frequency, the rare ones together."""
    both = np.concatenate([one, two])
    try:
        return both.astype(np.float64)
    except (TypeError, ValueError):
        pass
    texts = [None if value is None or value != value else str(value) for value in both.tolist()]  # noqa: PLR0124
    levels, counts = np.unique([text for text in texts if text is not None], return_counts=True)
    ranked = levels[np.argsort(-counts, kind="stable")][:_LEVELS].tolist()
    rank = {level: place for place, level in enumerate(ranked)}
    return np.array([np.nan if text is None else rank.get(text, _LEVELS) for text in texts], dtype=np.float64)
