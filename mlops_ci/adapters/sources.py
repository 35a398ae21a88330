"""From what the user names (a file, a glob, a revision, a frame) to a table that can be read."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_ci.adapters.arrow_arrays import empty_as_null
from mlops_ci.adapters.frames import (
    MISSING,
    check_file,
    csv_parsing,
    file_format,
    first_line,
    require_columns,
)
from mlops_ci.adapters.profiling import is_text
from mlops_ci.adapters.tables import ArrowTable, ParquetTable, Table, same_schema, unreadable
from mlops_ci.errors import EvidenceError, ServiceError, UsageError

_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
_SUFFIXES = (".parquet", ".pq", ".csv", ".tsv", ".feather", ".arrow", ".ipc", ".jsonl", ".ndjson")
_WIDER = {"null": pa.float64(), "int64": pa.float64(), "bool": pa.string()}


@contextmanager
def open_table(source: Any) -> Iterator[Table]:
    """Open a source as a table, for the time of a ``with`` block.

    Parameters
    ----------
    source
        A path to a file, a folder or a glob; an address that fsspec knows (``s3://``, ``gs://``);
        ``path@REV`` of a file that DVC tracks; an Arrow table, a record batch reader, or any frame
        that exports an Arrow stream (pandas, polars).

    Raises
    ------
    EvidenceError
        If it is missing, unreadable or cut short, or has no row or column.
    ServiceError
        If the remote storage does not answer.
    UsageError
        If a revision is not there.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-ci-") as scratch:
        if isinstance(source, (str, Path)):
            table = _open_path(str(source), Path(scratch))
        else:
            table = _open_frame(source, Path(scratch))
        require_columns(table.name, table.schema.names, (), EvidenceError)
        if not table.schema.names:
            raise EvidenceError(f"{table.name} has no column", remedy="check what writes it")
        if not table.rows:
            raise EvidenceError(
                f"{table.name} has no row", remedy="check what writes it: no data is not the same as no drift"
            )
        yield table


def _open_frame(source: Any, scratch: Path) -> Table:
    """Take a frame in memory without copying it, or spool a stream that can be read only once."""
    name = f"the {type(source).__module__.split('.')[0]} {type(source).__name__}"
    if isinstance(source, pa.Table):
        return ArrowTable(source, name)
    if isinstance(source, pa.RecordBatchReader):
        return _spool(iter(source), source.schema, scratch / "stream.arrow", name)
    if hasattr(source, "columns") and type(source).__module__.startswith("pandas"):
        return ArrowTable(_from_pandas(source), name)
    if hasattr(source, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(source)
        if hasattr(source, "shape") or hasattr(source, "num_rows"):
            return ArrowTable(reader.read_all(), name)
        return _spool(iter(reader), reader.schema, scratch / "stream.arrow", name)
    if isinstance(source, dict):
        return ArrowTable(pa.table(source), "the mapping")
    raise UsageError(
        f"{name} is no table", remedy="give a path, a pandas or polars frame, or an Arrow table or stream"
    )


def is_missing(value: Any) -> bool:
    """Return whether a Python value stands for a missing one."""
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 (NaN)


def _from_pandas(frame: Any) -> Any:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column of mixed objects: take those as text
        mixed = frame.copy()
        for name in mixed.columns:
            if mixed[name].dtype == object:
                mixed[name] = mixed[name].map(lambda value: None if is_missing(value) else str(value))
        return pa.Table.from_pandas(mixed, preserve_index=False)


def _open_path(text: str, scratch: Path) -> Table:
    if _REMOTE.match(text):
        return _open_remote(text, scratch)
    path = Path(text)
    if "@" in text and not path.exists():
        name, _, revision = text.rpartition("@")
        return _open_files([_from_revision(name, revision, scratch)], text, scratch)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES and one.is_file())
        if not files:
            raise EvidenceError(
                f"the folder {path} has no table",
                remedy=f"put files of these kinds there: {', '.join(_SUFFIXES)}",
            )
    elif _GLOB.search(text) and not path.exists():
        files = (
            sorted(one for one in Path().glob(text) if one.is_file())
            if not path.is_absolute()
            else sorted(
                one for one in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if one.is_file()
            )
        )
        if not files:
            raise EvidenceError(
                f"no file matches {text}", remedy="check the pattern, and quote it in a shell"
            )
    else:
        files = [path]
    return _open_files(files, text, scratch)


def _open_files(files: Sequence[Path], name: str, scratch: Path) -> Table:
    formats = {check_file(one, EvidenceError) for one in files}
    if formats == {"parquet"}:
        return _parquet([(str(one), one) for one in files], name)
    if formats == {"feather"} and len(files) == 1:
        return _feather(files[0], name)
    tables = [_read_once(one, check_file(one, EvidenceError), scratch, i) for i, one in enumerate(files)]
    return tables[0] if len(tables) == 1 else _joined(tables, name, scratch)


def _joined(tables: Sequence[Table], name: str, scratch: Path) -> Table:
    """Put files of one table together on disk; their types widen to what suits all of them."""
    try:
        schema = same_schema([table.schema for table in tables])
    except pa.ArrowException as problem:
        raise EvidenceError(
            f"the files of {name} do not have the same columns: {first_line(problem)}",
            remedy="keep files of different tables in different folders",
        ) from problem
    first = set(tables[0].schema.names)
    for table in tables:
        if set(table.schema.names) != first:
            apart = sorted(first ^ set(table.schema.names))[:5]
            raise EvidenceError(
                f"{table.name} and {tables[0].name} differ in the columns {', '.join(apart)}",
                remedy="keep files of different tables in different folders",
            )

    def batches() -> Iterator[Any]:
        for table in tables:
            columns = [list(table.arrays(column)) for column in schema.names]
            arrays = [pa.chunked_array(parts).cast(schema.field(i).type) for i, parts in enumerate(columns)]
            yield from pa.table(arrays, schema=schema).to_batches()

    return _spool(batches(), schema, scratch / "joined.arrow", name)


def _parquet(files: Sequence[tuple[str, Any]], name: str) -> Table:
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    opened = []
    for label, one in files:
        try:
            text = [field.name for field in ParquetFile(one).schema_arrow if is_text(field.type)]
            opened.append(ParquetFile(one, pre_buffer=False, buffer_size=8 * 2**20, read_dictionary=text))
        except (pa.ArrowException, OSError) as problem:
            raise unreadable(label, "parquet", problem) from problem
    for (label, _), file in zip(files, opened, strict=True):
        apart = set(file.schema_arrow.names) ^ set(opened[0].schema_arrow.names)
        if apart:
            raise EvidenceError(
                f"{label} and {files[0][0]} differ in the columns {', '.join(sorted(apart)[:5])}",
                remedy="keep files of different tables in different folders",
            )
    return ParquetTable(opened, name)


def _feather(path: Path, name: str) -> Table:
    from pyarrow.feather import read_table  # noqa: PLC0415

    try:
        return ArrowTable(read_table(path, memory_map=True, use_threads=False), name)
    except (pa.ArrowException, OSError) as problem:
        raise unreadable(name, "feather", problem) from problem


def _read_once(path: Path, kind: str, scratch: Path, number: int) -> Table:
    """Open a file of rows by spooling it to Arrow on disk, where its columns can be read one by one."""
    if kind == "feather":
        return _feather(path, str(path))
    if kind == "parquet":
        return _parquet([(str(path), path)], str(path))
    target = scratch / f"{number}.arrow"
    try:
        return _spool_csv(path, target) if kind == "csv" else _spool_json(path, target)
    except (pa.ArrowException, OSError) as problem:
        raise unreadable(str(path), kind, problem) from problem


def _spool_csv(path: Path, target: Path) -> Table:
    """Stream a CSV; where a later block does not fit the type of the first, widen it and start again."""
    from pyarrow import csv  # noqa: PLC0415

    types: dict[str, Any] = {}
    while True:
        options = csv.ConvertOptions(column_types=types, null_values=list(MISSING))
        reading = csv.ReadOptions(use_threads=False, block_size=16 * 2**20)
        with csv.open_csv(
            path, convert_options=options, read_options=reading, parse_options=csv_parsing(path.name)
        ) as reader:
            schema = reader.schema
            require_columns(str(path), schema.names, (), EvidenceError)
            try:
                return _spool(map(_empty_as_null, reader), schema, target, str(path))
            except pa.ArrowInvalid as problem:
                column = _misfit(str(problem), schema)
                if column is None or types.get(column) == pa.string():
                    raise
                types[column] = (
                    _WIDER.get(str(schema.field(column).type), pa.string())
                    if (column not in types)
                    else pa.string()
                )


def _misfit(message: str, schema: Any) -> str | None:
    """Return the column that pyarrow says it cannot convert, if it says so."""
    found = re.search(r"In (?:CSV )?column #(\d+)", message)
    place = int(found.group(1)) if found else -1
    return schema.names[place] if 0 <= place < len(schema.names) else None


def _empty_as_null(batch: Any) -> Any:
    arrays = [
        empty_as_null(column) if pa.types.is_string(column.type) else column for column in batch.columns
    ]
    return pa.record_batch(arrays, schema=batch.schema)


def _spool_json(path: Path, target: Path) -> Table:
    from pyarrow import json  # noqa: PLC0415

    options = json.ReadOptions(use_threads=False, block_size=16 * 2**20)
    if not hasattr(json, "open_json"):
        return ArrowTable(json.read_json(path, read_options=options), str(path))
    reader = json.open_json(path, read_options=options)
    return _spool(iter(reader), reader.schema, target, str(path))


def _spool(batches: Iterator[Any], schema: Any, target: Path, name: str) -> Table:
    """Write batches to an Arrow IPC file and map it: memory stays small, every column can be read again."""
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with pa.memory_map(str(target)) as mapped:
        return ArrowTable(pa.ipc.open_file(mapped).read_all(), name)


def _open_remote(url: str, scratch: Path) -> Table:
    try:
        import fsspec  # noqa: PLC0415
    except ImportError as problem:
        raise UsageError(
            f"{url} needs fsspec", remedy="install it with the storage's package: pip install s3fs, or gcsfs"
        ) from problem
    try:
        system, path = fsspec.core.url_to_fs(url)
        found = sorted(system.glob(path)) if _GLOB.search(path) else _remote_files(system, path)
        if not found:
            raise EvidenceError(
                f"nothing is at {url}", remedy="check the address and the credentials' rights"
            )
        if all(file_format(one, system.open(one).read(8), EvidenceError) == "parquet" for one in found):
            return _parquet([(one, pa.PythonFile(system.open(one), "r")) for one in found], url)
        local = []
        for number, one in enumerate(found):
            local.append(scratch / f"remote-{number}-{Path(one).name}")
            with system.open(one, "rb") as file, local[-1].open("wb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
        return _open_files(local, url, scratch)
    except ImportError as problem:
        raise UsageError(
            f"{url} needs a package that is not installed: {problem}",
            remedy="install it: pip install s3fs for s3://, gcsfs for gs://",
        ) from problem
    except FileNotFoundError as problem:
        raise EvidenceError(f"nothing is at {url}", remedy="check the address") from problem
    except (OSError, ValueError) as problem:
        raise ServiceError(
            "the remote storage",
            f"{url} cannot be read: {first_line(problem)}",
            remedy="check address and credentials",
        ) from problem


def _remote_files(system: Any, path: str) -> list[str]:
    if not system.isdir(path):
        return [path] if system.exists(path) else []
    return sorted(one for one in system.find(path) if one.lower().endswith(_SUFFIXES))


def _from_revision(name: str, revision: str, scratch: Path) -> Path:
    """Fetch a file that DVC tracks (or git does) as it was at a revision."""
    try:
        import dvc.api  # noqa: PLC0415
    except ImportError as problem:
        raise UsageError(
            f"{name}@{revision} needs DVC", remedy="install it: pip install 'mlops-ci[dvc]'"
        ) from problem
    from dvc.exceptions import DvcException  # noqa: PLC0415

    target = scratch / Path(name).name
    try:
        with dvc.api.open(name, rev=revision, mode="rb") as file, target.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    except (DvcException, FileNotFoundError, OSError) as problem:
        raise EvidenceError(
            f"{name} at revision '{revision}' cannot be read: {first_line(problem)}",
            remedy="check path and revision (in CI: fetch-depth 0), and that the data was pushed: dvc push",
        ) from problem
    return target
