"""Errors: one class per kind of failure, each with an exit code and a remedy in its message.

::

    MlopsCiError
    ├── UsageError (2)             wrong flags or arguments
    │   └── SettingsError (2)      mlops-ci.yaml does not say what it must
    ├── ServiceError (4)           MLflow, the DVC remote or the forge failed: try again
    │   └── ConflictError (4)      someone else changed the same thing at the same time
    └── EvidenceError (5)          nothing trustworthy to decide on: fix it
        ├── PipelineError (5)      the DVC pipeline could not be reproduced
        ├── PredictionsError (5)   a predictions file cannot be read as an evaluation
        └── HoldoutError (5)       the two models were not scored on the same rows
"""

from __future__ import annotations

from collections.abc import Sequence


class MlopsCiError(Exception):
    """Base of all failures that mlops-ci reports to its user.

    Parameters
    ----------
    problem
        What is wrong, naming the file, row or key.
    remedy
        What the user can do about it, as an imperative sentence.
    """

    exit_code = 2

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  -> {self.remedy}" if self.remedy else self.problem


class UsageError(MlopsCiError):
    """The command line, or where it was run, is wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """A settings file is wrong; all its problems are listed at once."""

    def __init__(self, source: str, problems: Sequence[str], *, remedy: str = "") -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  {source}: {problem}" for problem in problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        super().__init__(f"{count} in {source}\n{listed}", remedy=remedy)


class ServiceError(MlopsCiError):
    """A service we depend on failed; the same command may succeed later."""

    exit_code = 4

    def __init__(self, service: str, problem: str, *, remedy: str = "") -> None:
        self.service = service
        super().__init__(f"{service}: {problem}", remedy=remedy)


class UncertainError(ServiceError):
    """A request that starts or creates something got no answer: it may have succeeded, so look first."""


class ConflictError(ServiceError):
    """Someone else changed the same thing at the same time: read again, decide again."""


class EvidenceError(MlopsCiError):
    """There is no evidence that a decision could rest on."""

    exit_code = 5


class PipelineError(EvidenceError):
    """The pipeline failed, or cannot be run as it stands."""


class PredictionsError(EvidenceError):
    """A predictions file is missing, unreadable, or lacks what is needed."""


class HoldoutError(EvidenceError):
    """Candidate and champion cannot be compared row by row."""
