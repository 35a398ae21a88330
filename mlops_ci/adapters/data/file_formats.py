"""Formats of table files: recognised by content or name, opened within limits, with clear errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_ci.errors import MlopsCiError

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
MAX_BYTES = 8 * 2**30
MISSING = ("", "NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>")

# The first character of a line, if it is another than an object's.
_NO_OBJECT = re.compile(rb"^[ \t\r]*[^{ \t\r\n]", re.MULTILINE)


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


def require_json_objects(path: Path) -> None:
    """Refuse JSON lines of which one is no object: at a ``null``, pyarrow's reader ends the whole process.

    Raises
    ------
    pyarrow.ArrowInvalid
        As pyarrow does for what it cannot parse; it names the line.
    """
    rest, lines = b"", 0
    with pa.input_stream(str(path), compression="detect") as stream:
        while piece := stream.read(1 << 22):
            rest += piece
            whole = rest.rfind(b"\n") + 1
            _refuse_other(rest[:whole], lines)
            lines += rest.count(b"\n", 0, whole)
            rest = rest[whole:]
    _refuse_other(rest, lines)


def _refuse_other(text: bytes, lines: int) -> None:
    found = _NO_OBJECT.search(text.removeprefix(b"\xef\xbb\xbf") if not lines else text)
    if found:
        number = lines + text.count(b"\n", 0, found.end()) + 1
        raise pa.ArrowInvalid(f"line {number} is no JSON object")


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
