"""Spools tables that can only be read once (CSV, JSON lines, streams) to Arrow files on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_ci.adapters.data.arrow_arrays import empty_as_null
from mlops_ci.adapters.data.file_formats import MISSING, csv_parsing, require_columns, require_json_objects
from mlops_ci.adapters.data.tables import ArrowTable, Table
from mlops_ci.errors import EvidenceError

_WIDER = {"null": pa.float64(), "int64": pa.float64(), "bool": pa.string()}


def spool_csv(path: Path, target: Path) -> Table:
    """Stream a CSV; if a later block does not fit the inferred type, widen the type and start again."""
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
                return spool(map(_empty_as_null, reader), schema, target, str(path))
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


def spool_json(path: Path, target: Path) -> Table:
    """Stream JSON lines."""
    from pyarrow import json  # noqa: PLC0415

    require_json_objects(path)
    options = json.ReadOptions(use_threads=False, block_size=16 * 2**20)
    if not hasattr(json, "open_json"):
        return ArrowTable(json.read_json(path, read_options=options), str(path))
    reader = json.open_json(path, read_options=options)
    return spool(iter(reader), reader.schema, target, str(path))


def spool(batches: Iterator[Any], schema: Any, target: Path, name: str) -> Table:
    """Write batches to an Arrow IPC file and map it: memory stays small, every column can be read again."""
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with pa.memory_map(str(target)) as mapped:
        return ArrowTable(pa.ipc.open_file(mapped).read_all(), name)
