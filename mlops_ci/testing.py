"""A pytest plugin: the fixture `model_gate` runs the gate's statistics inside a test suite.

Loaded by pytest on its own where mlops-ci is installed::

    def test_the_model_is_not_worse(model_gate):
        model_gate("champion.parquet", "candidate.parquet", {"accuracy": 0.01})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mlops_ci.core.policy import Policy
    from mlops_ci.core.verdict import Verdict


@pytest.fixture(scope="session")
def model_gate() -> Callable[..., Verdict]:
    """Return `gate`, which fails the test if merging would make the model worse, or if that is unknown."""
    return gate


def gate(
    champion: Any,
    candidate: Any,
    policy: Policy | Mapping[str, Any],
    *,
    inconclusive: str = "auto",
    **options: Any,
) -> Verdict:
    """Compare two models on the same rows, and fail the test if merging would make the model worse.

    Parameters
    ----------
    champion, candidate
        Frames or files of predictions, as of `mlops_ci.compare`.
    policy
        A `mlops_ci.Policy`; a mapping with the keys of mlops-ci.yaml; or margins by metric, such as
        ``{"accuracy": 0.01, "log_loss": "2%"}``.
    inconclusive
        ``auto``: what is not settled passes where every open estimate is inside its margin; ``pass`` and
        ``fail`` let all of it pass or fail. A policy's own `on_inconclusive` decides under ``auto``.
    **options
        Names of columns and what surrounds the comparison, as of `mlops_ci.compare`.

    Returns
    -------
    Verdict
        For further assertions.

    Raises
    ------
    AssertionError
        Saying the verdict, and each finding in a sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> old = pd.DataFrame({"id": range(400), "y_true": [0, 1] * 200, "y_pred": [0, 1] * 200})
    >>> str(gate(old, old, {"accuracy": 0.01}).verdict)
    'pass'
    """
    __tracebackhide__ = True
    from mlops_ci.api import compare  # noqa: PLC0415 (every pytest run loads this module)
    from mlops_ci.core.verdict import Result  # noqa: PLC0415

    verdict = compare(champion, candidate, _policy(policy), **options)
    open_ = verdict.verdict is Result.INCONCLUSIVE
    passes = inconclusive == "pass" if open_ and inconclusive != "auto" else verdict.exit_code == 0
    if not passes:
        raise AssertionError(_said(verdict))
    return verdict


def _policy(policy: Any) -> Any:
    """Return margins by metric as a policy's mapping; return a policy's mapping unchanged."""
    blocks = {"metrics", "gate", "evaluation"}
    if not isinstance(policy, Mapping) or set(policy) & blocks:
        return policy
    return {
        "metrics": {
            name: rule if isinstance(rule, Mapping) else {"margin": rule} for name, rule in policy.items()
        }
    }


def _said(verdict: Verdict) -> str:
    word = {"fail": "merging this makes the model worse", "error": "could not tell"}
    lines = [f"the model gate says {verdict.verdict}: {word.get(str(verdict.verdict), 'not settled')}"]
    lines += [f"  {one.outcome}: {one.message}" for one in verdict.findings if one.gated]
    lines += [f"  ! {text}" for text in verdict.notices]
    return "\n".join(lines)
