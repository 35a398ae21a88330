"""The timeline of a model: which version served when, what monitoring saw, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_ci.core.canary.decide import Outcome
from mlops_ci.core.canary.state import canaries
from mlops_ci.core.canary.windows import written
from mlops_ci.core.ledger import History
from mlops_ci.core.ledger_state import moves
from mlops_ci.core.monitor.record import watched


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A version that answered a share of the requests between two times (ISO 8601, UTC)."""

    version: str
    since: str
    until: str
    role: Literal["champion", "challenger"] = "champion"
    share: float = 1.0
    rolled_back: bool = False


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What monitoring saw in a window of production.

    Attributes
    ----------
    value, lower, upper
        The metric in this window, and its interval where one is known.
    expected
        The metric on the holdout, when the version was judged; None if it is not known.
    state
        ``fine``, ``drift`` (the data changed) or ``loss`` (and the model proved worse than on the holdout).
    """

    since: str
    until: str
    version: str
    value: float
    lower: float | None = None
    upper: float | None = None
    expected: float | None = None
    state: Literal["fine", "drift", "loss"] = "fine"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step in the model's life: what was done, when, and with what result.

    `kind` is ``good``, ``bad``, ``notice`` or ``done``; `command` is what was run, `page` its report.
    """

    time: str
    title: str
    said: str
    kind: Literal["good", "bad", "notice", "done"] = "done"
    command: str = ""
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The whole timeline, in order of time; `metric` names the metric of the windows."""

    metric: str
    servings: Sequence[Serving] = ()
    windows: Sequence[Seen] = ()
    steps: Sequence[Step] = ()


def servings_of(history: History, since: str, until: str) -> list[Serving]:
    """Return which version served when, by the ledger.

    Parameters
    ----------
    since, until
        When the first champion began to serve, and where the timeline ends.
    """
    champions: list[tuple[str, str]] = []
    for entry in moves(history.entries):
        if entry.to_version and (not champions or champions[-1][0] != entry.to_version):
            champions.append((entry.to_version, entry.time if champions else since))
    starts = [start for _, start in champions]
    made = [
        Serving(version=version, since=start, until=end)
        for (version, start), end in zip(champions, [*starts[1:], until], strict=False)
    ]
    for canary in canaries(history):
        last = len(canary.segments) - 1
        back = canary.outcome == Outcome.ROLLBACK
        made += [
            Serving(
                version=canary.challenger,
                since=written(one.since),
                until=written(one.until) if one.until is not None else until,
                role="challenger",
                share=one.share,
                rolled_back=back and index == last,
            )
            for index, one in enumerate(canary.segments)
        ]
    return made


def windows_of(history: History, metric: str) -> list[Seen]:
    """Return the monitored windows in which labels gave the metric."""
    made = []
    for one in watched(history):
        found = one.performance.get(metric)
        if found is None or found.get("value") is None:
            continue
        value, expected = found["value"], found.get("holdout")
        # kept is the interval of the difference to the holdout's value
        lower, upper = (_sum(expected, found.get(end)) for end in ("lower", "upper"))
        state: Literal["fine", "drift", "loss"] = "drift" if "drift" in one.raised else "fine"
        made.append(
            Seen(
                since=one.start,
                until=one.end,
                version=one.champion,
                value=value,
                lower=lower,
                upper=upper,
                expected=expected,
                state="loss" if "loss" in one.raised else state,
            )
        )
    return made


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
