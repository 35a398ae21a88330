"""Which files hold rows that can be read, told by their names."""

from __future__ import annotations

# What a folder or a glob is searched for, and what `init` takes for a table. JSON and text files may hold
# rows, too, but are as often something else: they are read where a user names them.
TABLE_SUFFIXES = (".parquet", ".pq", ".csv", ".tsv", ".feather", ".arrow", ".ipc", ".jsonl", ".ndjson")


def is_table(path: str) -> bool:
    """Return whether a path is that of a table, by its suffix."""
    return path.lower().endswith(TABLE_SUFFIXES)
