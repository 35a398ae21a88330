"""The public Python API of the gate: `compare` on frames, paths or evaluations."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_ci.adapters.ports import Columns
from mlops_ci.core.evidence import Evaluation, InvalidEvaluationError, evaluation
from mlops_ci.core.gate.compare import Results
from mlops_ci.core.gate.compare import compare as compare_results
from mlops_ci.core.policy import Policy as CorePolicy
from mlops_ci.core.verdict import Verdict
from mlops_ci.errors import PredictionsError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    Side = pd.DataFrame | str | Path | Evaluation | Results | Mapping[str, float | Sequence[float]]


class Policy(CorePolicy):
    """The rules of one gate; see `mlops_ci.core.policy.Policy` for its fields."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Policy:
        """Return a policy from the keys `metrics`, `gate` and `evaluation` of mlops-ci.yaml.

        Raises
        ------
        SettingsError
            Listing every problem.

        Examples
        --------
        >>> policy = Policy.from_mapping({"metrics": {"recall": {"margin": "2%"}}})
        >>> policy.metrics["recall"].relative
        True
        """
        found = policy_and_columns(mapping)[0]
        return cls(**{item.name: getattr(found, item.name) for item in fields(found)})


CONTEXT = {"same_model", "uses", "promotions", "reference", "functions"}


def compare(
    champion: Side, candidate: Side, policy: CorePolicy | Mapping[str, Any], **options: Any
) -> Verdict:
    """Decide whether a candidate is worse than the champion on the same holdout.

    Parameters
    ----------
    champion, candidate
        A pandas DataFrame or the path of a CSV, Parquet, Feather or JSON-lines file with one row for each
        holdout row; or values by metric name, for which less can be proven.
    policy
        A `Policy`, or a mapping with the keys of mlops-ci.yaml: ``metrics``, ``gate``, ``evaluation``.
    **options
        Names of columns: ``id``, ``target``, ``prediction``, ``score`` (a name, or one a class),
        ``group``, ``weight``; by default those of mlops-ci.yaml. And what surrounds the comparison:
        ``same_model``, ``uses``, ``promotions``, ``reference``, ``functions`` (see
        `mlops_ci.core.gate.compare.Context`).

    Returns
    -------
    Verdict
        With ``.verdict`` and ``.findings``, each of which has ``metric``, ``slice``, ``outcome``,
        ``difference`` (positive is better), ``interval``, ``margin``, ``method``, ``n`` and ``message``.

    Raises
    ------
    PredictionsError
        If a frame or file is no evaluation: a column is missing, an id occurs twice, a value is missing.
    SettingsError
        If the policy does not say what it must; all problems are listed.

    Examples
    --------
    >>> import pandas as pd
    >>> old = pd.DataFrame({"id": range(400), "y_true": [0, 1] * 200, "y_pred": [0, 1] * 200})
    >>> new = old.assign(y_pred=[0, 1] * 150 + [1, 1] * 50)
    >>> verdict = compare(old, new, {"metrics": {"accuracy": {"margin": 0.01}}})
    >>> str(verdict.verdict)
    'fail'
    >>> verdict.findings[0].difference
    -0.125
    """
    context = {key: options.pop(key) for key in list(options) if key in CONTEXT}
    mapping = {} if isinstance(policy, CorePolicy) else dict(policy)
    unknown = sorted(set(options) - {"id", "target", "prediction", "score", "group", "weight"})
    if unknown:
        raise UsageError(
            f"compare() knows no option '{unknown[0]}'", remedy="see help(mlops_ci.compare) for its options"
        )
    mapping["evaluation"] = {**(mapping.get("evaluation") or {}), **options}
    if isinstance(policy, CorePolicy):
        resolved, columns = policy, _columns(mapping["evaluation"], policy)
    else:
        resolved, columns = policy_and_columns(mapping)
    context.setdefault("functions", functions_of(resolved))
    if context.get("reference") is not None:
        context["reference"] = _side(context["reference"], columns, "reference")
    return compare_results(
        _side(champion, columns, "champion"), _side(candidate, columns, "candidate"), resolved, **context
    )


def policy_and_columns(mapping: Mapping[str, Any]) -> tuple[CorePolicy, Columns]:
    """Return the policy of the settings, and the roles of the columns of predictions."""
    from mlops_ci.settings import policy_from_mapping  # noqa: PLC0415 (pydantic: half a second)

    policy = policy_from_mapping(mapping)
    return policy, _columns(mapping.get("evaluation") or {}, policy)


def functions_of(policy: CorePolicy) -> dict[str, Callable[..., Any]]:
    """Import the user's own metrics, ``package.module:function``.

    Only for a process that runs the user's own code on purpose; `check --evidence` never calls this.

    Raises
    ------
    UsageError
        If one cannot be imported.
    """
    found: dict[str, Callable[..., Any]] = {}
    for name, rule in policy.metrics.items():
        if ":" not in rule.metric:
            continue
        module, _, attribute = rule.metric.partition(":")
        try:
            found[rule.metric] = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"metrics.{name}: '{rule.metric}' cannot be imported ({error})",
                remedy="make it importable here, or hand it over: compare(..., functions={...})",
            ) from error
    return found


def _columns(evaluation_keys: Mapping[str, Any], policy: CorePolicy) -> Columns:
    """Return the roles of columns; those set explicitly are required, the others may be missing."""
    further = [column for rule in policy.metrics.values() for column in rule.slices]
    further += [rule.column for rule in policy.metrics.values() if rule.column]
    written = {
        key: evaluation_keys[key]
        for key in ("target", "prediction", "score", "group", "weight")
        if evaluation_keys.get(key)
    }
    required = {name for value in written.values() for name in ([value] if isinstance(value, str) else value)}
    return Columns(
        id=evaluation_keys.get("id") or "id",
        target=written.get("target", "y_true"),
        prediction=written.get("prediction", "y_pred"),
        score=written.get("score", "y_score"),
        group=written.get("group"),
        weight=written.get("weight"),
        further=tuple(dict.fromkeys(further)),
        required=frozenset(required),
    )


def _side(side: Any, columns: Columns, name: str) -> Any:
    """Convert one side to what the core accepts."""
    if isinstance(side, (str, Path)):
        from mlops_ci.adapters.data.evaluations import EvaluationFiles  # noqa: PLC0415 (pyarrow)
        from mlops_ci.adapters.data.frames import TableReader  # noqa: PLC0415

        return EvaluationFiles(TableReader()).read(Path(side), columns)
    if isinstance(side, (Evaluation, Results)) or not hasattr(side, "columns"):
        return side
    return _of_frame(side, columns, name)


def _of_frame(frame: pd.DataFrame, columns: Columns, name: str) -> Evaluation:
    """Return the evaluation that a frame holds."""
    scores = [columns.score] if isinstance(columns.score, str) else list(columns.score or ())
    for column in (columns.id, *columns.required):
        if column not in frame.columns:
            raise PredictionsError(
                f"the {name}'s frame has no column '{column}'",
                remedy=f"it has {', '.join(map(str, frame.columns[:8]))}: name the right one",
            )

    def values(column: str | None) -> Any:
        return None if column is None or column not in frame.columns else frame[column].to_numpy()

    present = [column for column in scores if column in frame.columns]
    try:
        return evaluation(
            id=values(columns.id),
            target=values(columns.target),
            prediction=values(columns.prediction),
            score=None
            if not present
            else values(present[0])
            if len(scores) == 1
            else frame[present].to_numpy(),
            score_labels=tuple(scores) if len(scores) > 1 else (),
            group=values(columns.group),
            weight=values(columns.weight),
            columns={column: values(column) for column in columns.further if column in frame.columns},
        )
    except InvalidEvaluationError as error:
        raise PredictionsError(f"the {name}'s frame: {error}") from None
