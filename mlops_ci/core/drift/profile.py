"""Profiles: mergeable summaries of a data set, from which drift is judged without its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.core.drift.column_profile import MIN_COUNT, ColumnProfile, InvalidProfileError
from mlops_ci.core.drift.compact import INTERVALS
from mlops_ci.core.drift.profile_json import column_from_dict, column_to_dict

SCHEMA_VERSION = 1
COLUMN_BYTES = 20_000


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
    intervals = INTERVALS
    while True:
        made = column.stored(min_count, intervals)
        if (
            len(json.dumps(column_to_dict(made), ensure_ascii=False).encode()) <= COLUMN_BYTES
            or intervals < 8
        ):
            return made
        intervals //= 2
