"""Reading tables: CSV, Parquet, Feather and JSON lines, to arrays."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_ci.adapters.data.arrow_arrays import empty_as_null, parse_scores, to_numpy
from mlops_ci.core.evidence import canonical
from mlops_ci.errors import MlopsCiError, PredictionsError

Array = NDArray[Any]

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
MAX_ROWS = 200_000_000
MAX_BYTES = 8 * 2**30
_PIECE = 1 << 17
MISSING = ("", "NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>")


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


def check_file(path: Path, error: type[MlopsCiError]) -> str:
    """Return the format of a file (``csv``, ``parquet``, ``feather``, ``json``), or raise `error`."""
    if not path.exists():
        near = difflib.get_close_matches(path.name, _neighbours(path), n=1)
        hint = f"did you mean {path.parent / near[0]}? Else " if near else ""
        raise error(f"{path} does not exist", remedy=f"{hint}check the path and the stage that writes it")
    if path.is_dir():
        raise error(f"{path} is a folder, not a file", remedy="name one file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as problem:
        raise error(
            f"{path} cannot be opened: {problem.strerror}", remedy="check its permissions"
        ) from problem
    if not start:
        raise error(f"{path} is empty (0 bytes)", remedy="check the stage that writes it")
    if _unfolded(path) > MAX_BYTES:
        raise error(f"{path} has more than {MAX_BYTES:,} bytes", remedy="predict on fewer rows")
    return file_format(path.name, start, error)


def _unfolded(path: Path) -> int:
    """Return a file's decompressed size; a decompression bomb is only read up to the limit."""
    if path.suffix.lower() not in {".gz", ".bz2", ".zst"}:
        return path.stat().st_size
    size = 0
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            while size <= MAX_BYTES and (piece := stream.read(1 << 22)):
                size += len(piece)
    except (pa.ArrowException, OSError):
        return 0  # what it is not, its reader will say
    return size


def file_format(name: str, start: bytes, error: type[MlopsCiError]) -> str:
    """Return a table's format by its first bytes, or else by its name."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith((b"ARROW1", b"FEA1")):
        return "feather"
    suffixes = [
        suffix.lower() for suffix in Path(name).suffixes if suffix.lower() not in {".gz", ".bz2", ".zst"}
    ]
    found = FORMATS.get(suffixes[-1] if suffixes else "")
    if found is None:
        known = ", ".join(sorted(FORMATS))
        raise error(f"{name} has no known format", remedy=f"use one of {known}")
    return found


def require_columns(
    name: str, present: Sequence[str], wanted: Sequence[str], error: type[MlopsCiError]
) -> None:
    """Raise `error` if a column is missing, naming the columns that exist and the nearest name."""
    twice = (
        sorted({column for column in present if list(present).count(column) > 1})
        if (len(set(present)) < len(present))
        else []
    )
    if twice:
        raise error(f"{name} has the column '{twice[0]}' twice", remedy="give each column a name of its own")
    missing = [column for column in wanted if column not in set(present)]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], present, n=1, cutoff=0.5)
    listed = ", ".join(present[:30]) + (f" and {len(present) - 30} more" if len(present) > 30 else "")
    what = f"no column '{missing[0]}'" if len(missing) == 1 else f"no columns {', '.join(map(repr, missing))}"
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise error(f"{name} has {what}; its columns are: {listed}", remedy=f"{hint}name a column that it has")


def _neighbours(path: Path) -> list[str]:
    try:
        return [item.name for item in path.parent.iterdir()]
    except OSError:
        return []


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


def csv_parsing(name: str) -> Any:
    """Return pyarrow's options for a CSV (or, by its suffix, tab-separated) file."""
    from pyarrow import csv  # noqa: PLC0415

    delimiter = "\t" if ".tsv" in Path(name).suffixes else ","
    return csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)


def first_line(problem: BaseException) -> str:
    """Return the first line of a library's message, at most 200 characters."""
    first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    # The row itself is data, which reports do not show.
    return re.sub(r"(Expected \d+ columns, got \d+): .*", r"\1", first)[:200]


def _column(column: Any, as_text: bool, kind: str) -> Array:
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if kind == "csv" and is_text:
        column = pa.chunked_array([empty_as_null(chunk) for chunk in column.chunks], type=column.type)
    values = to_numpy(column)
    if as_text:
        return _as_text(values)
    return parse_scores(values) if is_text else values


def _as_text(values: Array) -> Array:
    """Return values as text, with None where one is missing."""
    if values.dtype == object:
        kept = [None if value is None else str(value) for value in values.tolist()]
    else:
        missing = np.isnat(values) if values.dtype.kind in "mM" else values != values  # noqa: PLR0124 (NaN)
        kept = [None if gone else one for gone, one in zip(missing, canonical(values).tolist(), strict=True)]
    made = np.empty(len(kept), dtype=object)
    made[:] = kept
    return made
