"""Builds the profile of a column from its values, batch by batch."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.categories import MOST_LEVELS, NO_CATEGORIES, Categories, label
from mlops_ci.core.drift.column_profile import ColumnProfile
from mlops_ci.core.drift.sketch import EMPTY, Sketch, from_values, settle, union
from mlops_ci.core.drift.sketching import HEAVIEST, Chunks, sketch_column

Array = NDArray[Any]

TOKEN_BUCKETS = 256
_TEXT_FROM = 100
_DISTINCT = 0.8
_DAY = 86_400_000_000
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WORD = re.compile(r"\w+")


def number_profile(  # noqa: PLR0913
    chunks: Chunks,
    *,
    rows: int,
    nulls: int,
    dtype: str,
    floats: bool,
    low: float | int | None = None,
    high: float | int | None = None,
    heaviest: float = HEAVIEST,
) -> ColumnProfile:
    """Return the profile of a column of numbers; see `sketching.sketch_steps`.

    Parameters
    ----------
    chunks
        Gives the values that are not NULL.
    rows, nulls
        Number of rows, and of NULLs among them; NaN are found and count as missing, too.
    """
    sketch, nan = sketch_column(chunks, rows=rows, low=low, high=high, floats=floats, heaviest=heaviest)
    kind: Literal["number", "empty"] = "number" if sketch.n else "empty"
    return ColumnProfile(kind=kind, dtype=dtype, rows=rows, missing=nulls + nan, sketch=sketch)


def time_profile(
    chunks: Chunks,
    *,
    rows: int,
    nulls: int,
    dtype: str,
    low: int | None = None,
    high: int | None = None,
    heaviest: float = HEAVIEST,
) -> ColumnProfile:
    """Return the profile of a column of times, given as int64 microseconds since 1970, UTC."""
    sketch, _ = sketch_column(chunks, rows=rows, low=low, high=high, floats=False, heaviest=heaviest)
    counts = np.zeros(31, dtype=np.int64)
    for values in chunks():
        counts += time_counts(values)
    kind: Literal["time", "empty"] = "time" if sketch.n else "empty"
    return ColumnProfile(
        kind=kind, dtype=dtype, rows=rows, missing=nulls, sketch=sketch, parts=time_parts(counts)
    )


def time_counts(values: Array) -> Array:
    """Return how many times (in microseconds) fall on each weekday, then in each hour, shape (7 + 24,)."""
    weekdays = np.bincount((values // _DAY + 3) % 7, minlength=7)
    return np.concatenate([weekdays, np.bincount(values % _DAY // (_DAY // 24), minlength=24)])


def time_parts(counts: Array) -> dict[str, Categories]:
    """Return `time_counts` by name; dates have no hours."""
    if not counts.any():
        return {}
    parts = {"weekday": _counted(_WEEKDAYS, counts[:7])}
    if np.count_nonzero(counts[7:]) > 1:
        parts["hour"] = _counted([f"{hour:02d}" for hour in range(24)], counts[7:])
    return parts


def _counted(names: Sequence[str], counts: Array) -> Categories:
    there = {name: int(count) for name, count in zip(names, counts.tolist(), strict=True) if count}
    return Categories(counts=there)


class TextCounter:
    """Counts categories, lengths and tokens of texts; the order of rows does not matter."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._categories = NO_CATEGORIES
        self._tokens = np.zeros(TOKEN_BUCKETS, dtype=np.int64)
        self._lengths: Sketch = EMPTY

    def add(self, levels: Iterable[str], counts: Iterable[int]) -> None:
        """Count each of some distinct texts as often as it occurs."""
        for level, count in zip(levels, counts, strict=True):
            if count:
                self._counts[level] = self._counts.get(level, 0) + int(count)
        if len(self._counts) > MOST_LEVELS:
            self._flush()

    def state(self) -> Mapping[str, Array]:
        """Return what was counted as arrays, for another process."""
        if self._categories is not NO_CATEGORIES:
            self._flush()
        text = json.dumps([self._counts, dict(self._categories.counts)]).encode()
        buckets = self._categories.buckets
        return {
            "levels": np.frombuffer(text, dtype=np.uint8),
            "buckets": np.empty(0, dtype=np.int64) if buckets is None else buckets,
            "tokens": self._tokens,
            "lengths": np.stack([self._lengths.low, self._lengths.high, self._lengths.count]),
        }

    def absorb(self, state: Mapping[str, Array]) -> None:
        """Add what another counter counted."""
        raw, done = json.loads(state["levels"].tobytes())
        low, high, count = state["lengths"]
        if len(low):
            self._flush()
            buckets = state["buckets"] if len(state["buckets"]) else None
            self._categories = self._categories.merge(Categories(counts=done, buckets=buckets))
            self._tokens += state["tokens"]
            self._lengths = union([self._lengths, Sketch(low=low, high=high, count=count)])
        self.add(raw.keys(), raw.values())

    def _flush(self) -> None:
        if not self._counts:
            return
        kept: dict[str, int] = {}
        lengths = np.array([len(level) for level in self._counts], dtype=np.int64)
        rows = np.fromiter(self._counts.values(), dtype=np.int64, count=len(self._counts))
        width, place = np.unique(lengths, return_inverse=True)
        total = np.bincount(place, weights=rows).astype(np.int64)
        self._lengths = union(
            [self._lengths, settle(Sketch(low=width, high=width, count=total, floats=False))]
        )
        for level, count in self._counts.items():
            named = label(level)
            kept[named] = kept.get(named, 0) + count
            for bucket in {
                zlib.crc32(word.encode()) % TOKEN_BUCKETS for word in _WORD.findall(level.lower())
            }:
                self._tokens[bucket] += count
        part = Categories(counts=kept)
        self._categories = self._categories.merge(part.hashed() if len(kept) > MOST_LEVELS else part)
        self._counts = {}

    def profile(
        self, *, rows: int, missing: int, dtype: str, kind: Literal["category", "text"] | None = None
    ) -> ColumnProfile:
        """Return the profile; texts that hardly repeat are ``text`` unless `kind` says otherwise."""
        self._flush()
        known = self._categories.n
        repeats = self._categories.buckets is None and (
            known < _TEXT_FROM or self._categories.levels <= _DISTINCT * known
        )
        return ColumnProfile(
            kind="empty" if not known else kind or ("category" if repeats else "text"),
            dtype=dtype,
            rows=rows,
            missing=missing,
            sketch=self._lengths,
            categories=self._categories,
            tokens=self._tokens,
        )


def category_profile(values: Iterable[Array], *, rows: int, nulls: int, dtype: str) -> ColumnProfile:
    """Return the profile of numbers that stand for classes; whole ones are written without a point."""
    counter = TextCounter()
    missing = nulls
    for chunk in values:
        sketch, nan = from_values(chunk)
        missing += nan
        exact = sketch.low.tolist() if not sketch.floats else sketch.points().tolist()
        counter.add([_number(value) for value in exact], sketch.count.tolist())
    return counter.profile(rows=rows, missing=missing, dtype=dtype, kind="category")


def _number(value: float) -> str:
    return str(int(value)) if value == value // 1 and abs(value) < 2**53 else repr(value)
