"""`mlops-ci drift`, and the drift section of `check`: which columns of the data changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.policy import OnDrift
from mlops_ci.core.report import Notice, Report, Source
from mlops_ci.core.verdict import Result, Verdict

if TYPE_CHECKING:  # pydantic, which two files do without
    from mlops_ci.settings import Settings

Compare = Callable[..., DriftReport]


def run(
    reference: str,
    current: str,
    compare: Compare,
    *,
    options: Mapping[str, Any] | None = None,
    on_drift: OnDrift = "warn",
    source: Source | None = None,
) -> Report:
    """Compare two data sets.

    Parameters
    ----------
    reference, current
        Paths, addresses, or stored profiles.
    compare
        `mlops_ci.drift`.
    options
        Keyword arguments of `compare`.
    on_drift
        What drift does to the exit code: ``warn`` and ``ignore`` 0, ``approve`` 3, ``block`` 1.
    """
    found = compare(reference, current, **(options or {}))
    return report_of(found, on_drift=on_drift, source=source or Source())


def report_of(found: DriftReport, *, on_drift: OnDrift = "warn", source: Source | None = None) -> Report:
    """Return the Report of a drift comparison."""
    moved = [column for column in found.columns if column.drifted]
    if found.drifted:
        headline = (
            f"drift: {len(moved)} of {len(found.columns)} columns moved" if moved else "drift of the rows"
        )
        next_step = "Look at the columns that moved. If the change is real, retrain on newer data."
    else:
        headline = f"no drift in {len(found.columns)} columns"
        next_step = ""
    code = {"approve": 3, "block": 1}.get(on_drift, 0) if found.drifted else 0
    verdicts = {0: None if found.drifted else Result.PASS, 1: Result.FAIL, 3: Result.INCONCLUSIVE}
    return Report(
        command="drift",
        verdict=verdicts[code],
        exit_code=code,
        headline=headline,
        summary=f"{found.message}. Rows: {found.rows_reference:,} reference, {found.rows_current:,} current.",
        next_step=next_step,
        drift=found.to_dict(),
        notices=[Notice(text=text) for text in found.notices],
        source=source or Source(),
    )


def options_of(settings: Settings) -> dict[str, Any]:
    """Return the settings as keyword arguments of `mlops_ci.drift`."""
    own = settings.drift
    return {
        "sensitivity": own.sensitivity,
        "method": own.method,
        "thresholds": own.thresholds,
        "columns": own.columns,
        "max_share": own.max_share,
        "target": own.target,
        "prediction": own.prediction,
        "multivariate": own.multivariate,
        "min_count": settings.privacy.min_count,
        "show": settings.privacy.show,
    }


def with_drift(
    verdict: Verdict, found: DriftReport | None, unread: str, on_drift: OnDrift
) -> tuple[Verdict, list[Notice]]:
    """Return a check's verdict after drift is taken into account, and the notices for it.

    Parameters
    ----------
    found
        The comparison of reference and current data, or None.
    unread
        Why there is none: data that cannot be read is said, and never passes for "no drift". Empty
        where nothing is configured.
    """
    if found is None or not found.drifted or on_drift == "ignore":
        kept = verdict.on_hold() if unread and on_drift in ("approve", "block") else verdict
        return kept, [Notice(text=unread, level="warning")] if unread else []
    said = [Notice(text=f"The data drifted: {found.message}.", level="warning")]
    if verdict.exit_code not in (0, 3) or on_drift == "warn":
        return verdict, said
    # Blocked, and no longer held: an approval of what held it does not speak of the drift.
    blocked = replace(verdict, blocked=True, held=False)
    return (blocked if on_drift == "block" else verdict.on_hold()), said
