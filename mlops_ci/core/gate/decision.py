"""Decides: from estimates to findings, and from findings to a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mlops_ci.core.gate.estimate import Estimate
from mlops_ci.core.policy import Policy
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict


def outcome_of(estimate: Estimate) -> Outcome:
    """Return the outcome of one estimate, before any correction for multiple tests."""
    if not estimate.known():
        return Outcome.ERROR
    if estimate.doubt:
        return Outcome.INCONCLUSIVE
    if estimate.better and estimate.lower > -estimate.margin:
        return Outcome.BETTER
    if estimate.lower > -estimate.margin:
        return Outcome.NON_INFERIOR
    return Outcome.WORSE if estimate.upper < -estimate.margin else Outcome.INCONCLUSIVE


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    values = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(pvalue) for pvalue in adjusted]


def correct_family(findings: Sequence[Finding], alpha: float) -> list[Finding]:
    """Set adjusted p-values in one family of findings; a loss that they do not prove becomes inconclusive.

    Only gated findings make up the family. The number of looks softens `worse` alone: passing needs
    every metric, so it is an intersection-union test and takes no correction.
    """
    places = [i for i, finding in enumerate(findings) if finding.gated and finding.pvalue is not None]
    adjusted = holm([findings[i].pvalue or 0.0 for i in places])
    corrected = list(findings)
    for place, pvalue in zip(places, adjusted, strict=True):
        finding = replace(corrected[place], adjusted_pvalue=pvalue)
        if finding.outcome is Outcome.WORSE and pvalue > alpha:
            finding = replace(finding, outcome=Outcome.INCONCLUSIVE)
        corrected[place] = finding
    return corrected


def decide(findings: Iterable[Finding], policy: Policy, *, notices: Sequence[str] = ()) -> Verdict:
    """Return the verdict that follows from the findings under a policy.

    Parameters
    ----------
    findings
        All findings, families corrected; those of slices carry a `slice`.
    policy
        Says what to do when it is not settled.
    notices
        Sentences to keep in front of the reader, before those that the decision adds.

    Notes
    -----
    Error, then fail, then inconclusive, then pass. A slice can fail the verdict, and an open slice
    never holds it. Having nothing to judge by is an error: no findings is not a pass.
    """
    kept = tuple(findings)
    said = list(notices)
    gated = [finding for finding in kept if finding.gated]
    overall = [finding for finding in gated if finding.slice is None]
    if any(finding.outcome is Outcome.ERROR for finding in gated):
        return Verdict(verdict=Result.ERROR, findings=kept, notices=tuple(said))
    if not overall:
        said.append("No gated metric could be compared, so there is nothing to decide on.")
        return Verdict(verdict=Result.ERROR, findings=kept, notices=tuple(said))
    if any(finding.outcome is Outcome.WORSE for finding in gated):
        return Verdict(verdict=Result.FAIL, findings=kept, notices=tuple(said))
    pending = [finding for finding in overall if finding.outcome is Outcome.INCONCLUSIVE]
    if not pending:
        return Verdict(verdict=Result.PASS, findings=kept, notices=tuple(said))
    outside = [finding for finding in pending if not _inside(finding)]
    held = policy.on_inconclusive == "approve" or (policy.on_inconclusive == "auto" and bool(outside))
    blocked = policy.on_inconclusive == "block"
    said.append(_open_notice(pending, outside, held=held, blocked=blocked))
    return Verdict(
        verdict=Result.INCONCLUSIVE, findings=kept, notices=tuple(said), held=held, blocked=blocked
    )


def _inside(finding: Finding) -> bool:
    """Return whether an inconclusive estimate lies inside its margin; an unknown one never does."""
    return finding.difference is not None and finding.difference >= -finding.tolerance


def _open_notice(pending: Sequence[Finding], outside: Sequence[Finding], *, held: bool, blocked: bool) -> str:
    names = ", ".join(finding.metric for finding in pending)
    if blocked:
        return f"Not settled: {names}. The policy blocks what is not proven."
    if held and outside:
        wide = ", ".join(finding.metric for finding in outside)
        which = f"{names}; outside the margin: {wide}" if wide != names else f"{names}, outside the margin"
        return f"Not settled: {which}. Someone has to approve this merge."
    if held:
        return f"Not settled: {names}. The policy asks for an approval."
    if outside:
        return (
            f"Not settled: {names}. The policy lets it pass, although a measured loss is beyond the margin."
        )
    why = (
        "The holdout is too small to prove"
        if any(finding.interval is not None for finding in pending)
        else "Single numbers cannot prove"
    )
    return (
        f"Not settled: {names}. {why} that the candidate is no worse; no measured loss is larger than its "
        "margin, so merging is allowed."
    )
