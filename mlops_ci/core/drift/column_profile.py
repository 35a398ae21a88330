"""The mergeable summary of one column of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.categories import NO_CATEGORIES, Categories
from mlops_ci.core.drift.compact import INTERVALS, compact
from mlops_ci.core.drift.sketch import EMPTY, Sketch, union

Array = NDArray[Any]
Kind = Literal["number", "category", "text", "time", "empty"]

# Counts below this could be traced back to single rows: they are not stored unless the settings allow it.
MIN_COUNT = 10
_MOST_LEVELS = 400


class InvalidProfileError(ValueError):
    """A stored profile that cannot be read, or profiles that cannot be merged."""


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """The summary of one column.

    Attributes
    ----------
    kind
        ``number``, ``category``, ``text`` (or identifiers), ``time``, or ``empty`` (no value at all).
    dtype
        The type as the file has it.
    rows, missing
        Number of rows, and of those without a value (NULL or NaN).
    sketch
        Of numbers; of times in microseconds since 1970; of the length of texts in characters.
    categories
        Of a category column.
    parts
        More of a time (``weekday``, ``hour``).
    tokens
        Of a text column: rows that contain a token of each hash, shape (256,).
    suppressed
        Values that are left out of the sketch because they are rare.
    """

    kind: Kind
    dtype: str = ""
    rows: int = 0
    missing: int = 0
    sketch: Sketch = EMPTY
    categories: Categories = NO_CATEGORIES
    parts: Mapping[str, Categories] = field(default_factory=dict)
    tokens: Array | None = None
    suppressed: int = 0

    @property
    def known(self) -> int:
        """The number of rows with a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """The share of rows without a value."""
        return self.missing / self.rows if self.rows else 0.0

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Add another part of the same column; associative and commutative.

        Raises
        ------
        InvalidProfileError
            If the two are of different kinds.
        """
        if "empty" not in (self.kind, other.kind) and self.kind != other.kind:
            raise InvalidProfileError(f"a {self.kind} column cannot be merged with a {other.kind} column")
        named = self if self.kind != "empty" else other
        names = sorted({*self.parts, *other.parts})
        tokens = [side.tokens for side in (self, other) if side.tokens is not None]
        return ColumnProfile(
            kind=named.kind,
            dtype=named.dtype if self.kind != other.kind else min(self.dtype, other.dtype),
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            sketch=union([self.sketch, other.sketch]),
            categories=self.categories.merge(other.categories),
            parts={
                name: self.parts.get(name, Categories()).merge(other.parts.get(name, Categories()))
                for name in names
            },
            tokens=sum(tokens[1:], tokens[0]) if tokens else None,
            suppressed=self.suppressed + other.suppressed,
        )

    def stored(self, min_count: int = MIN_COUNT, intervals: int = INTERVALS) -> ColumnProfile:
        """Return a coarser profile for storage, without values that fewer than `min_count` rows share."""
        sketch, left_out = compact(self.sketch, intervals=intervals, min_count=min_count)
        levels = self.categories.pooled(min_count=min_count, most=_MOST_LEVELS * intervals // INTERVALS)
        tokens = None if self.tokens is None else np.where(self.tokens >= min_count, self.tokens, 0)
        return replace(
            self, sketch=sketch, suppressed=self.suppressed + left_out, categories=levels, tokens=tokens
        )
