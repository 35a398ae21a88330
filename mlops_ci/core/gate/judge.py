"""Judges two evaluations of the same rows: every metric overall, on slices, and between slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.builders import measure_of
from mlops_ci.core.gate.draft import Draft, draft_limits, draft_of, missing
from mlops_ci.core.gate.estimate import Level, Measure, Rules, UndefinedError
from mlops_ci.core.gate.metrics import UnknownMetricError, greater_is_better
from mlops_ci.core.gate.pair import Pair, pair_of
from mlops_ci.core.gate.slices import Slice, cut
from mlops_ci.core.metric_names import REPORT_ONLY
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from mlops_ci.core.gate.results import Results

Judged = tuple[dict[str, list[Draft]], list[Draft], list[Draft], list[str]]


def judge_pair(
    champion: Results,
    candidate: Results,
    policy: Policy,
    names: Sequence[str],
    functions: Mapping[str, Callable[..., Any]],
) -> Judged:
    """Return the drafts of metrics on all rows, of slices and of gaps, and notices."""
    if not names or champion.evaluation is None or candidate.evaluation is None:
        return {}, [], [], []
    pair = pair_of(champion.evaluation, candidate.evaluation, functions)
    wanted = dict.fromkeys(column for name in names for column in policy.metrics[name].slices)
    slices, said = slices_of(pair, tuple(wanted), policy)
    every = np.arange(len(candidate.evaluation))
    overall: dict[str, list[Draft]] = {}
    sliced: list[Draft] = []
    gaps: list[Draft] = []
    for name in names:
        rule = policy.metrics[name]
        if rule.metric in REPORT_ONLY and rule.gate:
            overall[name] = [missing(name, rule, "it is reported and cannot be judged (`gate: false`)")]
            continue
        try:
            rules = rules_of(name, rule, policy)
            measure = measure_of(name, rule, pair)
            limited = rule.minimum is not None or rule.maximum is not None
            # Without a margin only the limits judge: against the champion, nothing could ever pass.
            shown = replace(rule, gate=False) if limited and rule.margin == 0 else rule
            overall[name] = [draft_of(name, shown, rules, measure.estimate(every, rules))]
            if limited:
                overall[name] += draft_limits(name, rule, rules, measure.level(every, rules))
        except (UnknownMetricError, UndefinedError) as problem:
            overall[name] = [missing(name, rule, str(problem))]
            continue
        for column in rule.slices:
            if slices.get(column) is None:
                overall[name].append(missing(name, rule, f"there is no column '{column}' to slice by"))
                continue
            found, gap = _slices(name, column, rule, rules, measure, slices[column])
            sliced += found
            gaps += gap
    return overall, sliced, gaps, said


def rules_of(name: str, rule: MetricPolicy, policy: Policy) -> Rules:
    """Return the resolved rules of a metric."""
    return Rules(
        greater_is_better=greater_is_better(name, rule),
        margin=rule.margin,
        relative=rule.relative,
        alpha=policy.alpha,
        seed=policy.seed,
    )


def slices_of(pair: Pair, columns: Sequence[str], policy: Policy) -> tuple[dict[str, list[Slice]], list[str]]:
    """Return the slices of each available column, and notices on what is left out."""
    slices: dict[str, list[Slice]] = {}
    said: list[str] = []
    for column in columns:
        values = _slice_column(pair, column)
        if values is None:
            continue
        slices[column], left_out = cut(column, values, policy.min_slice, policy.bins.get(column))
        if left_out:
            count = f"{len(left_out)} slice{'s' if len(left_out) != 1 else ''}"
            said.append(f"{count} of '{column}' with fewer than {policy.min_slice} rows were not compared.")
    return slices, said


def _slice_column(pair: Pair, column: str) -> Array | None:
    """Return a column of the holdout: preferably the champion's, which the pull request cannot edit."""
    for evaluation in (pair.champion, pair.candidate):
        if column in evaluation.columns:
            return evaluation.columns[column]
        if column == "group" and evaluation.group is not None:
            return evaluation.group
    return None


def _slices(
    name: str, column: str, rule: MetricPolicy, rules: Rules, measure: Measure, slices: Sequence[Slice]
) -> tuple[list[Draft], list[Draft]]:
    """Return the drafts of a metric on the slices of one column, and of the gap between them."""
    drafts: list[Draft] = []
    levels: list[tuple[Slice, Level, Draft]] = []
    for one in slices:
        try:
            draft = draft_of(name, rule, rules, measure.estimate(one.rows, rules), part=one.name)
            if not math.isfinite(draft.finding.difference or 0.0):
                raise UndefinedError("its value is not a number")
            levels.append((one, measure.level(one.rows, rules), draft))
        except UndefinedError as problem:
            draft = _undefined(name, rule, rules, one, str(problem))
        drafts.append(draft)
    return drafts, _gap(name, column, rule, rules, levels)


def _undefined(name: str, rule: MetricPolicy, rules: Rules, one: Slice, why: str) -> Draft:
    """Return the draft of a slice on which the metric is undefined; it neither passes nor blocks."""
    finding = Finding(
        metric=name,
        slice=one.name,
        outcome=Outcome.INCONCLUSIVE,
        greater_is_better=rules.greater_is_better,
        margin=rule.margin,
        n=len(one.rows),
        gated=rule.gate,
    )
    return Draft(finding=finding, doubt=why)


def _gap(
    name: str, column: str, rule: MetricPolicy, rules: Rules, levels: Sequence[tuple[Slice, Level, Draft]]
) -> list[Draft]:
    """Return the candidate's widest gap between two slices, with an interval that holds for all pairs.

    Slices share no row, so that their errors add up; the quantile is Bonferroni's over all pairs,
    because the widest was looked for. It is shown (a fairness view) and not judged.
    """
    known = [item for item in levels if math.isfinite(item[1].error)]
    if len(known) < 2:
        return []
    quantile = float(ndtri(1 - rules.alpha / len(list(combinations(known, 2)))))
    best, worst = (pick(known, key=lambda item: rules.sign * item[1].value) for pick in (max, min))
    gap = rules.sign * (best[1].value - worst[1].value)
    half = quantile * math.hypot(best[1].error, worst[1].error)
    before = [item[2].finding.champion or 0.0 for item in (best, worst)]
    former = rules.sign * (before[0] - before[1])
    finding = Finding(
        metric=f"{name} gap",
        slice=f"{best[0].name} / {worst[0].name}",
        outcome=Outcome.INCONCLUSIVE,
        greater_is_better=False,
        champion=former,
        candidate=gap,
        difference=former - gap,
        margin=rule.margin,
        method="gap between slices, Bonferroni over pairs",
        n=len(best[0].rows) + len(worst[0].rows),
        gated=False,
        message=(
            f"{name} differs by {gap:.3f} between {best[0].name} ({best[1].value:.3f}) and {worst[0].name} "
            f"({worst[1].value:.3f}), the widest gap by {column} (interval {max(gap - half, 0):.3f} to "
            f"{gap + half:.3f}); for the champion it is {former:.3f}."
        ),
    )
    return [Draft(finding=finding)]
