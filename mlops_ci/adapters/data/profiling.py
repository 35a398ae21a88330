"""Profiles of tables: each Arrow column by its type to the counters of the core."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_ci.adapters.data.arrow_arrays import as_array, primitive, valid_mask
from mlops_ci.adapters.data.tables import Table
from mlops_ci.core.drift.column_profile import ColumnProfile
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.drift.profile_builders import TextCounter, category_profile, number_profile, time_profile
from mlops_ci.core.drift.sketching import HEAVIEST

Array = NDArray[Any]

HELD_BYTES = 32 * 2**20
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": -1_000}


def profile_table(
    table: Table,
    *,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    heaviest: float = HEAVIEST,
) -> Profile:
    """Return the profile of a table, column by column, in memory that does not grow with its rows.

    Parameters
    ----------
    kinds
        ``category``, ``number`` or ``text`` for columns that are to be taken as such.
    columns
        Names of the columns; None for all.
    heaviest
        See `sketching.sketch_steps`.
    """
    kinds = kinds or {}
    names = list(table.schema.names) if columns is None else list(columns)
    made = {name: profile_column(table, name, kinds.get(name), heaviest) for name in names}
    return Profile(rows=table.rows, columns=made)


def profile_column(
    table: Table, name: str, kind: str | None = None, heaviest: float = HEAVIEST
) -> ColumnProfile:
    """Return the profile of one column of a table."""
    dtype = table.schema.field(name).type
    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    shown = str(dtype)
    if isinstance(dtype, pa.BaseExtensionType):  # a pandas interval, say: what it is stored as
        dtype = dtype.storage_type
    if is_text(dtype) or pa.types.is_boolean(dtype) or pa.types.is_nested(dtype):
        return _texts(table, name, shown, kind)
    if pa.types.is_null(dtype):
        return ColumnProfile(kind="empty", dtype=shown, rows=table.rows, missing=table.rows)
    values = _Values(table, name, dtype)
    if kind == "category":
        made = category_profile(values(), rows=table.rows, nulls=0, dtype=shown)
    else:
        low, high = values.bounds()
        common: dict[str, Any] = {"rows": table.rows, "dtype": shown, "low": low, "high": high}
        if values.storage.times:
            made = time_profile(values, nulls=0, heaviest=heaviest, **common)
        else:
            made = number_profile(values, nulls=0, floats=values.storage.floats, heaviest=heaviest, **common)
    return replace(made, missing=made.missing + values.nulls)


def is_text(dtype: Any) -> bool:
    """Return whether an Arrow type is text, or bytes taken as such."""
    return bool(
        pa.types.is_string(dtype)
        or pa.types.is_large_string(dtype)
        or pa.types.is_binary(dtype)
        or pa.types.is_large_binary(dtype)
        or pa.types.is_fixed_size_binary(dtype)
        or dtype in (pa.string_view(), pa.binary_view())
    )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How values of an Arrow type are counted: as numbers, times, or text.

    Attributes
    ----------
    times
        As microseconds since 1970.
    floats
        As float64; else as int64.
    """

    times: bool
    floats: bool

    @classmethod
    def of(cls, dtype: Any) -> Storage:
        """Return how values of this type are counted."""
        times = pa.types.is_timestamp(dtype) or pa.types.is_date(dtype)
        whole = pa.types.is_integer(dtype) or pa.types.is_time(dtype) or pa.types.is_duration(dtype)
        return cls(times=times, floats=not times and (not whole or pa.types.is_uint64(dtype)))

    def values(self, raw: Any) -> tuple[Array, int]:
        """Return the values of an Arrow array that are not NULL, and the number of NULLs."""
        array = as_array(raw)
        values, valid = primitive(array), valid_mask(array)
        if valid is not None:
            values = values[valid]
        return self._converted(values, array.type), int(array.null_count)

    def _converted(self, values: Array, dtype: Any) -> Array:
        if self.floats:
            return values.astype(np.float64, copy=False)
        whole = values.astype(np.int64, copy=False)
        if not self.times:
            return whole
        scale = _MICROSECONDS[dtype.unit]
        return whole * scale if scale > 0 else whole // -scale


class _Values:
    """The values of a column that are not NULL, for one pass after another.

    Columns of up to 32 MB are kept between passes; longer ones are read again.
    """

    def __init__(self, table: Table, name: str, dtype: Any) -> None:
        self.nulls = 0
        self.storage = Storage.of(dtype)
        self._table, self._name = table, name
        self._held: list[Array] | None = None
        if table.rows * 8 <= HELD_BYTES:
            self._held = list(self._read())

    def __call__(self) -> Iterator[Array]:
        """Give the values."""
        return iter(self._held) if self._held is not None else self._read()

    def bounds(self) -> tuple[Any, Any]:
        """Return least and greatest value: as the file states them, or measured if the values are kept."""
        stated = self._table.bounds(self._name)
        if stated is not None:
            return _plain_bound(stated[0]), _plain_bound(stated[1])
        if self._held is None or not any(len(part) for part in self._held):
            return None, None
        parts = [part for part in self._held if len(part)]
        return min(np.fmin.reduce(part) for part in parts), max(np.fmax.reduce(part) for part in parts)

    def _read(self) -> Iterator[Array]:
        nulls = 0
        for raw in self._table.arrays(self._name):
            values, gone = self.storage.values(raw)
            nulls += gone
            yield values
        self.nulls = nulls


def _plain_bound(value: Any) -> float | int | None:
    """Return a bound in the counters' units (times in microseconds since 1970); None if it is not usable."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, dt.datetime):
        value = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return int((value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days * 86_400_000_000
    return None


def _texts(table: Table, name: str, dtype: str, kind: Any) -> ColumnProfile:
    """Return the profile of a column of texts, booleans, or nested values as their text."""
    counter = TextCounter()
    missing = 0
    for raw in table.arrays(name):
        levels, counts, nulls = level_counts(raw)
        counter.add(levels, counts)
        missing += nulls
    return counter.profile(rows=table.rows, missing=missing, dtype=dtype, kind=kind)


def _bytes_as_text(array: Any) -> Any:
    texts = [None if one is None else one.decode(errors="backslashreplace") for one in array.to_pylist()]
    return pa.array(texts, pa.large_string())


def level_counts(raw: Any) -> tuple[list[str], list[int], int]:
    """Return the distinct values of an Arrow array as text, how often each occurs, and the NULLs."""
    array = raw.storage if isinstance(raw.type, pa.BaseExtensionType) else raw
    if not pa.types.is_dictionary(array.type):
        array = _bytes_as_text(array) if pa.types.is_binary(array.type) else as_array(array)
        if pa.types.is_nested(array.type):
            texts = [None if value is None else repr(value) for value in array.to_pylist()]
            array = pa.array(texts, type=pa.large_string())
        array = pc.dictionary_encode(array)
    index = array.indices
    valid = valid_mask(index)
    places = primitive(index)
    if valid is not None:
        places = places[valid]
    dictionary = array.dictionary.to_pylist()
    counts = np.bincount(places, minlength=len(dictionary)).tolist()
    gone = sum(count for value, count in zip(dictionary, counts, strict=True) if value is None)
    pairs = [
        (str(value), count) for value, count in zip(dictionary, counts, strict=True) if value is not None
    ]
    return [level for level, _ in pairs], [count for _, count in pairs], int(index.null_count) + gone
