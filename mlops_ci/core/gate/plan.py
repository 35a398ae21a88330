"""Sample-size planning: how many labelled rows a holdout needs to settle a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.core.gate.label_complexity import Adaptivity, difference_chances, labels_needed, log_uses
from mlops_ci.core.gate.power import POWER, rows_for_disagreement


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a holdout must be able to answer.

    Attributes
    ----------
    margin
        Accepted loss of accuracy, in (0, 1).
    disagreement
        Share of rows where exactly one of champion and candidate is right, in (0, 1].
    power
        How often an equally good candidate shall pass.
    alpha
        One-sided error rate of each proof, over all uses.
    uses, adaptivity
        Candidates to be judged on it, and what their authors learn in between: nothing (`none`), that a
        change passed, whereupon the holdout is replaced (`first_change`), or every verdict (`full`).
    reliability, tolerance
        Instead of power: a measured difference shall be off by `tolerance` at most, in all uses
        together with this probability (the conditions of ease.ml/ci). None leaves it out.
    """

    margin: float
    disagreement: float
    power: float = POWER
    alpha: float = 0.05
    uses: int = 1
    adaptivity: Adaptivity = "none"
    reliability: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The number of rows needed.

    Attributes
    ----------
    rows
        For the power that was asked for; None if alpha over all uses is too small to be spent.
    alpha_each
        Error rate that each use gets.
    labels
        For reliability and tolerance, or None.
    bound
        The same by ease.ml/ci's Bennett bound, or None.
    assumptions
        What it rests on, in sentences.
    """

    rows: int
    alpha_each: float
    labels: int | None = None
    bound: int | None = None
    assumptions: tuple[str, ...] = ()


def problems_of(question: Question) -> list[str]:
    """Return all problems of a question."""
    found = []
    for name, low, high in (("margin", 0, 1), ("disagreement", 0, 1), ("power", 0, 1), ("alpha", 0, 0.5)):
        value = getattr(question, name)
        if not low < value <= high or (name != "disagreement" and value == high):
            found.append(f"{name} must lie between {low} and {high}, not {value}")
    if question.uses < 1:
        found.append(f"uses must be 1 or more, not {question.uses}")
    if (question.reliability is None) != (question.tolerance is None):
        found.append("reliability and tolerance belong together")
    if question.reliability is not None and not 0 < question.reliability < 1:
        found.append(f"reliability must lie between 0 and 1, not {question.reliability}")
    if question.tolerance is not None and not 0 < question.tolerance < question.disagreement:
        found.append(f"tolerance must lie between 0 and the disagreement, not {question.tolerance}")
    if question.adaptivity == "full" and question.uses > 500:
        found.append("with full adaptivity, more than 500 uses cannot be paid for")
    return found


def plan(question: Question) -> Answer:
    """Return how many labelled rows a holdout needs.

    Raises
    ------
    ValueError
        If the question makes no sense; the message lists every problem.
    """
    problems = problems_of(question)
    if problems:
        raise ValueError("; ".join(problems))
    each = math.exp(math.log(question.alpha) - log_uses(question.uses, question.adaptivity))
    answer = Answer(
        rows=rows_for_disagreement(question.margin, question.disagreement, each, question.power),
        alpha_each=each,
        assumptions=assumptions_of(question),
    )
    if question.reliability is None or question.tolerance is None:
        return answer
    log_delta = math.log1p(-question.reliability)
    k = log_uses(question.uses, question.adaptivity)
    labels = labels_needed(
        question.tolerance, log_delta - math.log(4) - k, difference_chances(question.disagreement)
    )
    return replace(answer, labels=labels, bound=bennett_rows(question, k - log_delta + math.log(4)))


def bennett_rows(question: Question, exponent: float) -> int:
    """Return ease.ml/ci's rows for "n - o > c and d < p": exponent / (p h(eps / p)), by Bennett's bound."""
    ratio = (question.tolerance or 0.0) / question.disagreement
    return math.ceil(exponent / (question.disagreement * ((1 + ratio) * math.log1p(ratio) - ratio)))


def assumptions_of(question: Question) -> tuple[str, ...]:
    """Return the assumptions behind the numbers, in sentences."""
    said = [
        f"Champion and candidate disagree in being right on {question.disagreement:g} of the rows; measure "
        "this on two models you have (unlabelled rows do for an upper bound).",
        "Rows are independent and drawn like production's.",
    ]
    if question.uses == 1:
        return tuple(said)
    rule = {
        "none": "Nobody learns a verdict before the last use, so the error rate is shared evenly.",
        "first_change": "The holdout is replaced as soon as a change passes: only failures are learnt.",
        "full": "Every use tells its author one bit, pass or fail: 2^uses paths share the rate.",
    }
    return (*said, rule[question.adaptivity])


def as_details(question: Question, answer: Answer) -> dict[str, Any]:
    """Return question and answer as plain values, for a report."""
    return {**question.__dict__, **answer.__dict__, "assumptions": list(answer.assumptions)}
