"""Cuts production's rows into time windows; duplicate, late, future and undated rows are counted apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_ci.adapters.data.file_formats import require_columns
from mlops_ci.adapters.data.sources import open_table
from mlops_ci.adapters.data.tables import Table
from mlops_ci.adapters.data.timestamps import GONE, micros, moment, times_of
from mlops_ci.adapters.ports.monitoring import Asked, Seen, Slice
from mlops_ci.core.evidence import Array, canonical
from mlops_ci.core.monitor.windows import ORIGIN, Window, due
from mlops_ci.errors import EvidenceError

SKEW = timedelta(minutes=5)
"""Clocks of servers may be this far ahead of ours."""


class ProductionFiles:
    """Production as files on this machine; implements the port `Production`.

    Each file is read once, and only the rows of one file and of one window are in memory.

    Parameters
    ----------
    root
        What relative paths and globs start from.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, asked: Asked, into: Path) -> Seen:
        """Cut production into windows; see `Production.read`."""
        files = self._files(asked.files, "monitor.data")
        spans = [times_of(path, asked.time) for path in files]
        now, latest = micros(asked.now), micros(asked.now + SKEW)
        known = [times[times != GONE] for times in spans]
        past = [times[times <= latest] for times in known]
        least = min((int(times.min()) for times in past if len(times)), default=None)
        newest = max((int(times.max()) for times in past if len(times)), default=None)
        first = None if least is None else moment(least)
        windows = due(asked.now, asked.length, asked.delay, first=first, most=asked.most)
        pieces = _Pieces(windows, into)
        for path, times in zip(files, spans, strict=True):
            pieces.add(path, times, asked.time)
        labels = self._labels(asked)
        return Seen(
            slices=[pieces.slice(place, asked, labels) for place in range(len(windows))],
            newest=None if newest is None else moment(min(newest, now)),
            future=sum(len(every) - len(kept) for every, kept in zip(known, past, strict=True)),
            undated=sum(int((times == GONE).sum()) for times in spans),
        )

    def _files(self, patterns: Sequence[str], key: str) -> list[Path]:
        found: list[Path] = []
        for pattern in patterns:
            root, relative = (
                (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (self._root, pattern)
            )
            matched = sorted(path for path in root.glob(relative) if path.is_file())
            if not matched:
                raise EvidenceError(
                    f"{key}: no file matches {pattern}",
                    remedy="check the pattern, and that the job has fetched the files",
                )
            found += matched
        return list(dict.fromkeys(found))

    def _labels(self, asked: Asked) -> tuple[Array, Any] | None:
        """Return ids, sorted, and their labels; where an id has several the last file's counts."""
        if not asked.labels or asked.target is None:
            return None
        ids: list[Array] = []
        values: list[Any] = []
        for path in self._files(asked.labels, "monitor.labels"):
            with open_table(path, may_be_empty=True) as table:
                require_columns(str(path), table.schema.names, [asked.id, asked.target], EvidenceError)
                if not table.rows:
                    continue  # no label has come yet
                found = pa.chunked_array(list(table.arrays(asked.target)))
                # A label that is missing takes nothing away from one that came before.
                there = found.is_valid()
                ids.append(_text(pa.chunked_array(list(table.arrays(asked.id))))[there.to_numpy()])
                values += found.filter(there).chunks
        if not any(map(len, ids)):
            return None
        every = np.concatenate(ids)
        backwards = np.unique(every[::-1], return_index=True)
        places = len(every) - 1 - backwards[1]
        return backwards[0], pa.chunked_array(_one_type(values)).combine_chunks().take(pa.array(places))


def _text(column: Any) -> Array:
    return canonical(np.asarray(column.to_numpy(zero_copy_only=False)))


def _one_type(parts: Sequence[Any]) -> list[Any]:
    kinds = {part.type for part in parts}
    if len(kinds) < 2:
        return list(parts)
    numeric = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return [part.cast(pa.float64() if numeric else pa.string()) for part in parts]


class _Pieces:
    """The rows of each window, collected on disk file by file so that memory stays small."""

    def __init__(self, windows: Sequence[Window], folder: Path) -> None:
        self.windows = windows
        self.folder = folder
        self._paths: dict[int, list[Path]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, path: Path, times: Array, column: str) -> None:
        """Add the rows of a file that lie in a window."""
        if not self.windows:
            return
        length = self.windows[0].end - self.windows[0].start
        step = int(length / timedelta(microseconds=1))
        place = (times - micros(ORIGIN)) // step - self.windows[0].number
        place[times == GONE] = -1
        inside = np.unique(place[(place >= 0) & (place < len(self.windows))])
        if not len(inside):
            return
        with open_table(path) as table:
            whole = _whole(table)
        # Files may write times in different ways; from here on they are one.
        utc = pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        whole = whole.set_column(whole.schema.get_field_index(column), column, utc)
        for one in inside.tolist():
            rows = np.flatnonzero(place == one)
            piece = whole.take(pa.array(rows)).append_column("__time", pa.array(times[rows]))
            target = self.folder / f"{one}-{len(self._paths.get(one, []))}.arrow"
            with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, piece.schema) as writer:
                writer.write_table(piece)
            self._paths.setdefault(one, []).append(target)

    def slice(self, place: int, asked: Asked, labels: tuple[Array, Any] | None) -> Slice:
        """Return one window: its rows once, in order, with their labels."""
        window = self.windows[place]
        paths = self._paths.get(place)
        if not paths:
            return Slice(window=window)
        table = _united(list(_opened(paths)))
        others: dict[str, int] = {}
        if asked.version:
            require_columns("monitor.data", table.schema.names, [asked.version], EvidenceError)
            versions = _text(table.column(asked.version))
            ours = versions == asked.serving
            names, counts = np.unique(versions[~ours], return_counts=True)
            others = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
            table = table.filter(pa.array(ours))
        table, twice = _once(_sorted(table, asked.id), asked.id)
        if labels is not None and asked.target:
            table = _labelled(table, asked.id, asked.target, labels)
        table = table.drop_columns(["__time"])
        count = 0
        if asked.target in table.schema.names:
            count = table.num_rows - table.column(asked.target).null_count
        if not table.num_rows:
            return Slice(window=window, others=others)
        target = self.folder / f"window-{place}.parquet"
        from pyarrow.parquet import write_table  # noqa: PLC0415

        write_table(table, target)
        return Slice(
            window=window,
            path=target,
            rows=table.num_rows,
            labels=count,
            digest=_digest(table),
            twice=twice,
            others=others,
        )


def _whole(table: Table) -> Any:
    return pa.table(
        {
            name: pa.chunked_array(
                [
                    part.dictionary_decode() if pa.types.is_dictionary(part.type) else part
                    for part in table.arrays(name)
                ]
            )
            for name in table.schema.names
        }
    )


def _opened(paths: Sequence[Path]) -> Iterator[Any]:
    for path in paths:
        with pa.OSFile(str(path), "rb") as source:
            yield pa.ipc.open_file(source).read_all()


def _united(tables: Sequence[Any]) -> Any:
    """Concatenate tables; a column that is numeric in one and text in another becomes text."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        kinds: dict[str, set[Any]] = {}
        for table in tables:
            for field in table.schema:
                kinds.setdefault(field.name, set()).add(field.type)
        made = [
            table.cast(pa.schema([pa.field(name, _common(kinds[name])) for name in table.schema.names]))
            for table in tables
        ]
        return pa.concat_tables(made, promote_options="permissive").combine_chunks()


def _common(kinds: set[Any]) -> Any:
    if len(kinds) == 1:
        return next(iter(kinds))
    numeric = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return pa.float64() if numeric else pa.string()


def _sorted(table: Any, key: str) -> Any:
    """Sort rows by time and then by every sortable column, so that the order of files does not matter."""
    names = sorted(
        name
        for name in table.schema.names
        if name not in ("__time", key) and not pa.types.is_nested(table.schema.field(name).type)
    )
    keys = ["__time", *([key] if key in table.schema.names else []), *names]
    return table.take(
        pc.sort_indices(table, sort_keys=[(name, "ascending") for name in keys])
    ).combine_chunks()


def _once(table: Any, key: str) -> tuple[Any, int]:
    """Drop duplicates: keep the first row of each id, or of equal rows if there are no ids."""
    if key in table.schema.names:
        ids = table.column(key)
        _, first = np.unique(_text(ids), return_index=True)
        # A row without an id is no other row's twin.
        first = np.union1d(first, np.flatnonzero(ids.is_null(nan_is_null=True).to_numpy()))
    else:
        return table, 0
    kept = np.sort(first)
    return table.take(pa.array(kept)).combine_chunks(), table.num_rows - len(kept)


def _labelled(table: Any, key: str, target: str, labels: tuple[Array, Any]) -> Any:
    """Join labels by id; a row's own label stays if the label files have none for it."""
    require_columns("monitor.data", table.schema.names, [key], EvidenceError)
    ids, values = labels
    wanted = _text(table.column(key))
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    found = ids[place] == wanted
    joined = values.take(pa.array(np.where(found, place, 0), mask=~found))
    if target in table.schema.names:
        own = table.column(target).combine_chunks()
        first, second = _one_type([joined, own])
        joined = pc.coalesce(first, second)
        table = table.drop_columns([target])
    return table.append_column(target, joined)


def _digest(table: Any) -> str:
    """Return the SHA-256 of rows in order, by columns in the order of their names."""
    ordered = table.select(sorted(table.schema.names)).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ordered.schema) as writer:
        writer.write_table(ordered.take(pa.array(np.arange(ordered.num_rows))).combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
