"""Shares of rows: accuracy of all, recall of the positives, alarms of the negatives, columns of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlops_ci.core.evidence import Array
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.estimate import Estimate, Level, Rules, UndefinedError
from mlops_ci.core.gate.measures.base import Bools
from mlops_ci.core.gate.pair import Pair, labels_of, positive_label
from mlops_ci.core.gate.paired_score import GROUP_LEAN, Counts, Tails, score_estimate, shrink
from mlops_ci.core.gate.proportions import clopper_pearson, mcnemar_pvalue
from mlops_ci.core.gate.standard_error import LEAST_GROUPS, few_groups
from mlops_ci.core.policy import MetricPolicy


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of rows: accuracy of all, recall of the positives, alarms of the negatives.

    Attributes
    ----------
    counts
        Rows in the denominator, shape (n,); it depends on the labels alone, so that it is the same for both.
    champion, candidate
        Rows in the numerator of each, shape (n,).
    of
        What the denominator is, for a message.
    """

    counts: Bools
    champion: Bools
    candidate: Bools
    design: Design = field(default_factory=Design)
    of: str = "row"

    def estimate(self, rows: Array, rules: Rules) -> Estimate:
        """Return the score interval of the paired difference, oriented; see `Measure.estimate`.

        With groups or weights the table is shrunk by the design effect of its difference (Rao and
        Scott 1992, Biometrics 48, 577-585) and the quantile is Student's with one degree of freedom
        fewer than there are groups.
        """
        rows = self.design.live(rows[self.counts[rows]])
        if len(rows) == 0:
            raise UndefinedError(f"there is no {self.of}")
        ours, theirs = self.candidate[rows], self.champion[rows]
        up, down = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        remark = f"{up + down:,} of {len(rows):,} rows differ, exact McNemar p {mcnemar_pvalue(up, down):.2g}"
        if self.design.simple:
            table = Counts(
                n=len(rows),
                champion=float(theirs.mean()),
                candidate=float(ours.mean()),
                only_champion=down,
                only_candidate=up,
            )
            return score_estimate(table, rules, rows=len(rows), remark=remark)
        table, groups, lean = shrink(theirs, ours, self.design.weights(rows), self.design.groups(rows))
        few = self.design.group is not None and groups < LEAST_GROUPS
        return score_estimate(
            table,
            rules,
            rows=len(rows),
            tails=Tails(freedom=float(max(groups - 1, 1)), lean=rules.sign * GROUP_LEAN * lean),
            doubt=few_groups(groups) if few else "",
            remark=f"the rows are worth about {table.n:,.0f} independent ones",
        )

    def level(self, rows: Array, rules: Rules) -> Level:
        """Return the candidate's share with Clopper and Pearson's bounds; see `Measure.level`."""
        rows = self.design.live(rows[self.counts[rows]])
        if len(rows) == 0:
            raise UndefinedError(f"there is no {self.of}")
        ours, weight = self.candidate[rows], self.design.weights(rows)
        value, n, doubt = float((weight * ours).mean()), float(len(rows)), ""
        if not self.design.simple:
            table, groups, _ = shrink(np.zeros(len(rows), dtype=bool), ours, weight, self.design.groups(rows))
            n = table.n
            doubt = few_groups(groups) if self.design.group is not None and groups < LEAST_GROUPS else ""
        return Level(
            value=value,
            error=float(np.sqrt(max(value * (1 - value), 0.25 / n) / n)),
            n=len(rows),
            method="Clopper-Pearson",
            bounds=lambda alpha: clopper_pearson(value * n, n, alpha),
            doubt=doubt,
        )


def share_measure(rule: MetricPolicy, pair: Pair) -> Share:
    """Build accuracy, or a rate of the positive or the negative rows."""
    target = labels_of(pair.target)
    champion, candidate = (labels_of(side) for side in pair.both("prediction", "evaluation.prediction"))
    if rule.metric == "accuracy" or rule.average == "micro":
        return Share(
            counts=np.ones(len(target), dtype=bool),
            champion=champion == target,
            candidate=candidate == target,
            design=pair.design,
        )
    label = positive_label(rule, target)
    positive = np.asarray(target == label)
    first, second = champion == label, candidate == label
    if rule.metric == "recall":
        return Share(counts=positive, champion=first, candidate=second, design=pair.design, of="positive row")
    if rule.metric == "specificity":
        first, second = ~first, ~second
    return Share(counts=~positive, champion=first, candidate=second, design=pair.design, of="negative row")
