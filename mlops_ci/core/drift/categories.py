"""Counts of categories: exact at first, hashed once there are too many; rare ones can be pooled."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MOST_LEVELS = 20_000
BUCKETS = 4096
_LABEL = 80


@dataclass(frozen=True, kw_only=True)
class Categories:
    """How often each category occurs.

    Attributes
    ----------
    counts
        Rows by category.
    other_rows, other_levels, other_max
        Rows and number of categories that were pooled because each is rare, and the most rows that
        one of them has; 0 where none was.
    buckets
        Where there are more than 20,000 categories: rows by hash of the category, shape (4096,);
        `counts` is empty then.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    other_rows: int = 0
    other_levels: int = 0
    other_max: int = 0
    buckets: Array | None = None

    @property
    def n(self) -> int:
        """The number of rows with a category."""
        held = 0 if self.buckets is None else int(self.buckets.sum())
        return sum(self.counts.values()) + self.other_rows + held

    @property
    def levels(self) -> int:
        """The number of categories (at least, where they are hashed)."""
        held = 0 if self.buckets is None else int(np.count_nonzero(self.buckets))
        return len(self.counts) + self.other_levels + held

    def merge(self, other: Categories) -> Categories:
        """Add the counts of another part; associative and commutative."""
        if self.buckets is not None or other.buckets is not None:
            one, two = self.hashed(), other.hashed()
            assert one.buckets is not None and two.buckets is not None  # noqa: S101, PT018
            pooled = self.other_rows + other.other_rows
            return Categories(buckets=one.buckets + two.buckets, other_rows=pooled)
        counts = dict(self.counts)
        for level, count in other.counts.items():
            counts[level] = counts.get(level, 0) + count
        merged = Categories(
            counts=counts,
            other_rows=self.other_rows + other.other_rows,
            other_levels=self.other_levels + other.other_levels,
            other_max=self.other_max + other.other_max,
        )
        return merged.hashed() if len(counts) > MOST_LEVELS else merged

    def hashed(self) -> Categories:
        """Return the same rows by hash of their category (CRC-32, the same everywhere)."""
        if self.buckets is not None:
            return self
        buckets = np.zeros(BUCKETS, dtype=np.int64)
        for level, count in self.counts.items():
            buckets[zlib.crc32(level.encode()) % BUCKETS] += count
        return Categories(buckets=buckets, other_rows=self.other_rows)

    def pooled(self, *, min_count: int, most: int) -> Categories:
        """Pool the categories of fewer than `min_count` rows, and all but the `most` frequent."""
        if self.buckets is not None:
            return self
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        kept = {level: count for level, count in ranked[:most] if count >= min_count}
        rest = [count for level, count in ranked if level not in kept]
        return Categories(
            counts=kept,
            other_rows=self.other_rows + sum(rest),
            other_levels=self.other_levels + len(rest),
            other_max=max([self.other_max, *rest]),
        )


NO_CATEGORIES = Categories()


def label(level: str) -> str:
    """Return a category as it is kept: long ones are cut, and told apart by a checksum."""
    if len(level) <= _LABEL:
        return level
    return f"{level[: _LABEL - 9]}~{zlib.crc32(level.encode()):08x}"


def tables(reference: Categories, current: Categories) -> tuple[Array, Array, list[str]]:
    """Return the counts of each category on both sides, two int arrays of shape (k,), and their names.

    What one side pooled cannot be told apart there, so it is pooled on both sides.
    """
    if reference.buckets is not None or current.buckets is not None:
        one, two = reference.hashed(), current.hashed()
        assert one.buckets is not None and two.buckets is not None  # noqa: S101, PT018
        rows = [np.r_[side.buckets, side.other_rows] for side in (one, two)]
        return rows[0], rows[1], [*(f"hash {i}" for i in range(BUCKETS)), "(rare)"]
    names = sorted(
        {
            level
            for level in {*reference.counts, *current.counts}
            if (level in reference.counts or not reference.other_rows)
            and (level in current.counts or not current.other_rows)
        }
    )
    p = [reference.counts.get(level, 0) for level in names]
    q = [current.counts.get(level, 0) for level in names]
    rest = reference.n - sum(p), current.n - sum(q)
    if any(rest):
        names, p, q = [*names, "(rare)"], [*p, rest[0]], [*q, rest[1]]
    return np.array(p, dtype=np.int64), np.array(q, dtype=np.int64), names
