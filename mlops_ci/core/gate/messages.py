"""Writes findings as plain sentences, for readers without a statistics background."""

from __future__ import annotations

from mlops_ci.core.formatting import decimals, fixed, signed, stated
from mlops_ci.core.verdict import Finding, Outcome


def place(finding: Finding) -> str:
    """Return the name of the metric, with its slice, and with its reference if that is not the champion."""
    name = finding.metric if finding.slice is None else f"{finding.metric} on {finding.slice}"
    return f"{name} since the reference champion" if finding.versus == "reference" else name


def sentence(finding: Finding, *, confidence: float = 0.9, doubt: str = "") -> str:
    """Return the sentence of a finding.

    Parameters
    ----------
    finding
        With its numbers and its outcome.
    confidence
        Of the two-sided interval that the two one-sided bounds make.
    doubt
        Why the evidence is too thin for a proof, or empty.
    """
    if finding.versus == "limit":
        return _limit(finding, confidence, doubt)
    if finding.champion is None or finding.candidate is None or finding.difference is None:
        return f"{place(finding)} could not be compared{': ' + doubt if doubt else ''}."
    return _body(finding, confidence, doubt)


def _body(finding: Finding, confidence: float, doubt: str) -> str:
    name, places = place(finding), decimals(finding)
    size = fixed(abs(finding.difference or 0.0), places)
    accepted = f"the {stated(finding.tolerance, places)} this team accepts"
    span = _span(finding, confidence)
    move = _move(finding)
    if finding.outcome is Outcome.BETTER:
        return f"{name} {move}: better by {size}{span}."
    if finding.outcome is Outcome.NON_INFERIOR:
        proven = finding.interval is not None and finding.interval[1] < 0
        start = "measurably worse, but within" if proven else "no worse than"
        return f"{name} {move}: {start} {accepted}{span}."
    if finding.outcome is Outcome.WORSE:
        return f"{name} {move}: a loss of {size}{span}, more than {accepted}."
    if finding.outcome is Outcome.UNCHANGED:
        return f"{name} is {fixed(finding.candidate or 0.0, places)} for both: the same model answers."
    if finding.outcome is Outcome.ERROR:
        return f"{name} could not be compared{': ' + doubt if doubt else ''}."
    return _open(finding, accepted, span, doubt)


def _limit(finding: Finding, confidence: float, doubt: str) -> str:
    """Return the sentence on an absolute limit."""
    value, limit, places = finding.candidate or 0.0, finding.limit or 0.0, decimals(finding)
    above = (finding.difference or 0.0) == value - limit
    bound = f"{'minimum' if above else 'maximum'} of {stated(limit, places)}"
    ends = (
        []
        if finding.interval is None
        else [limit + end if above else limit - end for end in finding.interval]
    )
    span = ""
    if ends:
        low, high = (fixed(end, places) for end in (min(ends), max(ends)))
        span = f" ({100 * confidence:.4g}% interval {low} to {high})"
    text = f"{finding.metric} is {fixed(value, places)}{span}"
    if finding.outcome is Outcome.NON_INFERIOR:
        return f"{text}: the {bound} is kept."
    if finding.outcome is Outcome.WORSE:
        return f"{text}: the {bound} is broken."
    return f"{text}, but {doubt or f'{finding.n:,} rows are too few to tell'} whether the {bound} is kept."


def _open(finding: Finding, accepted: str, span: str, doubt: str) -> str:
    """Return why a result is inconclusive, and what would settle it."""
    difference, margin = finding.difference or 0.0, finding.tolerance
    size = fixed(abs(difference), decimals(finding))
    side = "inside" if difference >= -margin else "outside"
    looks = f"{place(finding)} looks the same{span}"
    if difference > 0:
        looks = f"{place(finding)} looks {size} better{span}"
    if difference < 0:
        looks = f"{place(finding)} looks {size} worse{span}, {side} {accepted}"
    if finding.interval is not None and finding.interval[1] < 0:
        looks += ", a proven loss whose size is not settled"
    if finding.interval is None:
        why = doubt or "one number of each model cannot tell a real change from chance"
    elif doubt:
        why = doubt
    elif finding.adjusted_pvalue is not None and finding.interval[1] < -margin:
        why = "this could be chance, given how many metrics were looked at"
    else:
        why = f"{finding.n:,} rows are too few to tell"
    needed = f"; about {finding.rows_needed:,} rows would settle it" if finding.rows_needed else ""
    return f"{looks}, but {why}{needed}."


def _move(finding: Finding) -> str:
    champion, candidate, places = finding.champion or 0.0, finding.candidate or 0.0, decimals(finding)
    before, after = fixed(champion, places), fixed(candidate, places)
    if before == after:
        return f"stays at {after}"
    return f"{'rises' if candidate > champion else 'falls'} from {before} to {after}"


def _span(finding: Finding, confidence: float) -> str:
    """Return the interval of the change in the sense of the sentence: as a loss if it speaks of a loss."""
    if finding.interval is None:
        return ""
    low, high = finding.interval
    write = signed
    if finding.outcome is Outcome.WORSE:
        low, high, write = -high, -low, fixed
    places = decimals(finding)
    return f" ({100 * confidence:.4g}% interval {write(low, places)} to {write(high, places)})"
