"""`compare`: two predictions files, one verdict; no DVC, MLflow or forge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_ci.adapters.ports import Columns, Evaluations
from mlops_ci.core.evidence import holdout_digest
from mlops_ci.core.gate.compare import compare as compare_models
from mlops_ci.core.policy import Policy
from mlops_ci.core.report import Notice, Report
from mlops_ci.core.wording import headline, next_step, summary


def compare(
    champion: Path,
    candidate: Path,
    policy: Policy,
    columns: Columns,
    evaluations: Evaluations,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Report:
    """Compare the predictions of two models on the same rows.

    Parameters
    ----------
    champion, candidate
        Predictions files.
    columns
        What their columns mean.
    functions
        The user's own metrics by name; they run in this process.

    Raises
    ------
    PredictionsError
        If a file cannot be read as an evaluation.
    """
    first, second = (evaluations.read(path, columns) for path in (champion, candidate))
    verdict = compare_models(first, second, policy, functions=functions or {})
    name = candidate.name
    return Report(
        command="compare",
        verdict=verdict.verdict,
        exit_code=verdict.exit_code,
        headline=headline(name, verdict, champion=champion.name),
        summary=summary(verdict, champion.name, len(second)),
        next_step=next_step(verdict, "", None, approvable=False),
        findings=verdict.findings,
        alpha=policy.alpha,
        holdout={"digest": holdout_digest(second), "n": len(second)},
        notices=tuple(Notice(text=text, level="warning") for text in verdict.notices),
    )
