"""Findings, and the verdict and decision that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """The outcome of one comparison."""

    BETTER = "better"
    NON_INFERIOR = "non_inferior"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"
    WORSE = "worse"
    ERROR = "error"


class Result(StrEnum):
    """The result of a whole check."""

    PASS = "pass"  # noqa: S105
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of a verdict: a comparison and its outcome.

    Attributes
    ----------
    metric, slice
        Name of the metric; ``column=value`` of the slice, or None for all rows.
    outcome
        What the comparison showed.
    greater_is_better
        Direction of the metric.
    champion, candidate
        Values of the metric, in its unit; None if unknown.
    difference
        Oriented: positive is better. None if unknown.
    interval
        (L, U): the one-sided 1 - alpha bounds of `difference`; None if there is none.
    margin
        Accepted loss, absolute, in the metric's unit.
    method
        Name of the statistical method, or ``point only``.
    n
        Number of rows (or units) compared.
    pvalue, adjusted_pvalue
        Of "the candidate is worse by more than the margin": raw, and Holm-adjusted in its family.
    minimum_detectable_loss
        Loss that this many rows would prove with 80% power.
    rows_needed
        About how many rows would settle an inconclusive finding.
    versus
        What the candidate was held against: the champion, the fixed reference champion, or an absolute
        limit (its value is then in `limit`).
    limit
        The absolute limit, or None.
    gated
        Whether the verdict depends on it.
    message
        One plain sentence.
    note
        What a statistician may want besides, such as an exact p-value.
    """

    metric: str
    slice: str | None = None
    outcome: Outcome
    greater_is_better: bool = True
    champion: float | None = None
    candidate: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    margin: float | None = None
    method: str = ""
    n: int = 0
    pvalue: float | None = None
    adjusted_pvalue: float | None = None
    minimum_detectable_loss: float | None = None
    rows_needed: int | None = None
    versus: Literal["champion", "reference", "limit"] = "champion"
    limit: float | None = None
    gated: bool = True
    message: str = ""
    note: str = ""

    @property
    def tolerance(self) -> float:
        """The accepted loss, in words; empty if no margin is known."""
        return self.margin or 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The findings of one check, and the decision that follows.

    Attributes
    ----------
    verdict
        ``pass``, ``inconclusive``, ``fail`` or ``error``.
    findings
        In the order of the policy: overall findings first, then slices.
    notices
        Sentences that every reader must see.
    held
        True if someone has to approve the merge.
    blocked
        True if the policy blocks what is not proven (``on_inconclusive: block``).

    Examples
    --------
    >>> import mlops_ci
    >>> rules = {"metrics": {"f1": {"margin": 0.01, "on_point": "fail"}}}
    >>> verdict = mlops_ci.compare({"f1": 0.92}, {"f1": 0.90}, rules)
    >>> str(verdict.verdict), verdict.exit_code, str(verdict.findings[0].outcome)
    ('fail', 1, 'worse')
    """

    verdict: Result
    findings: Sequence[Finding] = ()
    notices: tuple[str, ...] = ()
    held: bool = False
    blocked: bool = False

    def on_hold(self) -> Verdict:
        """Return the verdict held for approval if it would merge; a failure or an error stays as it is."""
        return replace(self, held=True) if self.exit_code == 0 else self

    @property
    def exit_code(self) -> int:
        """0 pass or merge with a notice, 1 fail or blocked, 3 held, 5 error."""
        if self.verdict is Result.ERROR:
            return 5
        if self.verdict is Result.FAIL or self.blocked:
            return 1
        return 3 if self.held else 0
