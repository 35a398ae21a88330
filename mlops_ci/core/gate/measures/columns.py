"""Metrics of a per-row (or per-group) column: its mean, or a quantile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate import bootstrap, influence
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Measure, Rules
from mlops_ci.core.gate.linear import Linear, linear_estimate
from mlops_ci.core.gate.measures.base import Floats, in_steps, level_of_linear, linear_of, method_name, need
from mlops_ci.core.gate.measures.loss import Loss
from mlops_ci.core.gate.measures.share import Share
from mlops_ci.core.gate.metrics import UnknownMetricError
from mlops_ci.core.gate.pair import Pair
from mlops_ci.core.policy import MetricPolicy

#: Rows beyond a quantile below which it proves nothing.
LEAST_BEYOND = 5


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A quantile of a per-row value (95th percentile of latency): linearised t.

    Two quantiles differ by whole rows, so that the standard error is never less than what one row on
    another side of them would do: with few rows, two models that differ little may have none. Values
    that are steps (whole seconds) have no density to linearise by; there the bootstrap judges besides.
    """

    champion: Floats
    candidate: Floats
    share: float
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the t interval, or with tied values the wider of it and the bootstrap's."""
        rows = self.design.live(rows)
        sides = [side[rows] for side in (self.champion, self.candidate)]
        drawn = self.design.simple and in_steps(*sides)
        found = linear_estimate(
            self._linear(rows),
            rules,
            method=method_name(f"linearised quantile t{' and bootstrap' if drawn else ''}", self.design),
            groups=self.design.groups(rows),
            resampled=self._resampled(sides, rules) if drawn else None,
        )
        beyond = round(len(rows) * min(self.share, 1 - self.share))
        if beyond >= LEAST_BEYOND or found.doubt:
            return found
        return replace(found, doubt=f"{beyond} rows beyond the quantile are too few to prove anything")

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's quantile; see `Measure.level`."""
        rows = self.design.live(rows)
        return level_of_linear(self._linear(rows), rows, self.design)

    def _linear(self, rows: Array) -> Linear:
        need(rows, 2)
        weight = self.design.weights(rows)
        sides = [side[rows] for side in (self.champion, self.candidate)]
        first, second = (influence.quantile(side, weight, self.share) for side in sides)
        slope = float(np.mean([first[2], second[2]]))
        one_row = float(np.sqrt((weight**2).mean())) / len(rows)
        return replace(linear_of(first[:2], second[:2], weight), floor=slope * one_row)

    def _resampled(self, sides: list[Floats], rules: Rules) -> Floats:
        every = np.zeros(len(sides[0]), dtype=bool)
        return np.concatenate(
            [
                bootstrap.resample_ranked(
                    (bootstrap.Ranked(side, every, exact=True),),
                    partial(bootstrap.quantile_of_blocks, order=np.unique(side)[::-1], level=self.share),
                    len(side),
                    rules.seed,
                )
                for side in sides
            ],
            axis=1,
        )


def column_measure(rule: MetricPolicy, pair: Pair) -> Measure:
    """Build a metric of a per-row column: its mean, or one of its quantiles."""
    first, second = _columns(rule.column or "", pair)
    if rule.aggregate == "mean":
        if set(np.unique(first)) | set(np.unique(second)) <= {0.0, 1.0}:
            return Share(
                counts=np.ones(len(first), dtype=bool),
                champion=first == 1,
                candidate=second == 1,
                design=pair.design,
            )
        clip = np.inf if rule.clip is None else rule.clip
        return Loss(
            champion=np.clip(first, -clip, clip), candidate=np.clip(second, -clip, clip), design=pair.design
        )
    kind, _, level = rule.aggregate.partition(":")
    if kind != "quantile" or not 0 < float(level or 0) < 1:
        raise UnknownMetricError(f"aggregate '{rule.aggregate}' is neither `mean` nor `quantile:0.95`")
    return Quantile(champion=first, candidate=second, share=float(level), design=pair.design)


def _columns(column: str, pair: Pair) -> list[Floats]:
    """Return the column of both evaluations as numbers."""
    sides: list[Floats] = []
    for side, evaluation in (("champion", pair.champion), ("candidate", pair.candidate)):
        if column not in evaluation.columns:
            raise UnknownMetricError(f"the {side}'s evaluation has no column '{column}'")
        try:
            values = np.asarray(evaluation.columns[column], dtype=np.float64)
        except (ValueError, TypeError):
            raise UnknownMetricError(f"the column '{column}' holds text, not numbers") from None
        if not np.isfinite(values).all():
            row = evaluation.id[int(np.argmax(~np.isfinite(values)))]
            raise UnknownMetricError(f"the {side}'s column '{column}' is missing in row '{row}'")
        sides.append(values)
    return sides
