"""Converts columns of a profile to plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops_ci.core.drift.categories import Categories
from mlops_ci.core.drift.column_profile import ColumnProfile, InvalidProfileError
from mlops_ci.core.drift.compact import decode, encode
from mlops_ci.core.drift.sketch import EMPTY, Sketch


def column_to_dict(column: ColumnProfile) -> dict[str, Any]:
    """Return one column as plain JSON values; the numbers in words come first, for people."""
    mean, deviation = column.sketch.moments()
    sketch = column.sketch
    made: dict[str, Any] = {
        "kind": column.kind,
        "dtype": column.dtype,
        "rows": column.rows,
        "missing": column.missing,
        "suppressed": column.suppressed,
    }
    if len(sketch.low):
        made["about"] = {
            "mean": _plain(mean),
            "sd": _plain(deviation),
            "quantiles": {str(q): _plain(sketch.quantile(q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
        }
        made["sketch"] = {
            "keys": "float64" if sketch.floats else "int64",
            "intervals": len(sketch.low),
            "low": encode(sketch.low),
            "high": encode(sketch.high),
            "count": encode(sketch.count),
        }
    if column.kind == "category":
        made["categories"] = _categories_to_dict(column.categories)
    if column.parts:
        made["parts"] = {name: _categories_to_dict(part) for name, part in sorted(column.parts.items())}
    if column.tokens is not None:
        made["tokens"] = encode(column.tokens)
    return made


def column_from_dict(data: Mapping[str, Any]) -> ColumnProfile:
    """Return the column that `column_to_dict` described, checked."""
    sketch = EMPTY
    if "sketch" in data:
        item = data["sketch"]
        low, high, count = (decode(item[key]) for key in ("low", "high", "count"))
        if not len(low) == len(high) == len(count):
            raise InvalidProfileError(f"the intervals of column '{data.get('name')}' are damaged")
        if not bool((high[:-1] < low[1:]).all() and (low <= high).all() and (count > 0).all()):
            raise InvalidProfileError(f"the intervals of column '{data.get('name')}' are damaged")
        sketch = Sketch(low=low, high=high, count=count, floats=item["keys"] == "float64")
    if data["kind"] not in ("number", "category", "text", "time", "empty"):
        raise InvalidProfileError(f"column '{data.get('name')}' has the unknown kind '{data['kind']}'")
    return ColumnProfile(
        kind=data["kind"],
        dtype=str(data["dtype"]),
        rows=int(data["rows"]),
        missing=int(data["missing"]),
        sketch=sketch,
        categories=_categories_from_dict(data.get("categories", {})),
        parts={name: _categories_from_dict(part) for name, part in data.get("parts", {}).items()},
        tokens=decode(data["tokens"]) if "tokens" in data else None,
        suppressed=int(data["suppressed"]),
    )


def _categories_to_dict(one: Categories) -> dict[str, Any]:
    made: dict[str, Any] = {"counts": dict(one.counts)}
    if one.other_rows:
        made["other"] = {"rows": one.other_rows, "levels": one.other_levels, "max": one.other_max}
    if one.buckets is not None:
        made["buckets"] = encode(one.buckets)
    return made


def _categories_from_dict(data: Mapping[str, Any]) -> Categories:
    other = data.get("other", {})
    return Categories(
        counts={str(level): int(count) for level, count in data.get("counts", {}).items()},
        other_rows=int(other.get("rows", 0)),
        other_levels=int(other.get("levels", 0)),
        other_max=int(other.get("max", 0)),
        buckets=decode(data["buckets"]) if "buckets" in data else None,
    )


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
