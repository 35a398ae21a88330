"""Expected calibration error: reported, never gated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.measures.base import Bools, Floats, need
from mlops_ci.core.gate.pair import Pair, probabilities
from mlops_ci.core.gate.ranking import expected_calibration_error
from mlops_ci.core.policy import MetricPolicy

SHOWN_ONLY = "its estimate is biased upwards, so it is shown and not judged"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Expected calibration error: both values without an interval, since its estimate is biased."""

    positive: Bools
    champion: Floats
    candidate: Floats
    design: Design

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return both values with uninformative bounds; see `Measure.estimate`."""
        first, second = self._values(rows)
        return Estimate(
            champion=first,
            candidate=second,
            difference=rules.sign * (second - first),
            lower=-math.inf,
            upper=math.inf,
            margin=rules.margin * first if rules.relative else rules.margin,
            pvalue=1.0,
            standard_error=0.0,
            better=False,
            method="reported, not judged",
            n=len(rows),
            doubt=SHOWN_ONLY,
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's value; see `Measure.level`."""
        value = self._values(rows)[1]
        return Level(
            value=value, error=math.inf, n=len(rows), method="reported, not judged", doubt=SHOWN_ONLY
        )

    def _values(self, rows: Array) -> tuple[float, float]:
        rows = self.design.live(rows)
        need(rows, 1)
        weight = self.design.weights(rows)
        first, second = (
            expected_calibration_error(self.positive[rows], side[rows], weight)
            for side in (self.champion, self.candidate)
        )
        return first, second


def calibration_measure(rule: MetricPolicy, pair: Pair) -> Calibration:
    """Build the calibration error of the positive class (of the first, where there are many)."""
    truth, first, second = probabilities(rule, pair)
    return Calibration(positive=truth[:, 0], champion=first[:, 0], candidate=second[:, 0], design=pair.design)
