"""Reads CSV, Parquet, Feather and JSON lines files to numpy arrays; implements the port `Frames`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_ci.adapters.data.arrow_arrays import empty_as_null, parse_scores, to_numpy
from mlops_ci.adapters.data.file_formats import (
    MAX_BYTES,
    MISSING,
    check_file,
    csv_parsing,
    first_line,
    require_columns,
    require_json_objects,
)
from mlops_ci.core.evidence import canonical
from mlops_ci.errors import PredictionsError

Array = NDArray[Any]

MAX_ROWS = 200_000_000
_PIECE = 1 << 17


class TableReader:
    """Reads tables from the local disk; the Frames port."""

    def read(
        self, path: Path, columns: Sequence[str] | None = None, *, text: Sequence[str] = ()
    ) -> Mapping[str, Array]:
        """Return columns of a table as arrays of one length.

        Parameters
        ----------
        path
            A CSV, Parquet, Feather or JSON lines file.
        columns
            Names of the columns to read, in this order; None for all.
        text
            Those of them to take as text, as they stand in the file: an id ``007`` keeps its zeros.

        Returns
        -------
        Mapping[str, ndarray]
            By column name. Integers stay integers, text is an object array, times are
            ``datetime64``, class scores (lists, or their JSON in a CSV) have shape (n, k).
            Missing values are NaN, NaT, or None in object arrays.

        Raises
        ------
        PredictionsError
            If the file is missing, unreadable or cut short, has no row, or lacks a column.
        """
        path = Path(path)
        kind = check_file(path, PredictionsError)
        table = _load(path, kind, columns, text)
        if table.num_rows == 0:
            raise PredictionsError(
                f"{path} has no row", remedy="check the stage that writes it: a header alone proves nothing"
            )
        try:
            return {
                name: _column(table.column(name), name in text, kind)
                for name in columns or table.schema.names
            }
        except (pa.ArrowException, ValueError) as problem:  # text that is not UTF-8 shows only now
            raise PredictionsError(
                f"{path} cannot be read as {kind}: {first_line(problem)}", remedy="write it as UTF-8"
            ) from problem

    def names(self, path: Path) -> list[str]:
        """Return the names of a table's columns, in their order.

        Raises
        ------
        PredictionsError
            If the file is missing or unreadable.
        """
        path = Path(path)
        kind = check_file(path, PredictionsError)
        return _names(path, kind)


def _names(path: Path, kind: str) -> list[str]:
    """Read the schema alone where the format has one."""
    try:
        if kind == "csv":
            from pyarrow import csv  # noqa: PLC0415

            options = csv.ReadOptions(use_threads=False)
            with csv.open_csv(path, parse_options=csv_parsing(path.name), read_options=options) as file:
                return list(file.schema.names)
        if kind == "parquet":
            from pyarrow.parquet import read_schema  # noqa: PLC0415

            return list(read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise PredictionsError(
            f"{path} cannot be read as {kind}: {first_line(problem)}",
            remedy="it may be cut short or of another format: write it again",
        ) from problem
    return list(_load(path, kind, None, ()).schema.names)


def _load(path: Path, kind: str, columns: Sequence[str] | None, text: Sequence[str]) -> Any:
    try:
        if kind == "csv":
            return _load_csv(path, columns, text)
        if kind == "parquet":
            from pyarrow.parquet import ParquetFile  # noqa: PLC0415

            with ParquetFile(path) as file:
                require_columns(str(path), file.schema_arrow.names, columns or (), PredictionsError)
                return _bounded(file, columns)
        if kind == "feather":
            from pyarrow.feather import read_table  # noqa: PLC0415

            table = read_table(path, memory_map=False)
            table.validate(full=True)  # offsets that lead out of their buffers are read as they stand
        else:
            from pyarrow.json import read_json  # noqa: PLC0415

            require_json_objects(path)
            table = read_json(path)
        present = table.schema.names  # a name that is not UTF-8 shows only now
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise PredictionsError(
            f"{path} cannot be read as {kind}: {first_line(problem)}",
            remedy="it may be cut short or of another format: write it again",
        ) from problem
    require_columns(str(path), present, columns or (), PredictionsError)
    return table


def _bounded(file: Any, columns: Sequence[str] | None) -> Any:
    """Read a Parquet file in pieces: a small file can decompress to any size."""
    if file.metadata.num_rows > MAX_ROWS:
        raise ValueError(f"it says that it has {file.metadata.num_rows:,} rows, more than {MAX_ROWS:,}")
    names = None if columns is None else list(columns)
    pieces, size = [], 0
    for piece in file.iter_batches(batch_size=_PIECE, columns=names, use_threads=False):
        size += piece.nbytes
        if size > MAX_BYTES:
            raise ValueError(f"it unfolds to more than {MAX_BYTES:,} bytes")
        pieces.append(piece)
    if not pieces:
        return file.read(columns=names, use_threads=False)
    table = pa.Table.from_batches(pieces)
    return table if names is None else table.select(names)


def _load_csv(path: Path, columns: Sequence[str] | None, text: Sequence[str]) -> Any:
    from pyarrow import csv  # noqa: PLC0415

    parse = csv_parsing(path.name)
    with csv.open_csv(path, parse_options=parse, read_options=csv.ReadOptions(use_threads=False)) as file:
        require_columns(str(path), file.schema.names, columns or (), PredictionsError)
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=parse,
        convert_options=csv.ConvertOptions(
            include_columns=list(columns or ()),
            column_types=dict.fromkeys(text, pa.string()),
            null_values=list(MISSING),
        ),
    )


def _column(column: Any, as_text: bool, kind: str) -> Array:
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if kind == "csv" and is_text:
        column = pa.chunked_array([empty_as_null(chunk) for chunk in column.chunks], type=column.type)
    values = to_numpy(column)
    if as_text:
        return _as_text(values)
    return parse_scores(values) if is_text else values


def _as_text(values: Array) -> Array:
    """Return values as text, with None if one is missing."""
    if values.dtype == object:
        kept = [None if value is None else str(value) for value in values.tolist()]
    else:
        missing = np.isnat(values) if values.dtype.kind in "mM" else values != values  # noqa: PLR0124 (NaN)
        if not missing.any():
            return canonical(values).astype(object)
        kept = [None if gone else one for gone, one in zip(missing, canonical(values).tolist(), strict=True)]
    made = np.empty(len(kept), dtype=object)
    made[:] = kept
    return made
