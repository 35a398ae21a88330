"""The inputs of a comparison: evaluations, scalar values, and their context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.gate.scalars import Scalars

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of one model: its evaluation, and scalars from its metrics files or its run.

    Attributes
    ----------
    evaluation
        Per-row predictions, or None if only values are known.
    scalars
        Values by the metric's name in the policy: one number, or one of each repeated run.
    sizes
        Rows behind each value that is a proportion.
    test_share
        Test rows over training rows where repeated values are of the same folds on both sides.
    """

    evaluation: Evaluation | None = None
    scalars: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    test_share: float | None = None

    def values(self) -> Scalars:
        """Return the scalar values."""
        return Scalars(values=self.scalars, sizes=self.sizes, test_share=self.test_share)


Evidence = Results | Evaluation | Mapping[str, float | Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Context:
    """The context of one comparison.

    Attributes
    ----------
    same_model
        True if both are the same bytes.
    uses
        Different candidates that were judged on this holdout before.
    promotions
        Champions that were chosen on this holdout, or None if that is not known.
    reference
        The fixed reference champion that `max_total_loss` speaks of, or None.
    functions
        The user's own metrics, by the metric's name in the policy or by ``package.module:function``.
    """

    same_model: bool = False
    uses: int = 0
    promotions: int | None = None
    reference: Evidence | None = None
    functions: Functions = field(default_factory=dict)


def as_results(evidence: Evidence) -> Results:
    """Return evidence of any accepted form as `Results`."""
    if isinstance(evidence, Results):
        return evidence
    if isinstance(evidence, Evaluation):
        return Results(evaluation=evidence)
    return Results(scalars=evidence)
