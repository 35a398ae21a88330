"""`plan`: how many labelled rows a holdout needs."""

from __future__ import annotations

from mlops_ci.core.gate.plan import Question, as_details, problems_of
from mlops_ci.core.gate.plan import plan as plan_rows
from mlops_ci.core.report import Notice, Report
from mlops_ci.errors import UsageError


def plan(question: Question) -> Report:
    """Answer how many rows a holdout needs.

    Raises
    ------
    UsageError
        If the question makes no sense; all problems are listed.
    """
    problems = problems_of(question)
    if problems:
        raise UsageError("; ".join(problems), remedy="see `mlops-ci plan --help`")
    answer = plan_rows(question)
    text = (
        f"With {answer.rows:,} rows, a candidate as good as the champion is proven to be within "
        f"{question.margin:g} in {question.power:.0%} of checks, and one that loses twice that much is "
        f"proven worse as often, if the two disagree on {question.disagreement:.1%} of the rows."
    )
    if question.uses > 1:
        text += f" Each of {question.uses} uses gets an error rate of {answer.alpha_each:.2g}."
    if answer.labels is not None and answer.bound is not None:
        text += (
            f" For every difference to be right to {question.tolerance:g} with reliability "
            f"{question.reliability:g}, it takes {answer.labels:,} labels; ease.ml/ci's bound asks for "
            f"{answer.bound:,}."
        )
    return Report(
        command="plan",
        headline=f"about {answer.rows:,} labelled rows",
        summary=text,
        alpha=question.alpha,
        notices=tuple(Notice(text=item) for item in answer.assumptions),
        details=as_details(question, answer),
    )
