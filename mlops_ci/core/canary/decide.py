"""The decision of a canary from the evidence on all rates: roll back, promote, widen, or go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from mlops_ci.core.canary.evidence import Evidence


class Outcome(StrEnum):
    """The decision of one look."""

    CONTINUE = "continue"
    STEP = "step"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The policy of a canary, as far as decisions need it.

    Attributes
    ----------
    margins
        Accepted difference of each guarded rate, by its name.
    alpha
        How often a canary of an equal version may be rolled back, over all rates and looks; and how
        often a version that is worse by a margin may be promoted.
    steps
        Shares of the traffic; the last, 1, is the promotion itself.
    min_windows
        Windows with outcomes in both arms that each step takes at least.
    window, label_age, settle, deadline
        Seconds: a window's length, the age at which it is read, what is left out around a change of
        share, and how long a canary may take.
    """

    margins: Mapping[str, float]
    alpha: float
    steps: Sequence[float]
    min_windows: int
    window: float = 3600
    label_age: float = 0
    settle: float = 60
    deadline: float = 14 * 86400

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Rule:
        """Return it from JSON values, as the ledger keeps them."""
        return cls(**{item.name: values[item.name] for item in fields(cls)})

    @property
    def harm_threshold(self) -> float:
        """E-value that proves harm on one rate: alpha is split over the rates (Bonferroni)."""
        return len(self.margins) / self.alpha

    @property
    def safety_threshold(self) -> float:
        """E-value that proves safety on one rate: all rates must, so alpha is not split."""
        return 1 / self.alpha


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the evidence proves about one rate."""

    harmed: bool
    safe: bool
    beyond: bool
    """The estimate is worse than the margin."""

    @property
    def words(self) -> str:
        """The result in words, for a table."""
        if self.harmed and self.beyond:
            return "harm"
        if self.safe and not self.beyond:
            return "worse, within the margin" if self.harmed else "safe"
        return "worse, size open" if self.harmed else "open"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision, the rates that led to it, and a warning in words."""

    outcome: Outcome
    rates: tuple[str, ...] = ()
    warning: str = ""


def judged(evidence: Evidence, margin: float, rule: Rule) -> Judgement:
    """Return what the evidence proves about one rate; without outcomes it proves nothing."""
    difference = float(evidence.difference)
    return Judgement(
        harmed=evidence.harm_peak >= math.log(rule.harm_threshold),
        safe=evidence.safe_peak >= math.log(rule.safety_threshold),
        beyond=not difference <= margin,
    )


def decide(
    rates: Mapping[str, Evidence], rule: Rule, *, step: int, windows: int, overdue: bool = False
) -> Decision:
    """Decide by all evidence so far.

    Parameters
    ----------
    rates
        Evidence by the rate's name; a missing one is evidence of nothing.
    step, windows
        Index of the present step, and how many windows it has had.
    overdue
        The deadline is over.

    Notes
    -----
    Rollback: on some rate, E of harm reached rates/alpha *and* the estimate is beyond the margin; a
    proven difference that is small is no reason. Promotion: on every rate, E against "worse by the
    margin" reached 1/alpha, the estimate is within it, and the last share below 1 had its windows. Both
    proofs at once: promotion, with a warning. No data proves nothing, so it never promotes.
    """
    found = {name: judged(rates.get(name, Evidence()), margin, rule) for name, margin in rule.margins.items()}
    worse = tuple(name for name, one in found.items() if one.harmed and one.beyond)
    if worse:
        return Decision(outcome=Outcome.ROLLBACK, rates=worse)
    safe = all(one.safe and not one.beyond for one in found.values())
    full = windows >= rule.min_windows
    last = step >= len(rule.steps) - 2
    harmed = tuple(name for name, one in found.items() if one.harmed)
    warning = f"measurably worse on {', '.join(harmed)}, within the margin" if harmed and safe else ""
    if safe and full and last:
        return Decision(outcome=Outcome.PROMOTE, warning=warning)
    if overdue:
        undecided = tuple(name for name, one in found.items() if not one.safe or one.beyond)
        return Decision(outcome=Outcome.INCONCLUSIVE, rates=undecided)
    inside = not any(one.beyond for one in found.values())
    if full and not last and inside and (safe or not harmed):
        return Decision(outcome=Outcome.STEP, warning=warning)
    return Decision(outcome=Outcome.CONTINUE, rates=harmed, warning=warning)
