"""Timestamps of files, in whatever type they are stored, as microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_ci.adapters.data.file_formats import require_columns
from mlops_ci.adapters.data.sources import open_table
from mlops_ci.core.evidence import Array
from mlops_ci.core.monitor.windows import read_time
from mlops_ci.errors import EvidenceError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GONE = np.iinfo(np.int64).min
"""Stands for a time that is missing or cannot be read."""


def micros(time: datetime) -> int:
    """Return a time as microseconds since 1970, UTC."""
    return int((time.astimezone(UTC) - EPOCH) / timedelta(microseconds=1))


def moment(since: int) -> datetime:
    """Return microseconds since 1970 as a time, UTC."""
    return EPOCH + timedelta(microseconds=since)


def in_seconds(since: Array) -> Array:
    """Return numbers since 1970 as seconds: by their size they are milli-, micro-, nanoseconds, or seconds.

    Seconds stay below 10^11 until the year 5138; milliseconds reach that in 1973.
    """
    size = np.abs(since)
    return np.asarray(
        since / np.select([size < 1e11, size < 1e14, size < 1e17, size < 1e20], [1.0, 1e3, 1e6, 1e9], 1.0)
    )


def times_of(path: Path, column: str, setting: str = "monitor.time") -> Array:
    """Return the times of a file's rows in microseconds since 1970, UTC; `GONE` if there is none."""
    with open_table(path, may_be_empty=True) as table:
        require_columns(str(path), table.schema.names, [column], EvidenceError)
        if not table.rows:
            return np.empty(0, dtype=np.int64)
        return np.concatenate([_times(part, path, column, setting) for part in table.arrays(column)])


def _times(array: Any, path: Path, column: str, setting: str) -> Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_date(kind):
        array = array.cast(pa.timestamp("us"))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        array = pa.array([_read(value) for value in array.to_pylist()], pa.timestamp("us"))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        number = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        seconds = in_seconds(np.asarray(number, dtype=np.float64))
        there = np.abs(seconds) < 1e12  # what is beyond, or no number, is no time
        return np.where(there, np.where(there, seconds, 0.0) * 1e6, GONE).astype(np.int64)
    elif pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    else:
        raise EvidenceError(
            f"{path}: the column '{column}' holds no times but {kind}", remedy=f"fix `{setting}`"
        )
    return np.asarray(pc.fill_null(array.cast(pa.int64()), int(GONE)).to_numpy(zero_copy_only=False))


def _read(text: str | None) -> datetime | None:
    try:
        return None if text is None else read_time(text).replace(tzinfo=None)
    except ValueError:
        return None
