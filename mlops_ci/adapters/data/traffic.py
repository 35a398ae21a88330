"""Served traffic from CSV or Parquet files: a path, a folder, a glob, or an address of remote storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_ci.adapters.data.file_formats import FORMATS, first_line, require_columns
from mlops_ci.adapters.data.sources import open_table
from mlops_ci.adapters.data.tables import Table
from mlops_ci.adapters.data.timestamps import in_seconds
from mlops_ci.core.canary.reading import Reading
from mlops_ci.errors import EvidenceError


class TrafficFiles:
    """Served requests in files that may grow while they are read; implements the port `Traffic`.

    Parameters
    ----------
    source
        A path, a folder, a glob or an address that fsspec knows; relative to `root`.
    """

    def __init__(self, source: str, root: Path) -> None:
        self._source = source
        self._root = root

    def columns(self, reading: Reading, since: float, until: float) -> dict[str, NDArray[Any]]:
        """Return the columns of `reading` for the rows of ``[since, until)``; empty if there is none."""
        parts = [part for place in self._places() for part in _read(place, reading, since, until)]
        names = {reading.time, *reading.text, *reading.numbers}
        return {
            name: np.concatenate([part[name] for part in parts]) if parts else _nothing(name in reading.text)
            for name in names
        }

    def _places(self) -> list[str]:
        """Return the files in order of their names, without those that are still empty."""
        if "://" in self._source:
            return [self._source]
        path = Path(self._source)
        path = path if path.is_absolute() else self._root / path
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = [one for one in path.rglob("*") if one.suffix.lower() in FORMATS]
        else:
            anchor = Path(path.anchor)
            found = list(anchor.glob(str(path.relative_to(anchor))))
        return sorted(str(one) for one in found if one.is_file() and one.stat().st_size > 0)


def _nothing(text: bool) -> NDArray[Any]:
    return np.empty(0, dtype=object if text else float)


def _read(place: str, reading: Reading, since: float, until: float) -> Iterator[dict[str, NDArray[Any]]]:
    with open_table(place, may_be_empty=True) as table:
        needed = (reading.time, *sorted(reading.text | reading.numbers))
        require_columns(place, table.schema.names, needed, EvidenceError)
        if _outside(table, reading.time, since, until):
            return
        for arrays in zip(*(table.arrays(name) for name in needed), strict=True):
            with _named(place, reading.time):
                time = seconds(arrays[0])
            keep = pa.array((time >= since) & (time < until))
            part: dict[str, NDArray[Any]] = {reading.time: time[np.asarray(keep)]}
            for name, array in zip(needed[1:], arrays[1:], strict=True):
                with _named(place, name):
                    kept = array.filter(keep)
                    part[name] = text_of(kept) if name in reading.text else numbers_of(kept)
            yield part


def _outside(table: Table, column: str, since: float, until: float) -> bool:
    """Return whether a Parquet file's statistics show that none of its rows is in the time range."""
    bounds = table.bounds(column)
    if bounds is None or not hasattr(bounds[0], "timestamp"):
        return False
    low, high = (seconds(pa.array([bound]))[0] for bound in bounds)
    return bool(high < since or low >= until)


class _named:  # noqa: N801 (used like a function)
    """Translates Arrow's errors about a column into ours."""

    def __init__(self, place: str, column: str) -> None:
        self._where = f"column '{column}' of {place}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, problem: BaseException | None, __: object) -> None:
        if isinstance(problem, (pa.ArrowException, ValueError)):
            raise EvidenceError(
                f"{self._where} cannot be read: {first_line(problem)}",
                remedy="correct the column in `canary` of mlops-ci.yaml, or what writes the file",
            ) from problem


def seconds(array: Any) -> NDArray[np.float64]:
    """Return times as seconds since 1970: timestamps (UTC where they have no zone), ISO 8601, numbers."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            array = array.cast(pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:  # it says no zone
            array = array.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(array.type):
        numbers = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64())
        return numbers_of(numbers) / 1e6
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(in_seconds(numbers_of(array)), dtype=float)
    raise ValueError(f"{kind} is not a time")


def numbers_of(array: Any) -> NDArray[np.float64]:
    """Return numbers and truth values as floats; missing ones are NaN."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if pa.types.is_string(array.type):
        lower = pc.utf8_lower(array)
        array = pc.replace_substring_regex(lower, "^true$", "1")
        array = pc.replace_substring_regex(array, "^false$", "0")
    values = array.cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(values, float("nan")), dtype=float)


def text_of(array: Any) -> NDArray[Any]:
    """Return values as text: whole numbers without a point, true as 1, missing as empty."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if pa.types.is_floating(array.type):
        whole = pc.equal(pc.round(array), array)
        texts = [
            None if value is None else str(int(value)) if same else str(value)
            for value, same in zip(array.to_pylist(), whole.to_pylist(), strict=True)
        ]
        array = pa.array(texts, pa.string())
    texts = pc.fill_null(array.cast(pa.string()), "").to_pylist()
    short = {"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"}
    return np.asarray([short.get(text, text) for text in texts], dtype=object)
