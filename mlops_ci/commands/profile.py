"""`mlops-ci profile`: keep what drift needs of a data set, so that its rows are not needed again."""

from __future__ import annotations

from collections import Counter

from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.report import Report


def run(made: Profile, place: str, size: int) -> Report:
    """Return the report on a profile that was written.

    Parameters
    ----------
    made
        The profile, as stored.
    place, size
        Where it was written, and its bytes.
    """
    kinds = Counter(column.kind for column in made.columns.values())
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return Report(
        command="profile",
        headline=f"profile of {made.rows:,} rows in {place}",
        summary=f"{len(made.columns)} columns ({named}), {size / 1000:,.0f} kB; "
        f"values of fewer than {made.min_count} rows are left out.",
        next_step=f"Compare with it: mlops-ci drift {place} CURRENT",
        details={"path": place, "bytes": size, "rows": made.rows, "columns": len(made.columns)},
    )
