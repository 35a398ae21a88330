"""Tables whose columns can be read one at a time, and more than once, whatever the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from mlops_ci.adapters.data.file_formats import first_line
from mlops_ci.errors import EvidenceError

BATCH_ROWS = 1 << 20


class Table(Protocol):
    """A table whose columns can be read one by one, more than once.

    Attributes
    ----------
    name
        What messages call it.
    schema
        The Arrow schema.
    rows
        Number of rows.
    """

    name: str
    schema: Any
    rows: int

    def arrays(self, column: str) -> Iterator[Any]:
        """Give the column's Arrow arrays, at most about a million rows each."""

    def bounds(self, column: str) -> tuple[Any, Any] | None:
        """Return least and greatest value where the file says so, else None."""


class ArrowTable:
    """A table in memory, or mapped from an Arrow IPC file."""

    def __init__(self, table: Any, name: str) -> None:
        self.name = name
        self.schema = table.schema
        self.rows = int(table.num_rows)
        self._table = table

    def arrays(self, column: str) -> Iterator[Any]:
        """Give the column's chunks."""
        for chunk in self._table.column(column).chunks:
            for start in range(0, len(chunk), BATCH_ROWS):
                yield chunk.slice(start, BATCH_ROWS)

    def bounds(self, column: str) -> tuple[Any, Any] | None:
        """Return None: nothing is known before it is read."""
        return None


class ParquetTable:
    """One or more Parquet files of one schema; only the column that is asked for is read."""

    def __init__(self, files: Sequence[Any], name: str) -> None:
        self.name = name
        self.schema = files[0].schema_arrow
        self.rows = sum(file.metadata.num_rows for file in files)
        self._files = files

    def arrays(self, column: str) -> Iterator[Any]:
        """Give the column's values, batch by batch."""
        try:
            for file in self._files:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[column], use_threads=False):
                    yield batch.column(0)
        except (pa.ArrowException, OSError) as problem:  # pages are read only now
            raise unreadable(f"column '{column}' of {self.name}", "parquet", problem) from problem

    def bounds(self, column: str) -> tuple[Any, Any] | None:
        """Return least and greatest value from the statistics of all row groups, if all have them."""
        least: list[Any] = []
        greatest: list[Any] = []
        for file in self._files:
            metadata = file.metadata
            paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
            if column not in paths:
                return None
            place = paths.index(column)
            for group in range(metadata.num_row_groups):
                part = metadata.row_group(group).column(place)
                statistics = part.statistics
                if statistics is None or not statistics.has_min_max:
                    if statistics is not None and statistics.null_count == part.num_values:
                        continue
                    return None
                least.append(statistics.min)
                greatest.append(statistics.max)
        return (min(least), max(greatest)) if least else None


def same_schema(schemas: Sequence[Any]) -> Any:
    """Return the common schema of all parts: types widen (int to float), a missing column is an error."""
    return pa.unify_schemas(list(schemas), promote_options="permissive")


def unreadable(name: str, kind: str, problem: BaseException) -> EvidenceError:
    """Return the error for a file that cannot be read in its apparent format."""
    return EvidenceError(
        f"{name} cannot be read as {kind}: {first_line(problem)}",
        remedy="it may be cut short or of another format: write it again",
    )
