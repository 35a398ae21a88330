"""Profiles: mergeable summaries of a data set, from which drift is judged without its rows."""

from __future__ import annotations

import json
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

SCHEMA_VERSION = 1
COLUMN_BYTES = 20_000
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


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The summary of a data set: one `ColumnProfile` per column.

    Attributes
    ----------
    rows
        Number of rows.
    columns
        By name, in the order of the data.
    min_count
        Smallest count that may be told apart in it; 1 before it is stored.
    """

    rows: int
    columns: Mapping[str, ColumnProfile]
    min_count: int = 1
    schema_version: int = SCHEMA_VERSION

    def merge(self, other: Profile) -> Profile:
        """Add the profile of other rows of the same table; associative, and commutative but for order.

        A column that one of them lacks counts as missing in all its rows.
        """
        names = list(dict.fromkeys([*self.columns, *other.columns]))

        def part(side: Profile, name: str) -> ColumnProfile:
            return side.columns.get(name, ColumnProfile(kind="empty", rows=side.rows, missing=side.rows))

        columns = {}
        for name in names:
            try:
                columns[name] = part(self, name).merge(part(other, name))
            except InvalidProfileError as problem:
                raise InvalidProfileError(f"column '{name}': {problem}") from None
        return Profile(
            rows=self.rows + other.rows, columns=columns, min_count=max(self.min_count, other.min_count)
        )

    def stored(self, min_count: int = MIN_COUNT) -> Profile:
        """Return a profile for storage: at most 20 kB per column, and without rare values."""
        columns = {name: _fitting(column, min_count) for name, column in self.columns.items()}
        return replace(self, columns=columns, min_count=max(min_count, self.min_count))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        from mlops_ci.core.drift.profile_json import column_to_dict  # noqa: PLC0415

        return {
            "schema_version": self.schema_version,
            "what": "mlops-ci profile",
            "rows": self.rows,
            "min_count": self.min_count,
            "columns": [{"name": name, **column_to_dict(column)} for name, column in self.columns.items()],
        }

    def to_json(self, min_count: int = MIN_COUNT) -> str:
        """Return `stored` as JSON text; equal data give equal text."""
        return json.dumps(self.stored(min_count).to_dict(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read a profile.

        Raises
        ------
        InvalidProfileError
            If it is none, damaged, or of a newer version.
        """
        from mlops_ci.core.drift.profile_json import column_from_dict  # noqa: PLC0415

        try:
            data = json.loads(text)
            if data["what"] != "mlops-ci profile":
                raise InvalidProfileError("this JSON is not a profile")
            if data["schema_version"] > SCHEMA_VERSION:
                version = data["schema_version"]
                raise InvalidProfileError(
                    f"the profile has version {version}; this program reads {SCHEMA_VERSION}"
                )
            columns = {item["name"]: column_from_dict(item) for item in data["columns"]}
            return cls(rows=int(data["rows"]), columns=columns, min_count=int(data["min_count"]))
        except InvalidProfileError:
            raise
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as problem:
            raise InvalidProfileError(f"not a profile, or damaged: {problem!r:.300}") from problem


def _fitting(column: ColumnProfile, min_count: int) -> ColumnProfile:
    """Coarsen a column until its JSON fits in 20 kB."""
    from mlops_ci.core.drift.profile_json import column_to_dict  # noqa: PLC0415

    intervals = INTERVALS
    while True:
        made = column.stored(min_count, intervals)
        if (
            len(json.dumps(column_to_dict(made), ensure_ascii=False).encode()) <= COLUMN_BYTES
            or intervals < 8
        ):
            return made
        intervals //= 2
