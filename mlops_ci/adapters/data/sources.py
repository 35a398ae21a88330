"""Opens what a user names as data (a file, a glob, a revision, a data frame) as a table."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_ci.adapters.data.file_formats import check_file, file_format, first_line, require_columns
from mlops_ci.adapters.data.profiling import is_text
from mlops_ci.adapters.data.spooling import spool, spool_csv, spool_json
from mlops_ci.adapters.data.tables import ArrowTable, ParquetTable, Table, same_schema, unreadable
from mlops_ci.core.table_files import TABLE_SUFFIXES, is_table
from mlops_ci.errors import EvidenceError, ServiceError, UsageError

_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")


@contextmanager
def open_table(source: Any, *, may_be_empty: bool = False) -> Iterator[Table]:
    """Open a source as a table, for the time of a ``with`` block.

    Parameters
    ----------
    source
        A path to a file, a folder or a glob; an address that fsspec knows (``s3://``, ``gs://``);
        ``path@REV`` of a file that DVC tracks; an Arrow table, a record batch reader, or any frame
        that exports an Arrow stream (pandas, polars).
    may_be_empty
        Take a table without rows, where that is no error.

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
        if not table.rows and not may_be_empty:
            raise EvidenceError(
                f"{table.name} has no row", remedy="check what writes it: no data is not the same as no drift"
            )
        yield table


def _open_frame(source: Any, scratch: Path) -> Table:
    """Open a frame in memory without copying it, or spool a stream that can be read only once."""
    name = f"the {type(source).__module__.split('.')[0]} {type(source).__name__}"
    if isinstance(source, pa.Table):
        return ArrowTable(source, name)
    if isinstance(source, pa.RecordBatchReader):
        return spool(iter(source), source.schema, scratch / "stream.arrow", name)
    try:
        if hasattr(source, "columns") and type(source).__module__.startswith("pandas"):
            return ArrowTable(_from_pandas(source), name)
        if hasattr(source, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(source)
            if hasattr(source, "shape") or hasattr(source, "num_rows"):
                return ArrowTable(reader.read_all(), name)
            return spool(iter(reader), reader.schema, scratch / "stream.arrow", name)
        if isinstance(source, dict):
            return ArrowTable(pa.table(source), "the mapping")
    except (pa.ArrowException, TypeError, ValueError) as problem:
        raise EvidenceError(
            f"{name} cannot be read: {first_line(problem)}",
            remedy="give columns of one length, of numbers, text, times or truth values",
        ) from problem
    raise UsageError(
        f"{name} is not a table", remedy="give a path, a pandas or polars frame, or an Arrow table or stream"
    )


def is_missing(value: Any) -> bool:
    """Return whether a Python value stands for a missing one."""
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 (NaN)


def _from_pandas(frame: Any) -> Any:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise EvidenceError(
            f"the pandas DataFrame has the column '{twice[0]}' twice",
            remedy="give each column a name of its own",
        )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # mixed objects: take those as text
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
        files = sorted(one for one in path.rglob("*") if is_table(one.name) and one.is_file())
        if not files:
            raise EvidenceError(
                f"the folder {path} has no table",
                remedy=f"put files of these kinds there: {', '.join(TABLE_SUFFIXES)}",
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
    """Concatenate the files of one table on disk, with types widened to fit all of them."""
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

    return spool(batches(), schema, scratch / "joined.arrow", name)


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
        return spool_csv(path, target) if kind == "csv" else spool_json(path, target)
    except (pa.ArrowException, OSError) as problem:
        raise unreadable(str(path), kind, problem) from problem


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
    return sorted(one for one in system.find(path) if is_table(one))


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
