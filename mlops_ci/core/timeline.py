"""A model's life over time, as values: which version served when, and what was seen and done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


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
    """What a window of production showed.

    Attributes
    ----------
    value, lower, upper
        The metric in this window, and its interval where one is known.
    expected
        The metric on the holdout, when the version was judged; None where it is not known.
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
    """Something that was done, when, and what came of it.

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
    """All of it, each in the order of time; `metric` is the name of what the windows show."""

    metric: str
    servings: Sequence[Serving] = ()
    windows: Sequence[Seen] = ()
    steps: Sequence[Step] = ()
