"""Converts settings to the core's policy, with the checks that involve several keys."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mlops_ci.core.metric_names import GREATER_IS_BETTER, REPORT_ONLY, SHARES
from mlops_ci.core.policy import MetricPolicy, Policy, Strict
from mlops_ci.settings.evaluation import EvaluationSettings, MetricSettings
from mlops_ci.settings.model import GateSettings, Settings


def policy_of(settings: Settings) -> Policy:
    """Return the policy of one model's gate."""
    return to_policy(settings.metrics, settings.gate, settings.evaluation)


def metric_problems(name: str, metric: MetricSettings) -> list[str]:
    """Return problems of one metric that involve several of its keys."""
    kind = metric.metric or name
    custom = bool(metric.column or metric.from_ or ":" in kind)
    problems = []
    if not custom and kind not in GREATER_IS_BETTER:
        near = get_close_matches(kind, GREATER_IS_BETTER, 1)
        hint = (
            f"did you mean '{near[0]}'?"
            if near
            else "give `column`, `from` or `metric: package.module:function`"
        )
        problems.append(f"metrics.{name}: there is no metric '{kind}'; {hint}")
    if custom and metric.greater_is_better is None:
        problems.append(
            f"metrics.{name}.greater_is_better: must be said; a direction is never guessed from a name"
        )
    known = GREATER_IS_BETTER.get(kind) if not custom else None
    if known is not None and metric.greater_is_better not in (None, known):
        problems.append(
            f"metrics.{name}.greater_is_better: {kind} is better when {'greater' if known else 'smaller'}"
        )
    if metric.gate and metric.margin is None and metric.minimum is None and metric.maximum is None:
        problems.append(f"metrics.{name}.margin: missing; say which loss is acceptable, or `gate: false`")
    if metric.gate and not custom and _accepts_all(kind, *metric.margin_value):
        problems.append(
            f"metrics.{name}.margin: {metric.margin} accepts any loss of {kind}; two points are 0.02, and"
            " 2 % of the champion's value is '2%'"
        )
    if kind in REPORT_ONLY and metric.gate:
        problems.append(f"metrics.{name}.gate: {kind} is reported, not gated; set `gate: false`")
    return problems


def _accepts_all(kind: str, margin: float, relative: bool) -> bool:
    """Return whether no model can lose more than a margin: guarding nothing for a slip of the pen."""
    if relative:
        return GREATER_IS_BETTER.get(kind, False) and margin >= 1
    return kind in SHARES and margin >= 1


def between_blocks(metrics: Any, gate: Any, evaluation: Any) -> list[str]:
    """Return what names something in another block that is not there, from the blocks as they are written.

    What guards nothing for a slip of the pen would never be missed.
    """
    named = list(metrics) if isinstance(metrics, Mapping) else []
    total = gate.get("max_total_loss") if isinstance(gate, Mapping) else None
    problems = []
    for name in total if isinstance(total, Mapping) else ():
        if name not in named:
            near = get_close_matches(str(name), [str(one) for one in named], 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(f"gate.max_total_loss.{name}: `metrics` has no '{name}'{hint}")
    there = evaluation.get("slices") if isinstance(evaluation, Mapping) else None
    for name in named:
        block = metrics[name]
        if isinstance(block, Mapping) and block.get("slices") is True and not there:
            problems.append(f"metrics.{name}.slices: `evaluation.slices` names no column to slice by")
    return problems


def to_policy(
    metrics: dict[str, MetricSettings], gate: GateSettings, evaluation: EvaluationSettings
) -> Policy:
    """Return the core's policy for these settings."""
    columns = tuple(item if isinstance(item, str) else item.column for item in evaluation.slices)
    total = gate.max_total_loss
    if isinstance(total, (int, float)):
        total = {name: float(total) for name, metric in metrics.items() if metric.gate}
    return Policy(
        metrics={name: _metric_policy(name, metric, columns, evaluation) for name, metric in metrics.items()},
        alpha=gate.alpha,
        on_inconclusive=gate.on_inconclusive,
        on_drift=gate.on_drift,
        on_no_champion=gate.on_no_champion,
        max_total_loss=total or {},
        strict=Strict(uses=gate.strict.uses, adaptivity=gate.strict.adaptivity) if gate.strict else None,
        min_slice=gate.min_slice,
        bins={
            item.column: tuple(item.bins) if isinstance(item.bins, list) else item.bins
            for item in evaluation.slices
            if not isinstance(item, str)
        },
        seed=gate.seed,
    )


def _metric_policy(
    name: str, metric: MetricSettings, slices: tuple[str, ...], evaluation: EvaluationSettings
) -> MetricPolicy:
    margin, relative = metric.margin_value
    kind = "column" if metric.column else metric.metric or name
    return MetricPolicy(
        metric="scalar" if metric.from_ else kind,
        greater_is_better=GREATER_IS_BETTER.get(kind, metric.greater_is_better),
        margin=margin,
        relative=relative,
        gate=metric.gate,
        minimum=metric.minimum,
        maximum=metric.maximum,
        slices=tuple(metric.slices) if isinstance(metric.slices, list) else slices if metric.slices else (),
        average=metric.average,
        positive=metric.positive or evaluation.positive,
        column=metric.column,
        aggregate=metric.aggregate,
        source=metric.from_,
        on_point=metric.on_point,
        clip=metric.clip,
        fpr=metric.fpr,
    )
