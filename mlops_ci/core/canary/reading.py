"""Converts columns of served traffic to outcomes: bad or not, deduplicated, in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.canary.outcomes import Outcomes


class BadOutcomeError(ValueError):
    """A column that does not fit the settings; the message names column and value."""


@dataclass(frozen=True, kw_only=True)
class RateReading:
    """How one rate is read from columns; see `canary.rates` in the settings."""

    column: str
    objective: float | None = None
    label: str | None = None
    positive: str = "1"

    @property
    def as_read(self) -> str:
        """The positive label as text columns hold it, where true is 1."""
        return {"true": "1", "false": "0"}.get(self.positive.lower(), self.positive)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The roles of the columns."""

    version: str
    time: str
    rates: Mapping[str, RateReading]
    id: str | None = None
    unit: str | None = None

    @property
    def text(self) -> frozenset[str]:
        """Columns that are read as text: whole numbers without a point, true as 1, missing as empty."""
        labels = {name for rate in self.rates.values() if rate.label for name in (rate.column, rate.label)}
        return frozenset({self.version, *labels} | {name for name in (self.id, self.unit) if name})

    @property
    def numbers(self) -> frozenset[str]:
        """Columns that are read as numbers; missing is NaN."""
        return frozenset(rate.column for rate in self.rates.values() if not rate.label)


def outcomes(columns: Mapping[str, NDArray[Any]], reading: Reading) -> Outcomes:
    """Return the outcomes of all rows that have a time, sorted by it; a repeated id counts once.

    Parameters
    ----------
    columns
        By name, of one length: those of `reading.text` as text, of `reading.numbers` as floats, and the
        time in seconds since 1970.

    Raises
    ------
    BadOutcomeError
        If an outcome is not between 0 and 1.
    """
    time = columns[reading.time]
    keep = ~np.isnan(time)
    if reading.id is not None:
        first = np.zeros(len(time), dtype=bool)
        first[np.unique(columns[reading.id], return_index=True)[1]] = True
        keep &= first | (columns[reading.id] == "")
    order = np.flatnonzero(keep)[np.argsort(time[keep], kind="stable")]
    rates = {name: _rate(columns, name, rate)[order] for name, rate in reading.rates.items()}
    return Outcomes(
        time=time[order],
        version=_without_v(columns[reading.version][order]),
        rates=rates,
        unit=columns[reading.unit][order].astype(str) if reading.unit else None,
        unmet=frozenset(
            name
            for name, rate in reading.rates.items()
            if not np.isnan(rates[name]).all() and not _met(columns, rate)
        ),
    )


def _met(columns: Mapping[str, NDArray[Any]], rate: RateReading) -> bool:
    """Return whether a rate's positive label stands in any row; true for rates without labels."""
    if rate.label is None:
        return True
    return any(bool((columns[name] == rate.as_read).any()) for name in (rate.column, rate.label))


def _without_v(versions: NDArray[Any]) -> NDArray[Any]:
    """Return versions as the registry counts them: ``v7`` is ``7``."""
    values, place = np.unique(versions.astype(str), return_inverse=True)
    return np.asarray([value.removeprefix("v") for value in values], dtype=str)[place]


def _rate(columns: Mapping[str, NDArray[Any]], name: str, rate: RateReading) -> NDArray[np.float64]:
    values = columns[rate.column]
    if rate.label is not None:
        labels = columns[rate.label]
        positive = rate.as_read
        bad = np.asarray(values == positive, dtype=float)
        bad[(labels == positive) | (labels == "") | (values == "")] = np.nan
        return bad
    if rate.objective is not None:
        over = np.asarray(values > rate.objective, dtype=float)
        over[np.isnan(values)] = np.nan
        return over
    wrong = ~np.isnan(values) & ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise BadOutcomeError(
            f"column '{rate.column}' (rate '{name}') holds {values[wrong][0]:g}: it must be 0, 1 or between"
        )
    return np.asarray(values, dtype=float)
