"""The outcomes of one window: the rows of both versions, aggregated to one value per unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.canary import betting
from mlops_ci.core.canary.evidence import Evidence, advanced
from mlops_ci.core.canary.windows import Window

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Rows of what was served, sorted by time.

    Attributes
    ----------
    time
        Seconds since 1970, shape (rows,).
    version
        Text; empty if a row names none.
    rates
        By the rate's name, shape (rows,): 1 bad, 0 not (or between); NaN if it is not known or does
        not apply.
    unit
        Text, or None if each row is a unit by itself; rows whose unit is empty do not count.
    unmet
        Rates of false positives whose positive label stands in no row, neither predicted nor true.
    """

    time: Array
    version: NDArray[Any]
    rates: Mapping[str, Array]
    unit: NDArray[Any] | None = None
    unmet: frozenset[str] = frozenset()

    def part(self, keep: NDArray[Any]) -> Outcomes:
        """Return some of the rows: a mask, or indices."""
        return Outcomes(
            time=self.time[keep],
            version=self.version[keep],
            rates={name: values[keep] for name, values in self.rates.items()},
            unit=None if self.unit is None else self.unit[keep],
            unmet=self.unmet,
        )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The content of one window.

    Attributes
    ----------
    champion, challenger, other
        Rows by the version that answered; `other` are neither.
    counts
        ``n0, k0, n1, k1`` by rate: units with an outcome, and the bad among them.
    known
        Share of the rows of champion and challenger that have an outcome, by rate.
    """

    champion: int = 0
    challenger: int = 0
    other: int = 0
    counts: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    known: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def both(self) -> bool:
        """Whether both arms have rows."""
        return self.champion > 0 and self.challenger > 0


def read(
    window: Window,
    rows: Outcomes,
    arms: tuple[str, str],
    margins: Mapping[str, float],
    before: Mapping[str, Evidence],
) -> tuple[Seen, dict[str, Evidence]]:
    """Return the content of a window, and the evidence including it.

    Parameters
    ----------
    rows
        Sorted by time, from the canary's start where there are units: a unit whose first row is in an
        earlier window is left out, since its habits were counted there.
    arms
        Versions of champion and challenger.
    """
    low, high = np.searchsorted(rows.time, [window.start, window.end])
    inside = rows.part(np.arange(low, high))
    mine = [inside.version == version for version in arms]
    fresh = np.ones(len(inside.time), dtype=bool)
    if rows.unit is not None and inside.unit is not None:
        fresh = ~np.isin(inside.unit, rows.unit[:low]) & (inside.unit != "")
    counts, known, after = {}, {}, dict(before)
    for name, margin in margins.items():
        values = inside.rates[name]
        arm = [_units(inside, values, which & fresh) for which in mine]
        counts[name] = (
            *(float(len(arm[0])), float(arm[0].sum())),
            *(float(len(arm[1])), float(arm[1].sum())),
        )
        known[name] = tuple(_share(values, which) for which in mine)
        rng = np.random.default_rng([window.seed, *name.encode()])
        blocks = betting.differences(arm[0], arm[1], rng)
        after[name] = advanced(before.get(name, Evidence()), counts[name], blocks, margin)
    seen = Seen(
        champion=int(mine[0].sum()),
        challenger=int(mine[1].sum()),
        other=int((~mine[0] & ~mine[1]).sum()),
        counts=counts,
        known={name: (one[0], one[1]) for name, one in known.items()},
    )
    return seen, after


def _units(rows: Outcomes, values: Array, which: NDArray[Any]) -> Array:
    """Return one value per unit: the mean of its known outcomes."""
    which = which & ~np.isnan(values)
    if rows.unit is None:
        return np.asarray(values[which])
    _, place = np.unique(rows.unit[which], return_inverse=True)
    sizes = np.bincount(place) if place.size else np.empty(0)
    return np.asarray(np.bincount(place, weights=values[which]) / sizes if place.size else np.empty(0))


def _share(values: Array, which: NDArray[Any]) -> float:
    return float((~np.isnan(values[which])).mean()) if which.any() else 0.0
