"""The record of a monitored window, and the alarms that several windows raise together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mlops_ci.core.ledger import History
from mlops_ci.core.monitor.delayed_labels import Miss, miss_of
from mlops_ci.core.report import plain

EVENT = "monitor"
Signal = Literal["drift", "prediction_drift", "loss", "estimated_loss", "volume"]
SIGNALS: tuple[Signal, ...] = ("drift", "prediction_drift", "loss", "estimated_loss", "volume")
WORDS: Mapping[str, str] = {
    "drift": "data drift",
    "prediction_drift": "prediction drift",
    "loss": "proven loss",
    "estimated_loss": "estimated loss",
    "volume": "unusual volume",
    "stale": "no fresh data",
}
State = Literal["judged", "few", "empty"]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One judged window of production, as the ledger stores it.

    Attributes
    ----------
    window, start, end, number
        Its name and place; see `windows.Window`.
    champion
        Version whose answers were judged.
    state
        ``judged``; ``few``: fewer rows than are worth a test; ``empty``: no row at all.
    rows, labels
        Rows that the champion answered, and those of them whose labels came.
    digest
        SHA-256 of the rows: the same window with the same rows is never judged twice.
    known, raised
        Signals that could be told from these rows, and those that were raised.
    columns
        Names of the columns that drifted.
    performance
        By metric: ``value``, ``holdout``, ``lower``, ``upper`` (of the difference, positive is better),
        ``margin``, ``outcome``, ``n``.
    estimates
        By metric: ``value``, ``lower``, ``upper``, ``half``, ``correction``; see `estimate.Estimated`.
    doubts
        Why the estimates are not to be trusted.
    """

    window: str
    start: str
    end: str
    number: int
    champion: str
    state: State
    rows: int = 0
    labels: int = 0
    digest: str = ""
    known: Sequence[str] = ()
    raised: Sequence[str] = ()
    columns: Sequence[str] = ()
    performance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    estimates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    doubts: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without empty fields."""
        return {
            item.name: value
            for item in fields(self)
            if (value := plain(getattr(self, item.name))) not in ([], {}, "")
        }


_NAMES = {item.name for item in fields(Watched)}
_NEEDED = ("window", "start", "end", "number", "champion", "state")


def from_dict(raw: Any) -> Watched | None:
    """Parse a record; None if it is not one, or was written by a newer mlops-ci."""
    if not isinstance(raw, dict) or not all(name in raw for name in _NEEDED):
        return None
    return Watched(**{name: value for name, value in raw.items() if name in _NAMES})


def watched(history: History, environment: str = "") -> list[Watched]:
    """Return the last judgement of each window, in order of time.

    Records may be written out of order and more than once: late rows and late labels revise a window.
    """
    found: dict[str, Watched] = {}
    for entry in history.entries:
        if (entry.event, entry.phase, entry.environment) == (EVENT, "recorded", environment):
            for raw in entry.details.get("windows", ()):
                one = from_dict(raw)
                if one is not None:
                    found[one.window] = one
    return sorted(found.values(), key=lambda one: (one.start, one.end))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The alarm rule: `k` of the last `n` windows that could judge the signal."""

    k: int = 2
    n: int = 3


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """The alarm state of one signal over the last windows.

    Attributes
    ----------
    hits, of
        Windows that raised it, of those that could tell.
    windows
        Names of the windows that raised it.
    """

    signal: str
    active: bool
    hits: int
    of: int
    windows: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The signal in words."""
        return WORDS[self.signal]


def alarms(records: Iterable[Watched], rule: Rule, *, champion: str) -> list[Alarm]:
    """Return one alarm per signal, from the last windows of one champion.

    A signal is told over the last `n` windows that could tell it: a window without labels neither raises
    nor clears a proven loss.
    """
    made = []
    ours = [one for one in records if one.champion == champion]
    for signal in SIGNALS:
        last = [one for one in ours if signal in one.known][-rule.n :]
        hits = tuple(one.window for one in last if signal in one.raised)
        made.append(
            Alarm(signal=signal, active=len(hits) >= rule.k, hits=len(hits), of=len(last), windows=hits)
        )
    return made


def false_alarm_rate(rule: Rule, alpha: float) -> float:
    """Return the false alarm rate of `k` of `n` independent windows, each with probability `alpha`.

    >>> round(false_alarm_rate(Rule(k=2, n=3), 0.05), 5)
    0.00725
    """
    from scipy.stats import binom  # noqa: PLC0415

    return float(binom.sf(rule.k - 1, rule.n, alpha))


def misses(records: Iterable[Watched], metric: str, champion: str) -> list[Miss]:
    """Return the errors of earlier estimates of one champion, oldest window first."""
    found = []
    for one in records:
        estimate, real = one.estimates.get(metric), one.performance.get(metric)
        if one.champion == champion and estimate and real and real.get("value") is not None:
            found.append(miss_of(estimate, float(real["value"])))
    return [one for one in found if one is not None]


def usual_rows(records: Iterable[Watched], before: str, last: int = 8) -> float | None:
    """Return the median number of rows of the last windows, or None if fewer than three are known.

    Parameters
    ----------
    before
        Start of the window that is to be compared.
    """
    from statistics import median  # noqa: PLC0415

    rows = [one.rows for one in records if one.start < before and one.rows][-last:]
    return float(median(rows)) if len(rows) >= 3 else None
