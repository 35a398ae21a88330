"""Converts Arrow columns to numpy arrays, without pandas.

`pyarrow`'s own ``to_numpy`` imports pandas wherever it is installed; views of the buffers do not,
and copy nothing.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]

_EXACT = 2**53


def as_array(column: Any) -> Any:
    """Return a chunked Arrow column as one array, with dictionaries and odd types decoded."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pa.ChunkedArray):  # more text than one array's offsets can count
            column = pa.concat_arrays(column.cast(pa.large_string()).chunks)
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return as_array(column.storage)
    if pa.types.is_dictionary(kind):
        return as_array(column.dictionary_decode())
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms"))
    if kind in (pa.string_view(), pa.binary_view()) or pa.types.is_binary(kind):
        return column.cast(pa.large_string())
    return column


def valid_mask(array: Any) -> Array | None:
    """Return the mask of non-NULL values, shape (n,) of bool; None if no value is NULL."""
    if array.null_count == 0:
        return None
    if pa.types.is_null(array.type):
        return np.zeros(len(array), dtype=bool)
    return _bits(array.buffers()[0], array.offset, len(array))


def primitive(array: Any) -> Array:
    """View the values of a fixed-width Arrow array, shape (n,); the values of NULLs are undefined.

    Booleans are unpacked (a copy); times are the integers that stand for them.
    """
    kind = array.type
    data = array.buffers()[1]
    if len(array) == 0 or data is None:
        return np.empty(0, dtype=np.float64)
    if pa.types.is_boolean(kind):
        return _bits(data, array.offset, len(array))
    name = f"int{kind.bit_width}" if pa.types.is_temporal(kind) else _numpy_name(kind)
    return np.frombuffer(data, dtype=name)[array.offset : array.offset + len(array)]


def to_numpy(column: Any) -> Array:
    """Return an Arrow column as a numpy array with NaN, NaT or None for missing values.

    Integers stay integers; with NULLs they become floats with NaN, or objects where a float would
    round them. Times become ``datetime64`` (NaT), text and booleans with NULLs objects (None), lists
    of numbers that all have one length a two-dimensional float array.
    """
    array = as_array(column)
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _score_rows(array.to_pylist())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(array)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return _times(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return _numbers(array)
    if pa.types.is_null(kind):
        return np.full(len(array), None, dtype=object)
    return _objects(array.to_pylist())


def parse_scores(values: Array) -> Array:
    """Parse texts that are all JSON lists of numbers to an array, shape (n, k); return others as they are."""
    if values.dtype != object or len(values) == 0:
        return values
    first = values[0]
    if not (isinstance(first, str) and first.lstrip().startswith("[")):
        return values
    try:
        rows = [None if text is None else json.loads(text) for text in values.tolist()]
    except (ValueError, RecursionError):
        return values
    return _score_rows(rows)


def _numpy_name(kind: Any) -> str:
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind))


def _bits(buffer: Any, offset: int, n: int) -> Array:
    """Unpack `n` bits of a buffer into booleans, reading no byte that is not needed."""
    start = offset // 8
    taken = np.frombuffer(buffer, dtype=np.uint8)[start : (offset + n + 7) // 8]
    return np.unpackbits(taken, bitorder="little")[offset - 8 * start :][:n].view(bool)


def _objects(values: list[Any]) -> Array:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _texts(array: Any) -> Array:
    """Return texts as objects, each different one once: a slice's column holds three in millions of rows."""
    some = array.slice(0, 1000)
    if len(some) == 0 or len(some.unique()) > len(some) // 2:
        return _objects(array.to_pylist())
    encoded = array.dictionary_encode()
    places = primitive(encoded.indices)
    known = _objects([*encoded.dictionary.to_pylist(), None])
    valid = valid_mask(encoded.indices)
    return np.asarray(known[places if valid is None else np.where(valid, places, -1)])


def _times(array: Any) -> Array:
    code = "datetime64" if pa.types.is_timestamp(array.type) else "timedelta64"
    values = primitive(array).astype(np.int64).view(f"{code}[{array.type.unit}]")
    valid = valid_mask(array)
    if valid is not None:
        values[~valid] = np.array("NaT", dtype=values.dtype)
    return values


def _numbers(array: Any) -> Array:
    values, valid = primitive(array), valid_mask(array)
    if valid is None:
        return values.copy() if len(values) else np.empty(0, dtype=_numpy_dtype(array.type))
    if values.dtype.kind in "iu":
        known = values[valid]
        if len(known) and (int(known.max()) > _EXACT or int(known.min()) < -_EXACT):
            return _objects(array.to_pylist())
    if values.dtype.kind == "b":
        return _objects(array.to_pylist())
    return np.where(valid, values, np.nan)


def _numpy_dtype(kind: Any) -> Any:
    return np.dtype(bool) if pa.types.is_boolean(kind) else np.dtype(_numpy_name(kind))


def _score_rows(rows: list[Any]) -> Array:
    """Return rows of class scores as a matrix if all have one length, else as objects."""
    lengths = {len(row) for row in rows if isinstance(row, list)}
    if len(lengths) != 1 or not all(row is None or isinstance(row, list) for row in rows):
        return _objects(rows)
    width = lengths.pop()
    try:
        filled = [[np.nan] * width if row is None else row for row in rows]
        return np.array(filled, dtype=np.float64).reshape(len(rows), width)
    except (TypeError, ValueError):
        return _objects(rows)


def empty_as_null(array: Any) -> Any:
    """Return a text column in which an empty string, as a CSV writes a missing one, is NULL."""
    length = pc.binary_length(array)
    shortest = pc.min(length)
    if not shortest.is_valid or shortest.as_py() > 0:
        return array
    return pc.if_else(pc.cast(length, pa.bool_()), array, pa.nulls(len(array), array.type))
