"""The report of a check that ended in an error; a module of its own, so that it imports little."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_ci.core.report import Notice, Report, Source
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.core.wording import headline, next_step
from mlops_ci.errors import MlopsCiError


def could_not_tell(model: str, error: MlopsCiError, source: Source, notices: Sequence[Notice] = ()) -> Report:
    """Return the report of a check that ended in an error: never a pass.

    Without a model it is about settings that could not be read.
    """
    verdict = Verdict(verdict=Result.ERROR, findings=())
    return Report(
        command="check",
        model=model,
        verdict=Result.ERROR,
        exit_code=error.exit_code,
        headline=headline(model or "mlops-ci", verdict, champion=None, problem=error.problem),
        summary=error.problem,
        next_step=_sentence(error.remedy) or next_step(verdict, source.head, None, approvable=False),
        notices=tuple(notices),
        source=source,
    )


def _sentence(remedy: str) -> str:
    """Return a remedy as a sentence of its own."""
    text = remedy[:1].upper() + remedy[1:]
    return f"{text}." if text and text[-1].isalnum() else text
