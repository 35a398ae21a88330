"""What the gate says of thousands of simulated holdouts at once.

A measure judges one holdout. A benchmark needs thousands in each of thousands of cells, so this module works
out the same differences and contributions for arrays of shape (runs, n), and takes spread, bounds and
doubts from the product's own functions. `tests/core/test_error_rates.py` holds both against each other.
The bootstrap takes `RESAMPLES` resamples, with the same drawn weights for all holdouts of a chunk: each
holdout's interval is as good as with weights of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from benchmarks.gate_worlds import (
    CUSTOM,
    FPR,
    LABELS,
    LOSSES,
    QUANTILE,
    RANKS,
    RECALL,
    UP,
    row_cost,
    row_loss,
)
from mlops_ci.core.gate import bootstrap
from mlops_ci.core.gate.measures.base import LEAST_OF_A_CLASS
from mlops_ci.core.gate.measures.custom import JACKKNIFE_BLOCKS
from mlops_ci.core.gate.measures.rankings import TAILS as RANKINGS
from mlops_ci.core.gate.paired_score import GROUP_LEAN, PRIOR_GROUPS
from mlops_ci.core.gate.proportions import tango_statistic
from mlops_ci.core.gate.standard_error import (
    LEAST_GROUPS,
    LEAST_ROWS,
    skewed_quantile,
    skewness,
    spread_of,
)

ALPHA = 0.05
RESAMPLES = 200
#: Values of a chunk of holdouts.
CHUNK = 400_000
TAILS = RANKINGS | {RECALL: RANKINGS["recall_at_fpr"], "r2": "ratio"}
#: Kinds that no bootstrap judges besides.
PLAIN = {*LOSSES, *RANKS, RECALL, f"quantile:{QUANTILE}"}
TRUE, FIRST, SECOND = (np.arange(8) >> np.array([[2], [1], [0]])) & 1


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Bounds of many holdouts, each of shape (runs,); infinite where nothing can be proven.

    `plain` is the textbook's lower bound (Student's t with one degree of freedom fewer than units), and
    `drawn` the percentile bootstrap's, or None.
    """

    difference: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    plain: np.ndarray
    drawn: np.ndarray | None = None


def judge(kind, world, drawn, rng, resamples):
    """Return the bounds of the oriented difference in every holdout.

    `resamples` is 0 with groups, where the product takes no bootstrap either.
    """
    n = drawn.positive.shape[1]
    difference, parts, lost, floor = contributions(kind, world, drawn)
    drawn_differences = None
    if resamples and kind not in PLAIN:
        drawn_differences = resampled(kind, world, drawn, rng, resamples)
    sign = 1 if kind in UP else -1
    parts = sign * parts / np.sqrt(n * max(n - lost, 1))
    if world.group > 1:
        parts = by_groups(parts, world.group)
    spread = spread_of(parts, None, TAILS.get(kind, "smooth"), floor)
    difference = sign * difference
    lower, upper = difference - spread.below(ALPHA), difference + spread.above(ALPHA)
    low = None
    if drawn_differences is not None:
        low, high = np.nanquantile(sign * drawn_differences, [ALPHA, 1 - ALPHA], axis=1)
        lower, upper = np.minimum(lower, low), np.maximum(upper, high)
    doubtful = np.array(spread.few)
    doubtful |= spread.units < (LEAST_GROUPS if world.group > 1 else LEAST_ROWS)
    if kind in {*LABELS, *RANKS, RECALL}:
        count = drawn.positive.sum(1)
        doubtful |= np.minimum(count, n - count) < LEAST_OF_A_CLASS
    # No contribution at all: the rule of three is far from any margin used here.
    doubtful |= spread.error == 0
    return Judged(
        difference=difference,
        lower=np.where(doubtful, -np.inf, lower),
        upper=np.where(doubtful, np.inf, upper),
        plain=difference - stdtrit(spread.units - 1, 1 - ALPHA) * np.sqrt((parts * parts).sum(1)),
        drawn=low,
    )


def by_groups(parts, size):
    """Return the sums of `size` rows each, as `standard_error.by_group` does, shape (runs, groups)."""
    sums = parts.reshape(len(parts), -1, size).sum(2)
    return sums * np.sqrt(sums.shape[1] / (sums.shape[1] - 1))


def contributions(kind, world, drawn):
    """Return candidate minus champion, its influence function, shape (runs, n), lost degrees, least error."""
    if kind in LABELS:
        tables, codes = drawn.tables, drawn.cells
        first, second = (label_influence(kind, tables, said) for said in (FIRST, SECOND))
        difference = label_values(kind, tables, SECOND) - label_values(kind, tables, FIRST)
        return difference, np.take_along_axis(second - first, codes, 1), 1, 0.0
    if kind in {*RANKS, RECALL}:
        of = {"roc_auc": auc, "average_precision": average_precision}.get(kind, recall_at_fpr)
        (first, first_parts), (second, second_parts) = (
            of(drawn.positive, score) for score in (drawn.first, drawn.second)
        )
        return second - first, second_parts - first_parts, 0 if kind == "roc_auc" else 1, 0.0
    if kind in LOSSES:
        first, second = losses(kind, world, drawn)
        rows = second - first
        difference = rows.mean(1)
        return difference, rows - difference[:, None], 1, 0.0
    first, second = world.errors(drawn)
    if kind == CUSTOM:
        return jackknife(row_cost(second) - row_cost(first))
    if kind.startswith("quantile"):
        (before, before_parts, one), (after, after_parts, other) = (
            quantile(side) for side in (first, second)
        )
        return after - before, after_parts - before_parts, 1, (one + other) / 2 / first.shape[1]
    of = {"root_mean_squared_error": rmse, "r2": r2}[kind]
    (before, before_parts), (after, after_parts) = (of(error, drawn.target) for error in (first, second))
    return after - before, after_parts - before_parts, 1, 0.0


def jackknife(rows):
    """Return the mean of rows, and n times the contributions of blocks of rows, as `measures.custom` does."""
    n = rows.shape[1]
    count = min(n, JACKKNIFE_BLOCKS)
    blocks = rows.reshape(len(rows), -1, count).sum(1)
    left_out = (rows.sum(1, keepdims=True) - blocks) / (n - n / count)
    parts = np.sqrt((count - 1) / count) * (left_out.mean(1, keepdims=True) - left_out)
    return rows.mean(1), n * parts, 0, 0.0


def losses(kind, world, drawn):
    if kind == "mean_absolute_error":
        return [np.abs(error) for error in world.errors(drawn)]
    said = world.probabilities(drawn.first, 1.0), world.probabilities(drawn.second, drawn.spread)
    return [row_loss(kind, drawn.positive, one) for one in said]


def resampled(kind, world, drawn, rng, resamples):
    """Return candidate minus champion in every resample of every holdout, shape (runs, resamples)."""
    n = drawn.positive.shape[1]
    if kind in LABELS:
        again = drawn.resampled_tables(rng, resamples)
        return label_values(kind, again, SECOND) - label_values(kind, again, FIRST)
    weights = np.ascontiguousarray(
        np.concatenate(list(bootstrap.weight_chunks(n, int(rng.integers(2**31)), resamples)), axis=1)
    )
    total = weights.sum(0)[:, None]
    if kind == CUSTOM:
        first, second = map(row_cost, world.errors(drawn))
        return (weights.T.astype(float) @ (second - first).T / total).T
    first, second = (weights.T.astype(float) @ (error**2).T / total for error in world.errors(drawn))
    if kind == "root_mean_squared_error":
        return (np.sqrt(second) - np.sqrt(first)).T
    centred = drawn.target - drawn.target.mean(1, keepdims=True)
    spread = weights.T @ (centred**2).T / total - (weights.T @ centred.T / total) ** 2
    return ((first - second) / spread).T


def label_values(kind, tables, said):
    """Return a metric of one model from tables of counts, shape (..., 8)."""
    n = tables.sum(-1)
    true, flagged, both = tables @ TRUE, tables @ said, tables @ (TRUE * said)
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "f1":
            return np.where(true + flagged > 0, 2 * both / (true + flagged), 0.0)
        if kind == "precision":
            return np.where(flagged > 0, both / flagged, 0.0)
        if kind == "balanced_accuracy":
            return (both / true + (n - true - flagged + both) / (n - true)) / 2
        spread = true * (n - true) * flagged * (n - flagged)
        return np.where(spread > 0, (both * n - true * flagged) / np.sqrt(spread), 0.0)


def label_influence(kind, tables, said):
    """Return the influence function at each cell of a table, shape (runs, 8)."""
    n = tables.sum(1)
    t, s = TRUE[None, :], said[None, :]
    true, flagged, both = ((tables @ one / n)[:, None] for one in (TRUE, said, TRUE * said))
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "f1":
            found = (2 * t * s - 2 * both / (true + flagged) * (t + s)) / (true + flagged)
        elif kind == "precision":
            found = (t * s - both / flagged * s) / flagged
        elif kind == "balanced_accuracy":
            neither = 1 - true - flagged + both
            quiet = (1 - t) * (1 - s) - neither / (1 - true) * (1 - t)
            found = ((t * s - both / true * t) / true + quiet / (1 - true)) / 2
        else:
            true_variance, said_variance = true * (1 - true), flagged * (1 - flagged)
            scale = np.sqrt(true_variance * said_variance)
            value = (both - true * flagged) / scale
            bend = (t - true) ** 2 / true_variance + (s - flagged) ** 2 / said_variance
            found = (t - true) * (s - flagged) / scale - value / 2 * bend
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def auc(positive, score):
    """Return the area under the ROC curve and DeLong's components; scores have no ties."""
    n = score.shape[1]
    order = np.argsort(-score, axis=1)
    truth = np.take_along_axis(positive, order, 1).astype(float)
    ups = truth.sum(1, keepdims=True)
    downs = n - ups
    above = np.cumsum(truth, 1)
    placement = np.where(truth > 0, (downs - (np.arange(1, n + 1) - above)) / downs, above / ups)
    value = (placement * truth).sum(1) / ups[:, 0]
    scale = np.where(
        truth > 0,
        n / ups * np.sqrt(ups / np.maximum(ups - 1, 1)),
        n / downs * np.sqrt(downs / np.maximum(downs - 1, 1)),
    )
    return value, _back((placement - value[:, None]) * scale, order)


def average_precision(positive, score):
    """Return average precision and its influence function; scores have no ties."""
    n = score.shape[1]
    order = np.argsort(-score, axis=1)
    truth = np.take_along_axis(positive, order, 1).astype(float)
    share = np.arange(1, n + 1) / n
    precision = np.cumsum(truth, 1) / n / share
    prevalence = truth.mean(1, keepdims=True)
    hits = truth / n
    value = (hits * precision).sum(1) / prevalence[:, 0]
    gain = np.cumsum((hits / share)[:, ::-1], 1)[:, ::-1]
    cost = np.cumsum((hits * precision / share)[:, ::-1], 1)[:, ::-1]
    return value, _back((truth * (precision - value[:, None] + gain) - cost) / prevalence, order)


def recall_at_fpr(positive, score):
    """Return the recall at a false positive rate as `ranking.recall_at_fpr` does; scores have no ties."""
    n = score.shape[1]
    order = np.argsort(-score, axis=1)
    truth = np.take_along_axis(positive, order, 1)
    found, alarms = np.cumsum(truth, 1), np.cumsum(~truth, 1)
    ups, downs = found[:, -1:], alarms[:, -1:]

    def reach(rate):
        """Return the rows that are flagged at a rate, and the recall there, shape (runs, 1)."""
        place = (alarms / downs <= rate + 1e-12).sum(1, keepdims=True)
        hits = np.take_along_axis(found, np.maximum(place - 1, 0), 1)
        return place, np.where(place > 0, hits / ups, 0.0)

    step = np.maximum(0.5 * downs ** (-1 / 3) * min(FPR, 0.5), 2 / downs)
    step = np.minimum(step, min(FPR, 1 - FPR))
    place, value = reach(FPR)
    slope = (reach(FPR + step)[1] - reach(FPR - step)[1]) / (2 * step)
    flagged = np.arange(n) < place
    rate = (flagged & ~truth).sum(1, keepdims=True) / downs
    parts = np.where(truth, (flagged - value) * n / ups, -slope * (flagged - rate) * n / downs)
    return value[:, 0], _back(parts, order)


def _back(values, order):
    found = np.empty_like(values)
    np.put_along_axis(found, order, values, 1)
    return found


def rmse(error, target):
    del target
    value = np.sqrt((error**2).mean(1))
    return value, (error**2 - (value**2)[:, None]) / (2 * value)[:, None]


def r2(error, target):
    spread = (target - target.mean(1, keepdims=True)) ** 2
    variance, square = spread.mean(1)[:, None], (error**2).mean(1)[:, None]
    parts = -(error**2 - square) / variance + square / variance**2 * (spread - variance)
    return (1 - square / variance)[:, 0], parts


def quantile(error):
    """Return a quantile of the errors' size, linearised as in `influence.quantile`, and its sparsity."""
    values = np.abs(error)
    n = values.shape[1]
    ranked = np.sort(values, axis=1)
    reached = np.cumsum(np.ones(n)) / n

    def at(share):
        return ranked[:, min(int(np.searchsorted(reached, share - 1e-12)), n - 1)]

    step = min(0.5 * n ** (-1 / 3), QUANTILE / 2, (1 - QUANTILE) / 2)
    value = at(QUANTILE)
    sparsity = (at(QUANTILE + step) - at(QUANTILE - step)) / (2 * step)
    return value, sparsity[:, None] * (QUANTILE - (values <= value[:, None])), sparsity


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Accuracy in groups: score statistics depend on the margin, so the tables are kept."""

    n: np.ndarray
    gained: np.ndarray
    lost: np.ndarray
    lean: np.ndarray
    groups: int
    difference: np.ndarray
    error: np.ndarray

    def at(self, margin):
        """Return where the gate passes, where it fails, and where the cluster t-test passes."""
        statistic = tango_statistic(self.n, self.gained, self.lost, -margin)
        plain = stdtrit(self.groups - 1, 1 - ALPHA)
        enough = self.groups >= LEAST_GROUPS
        return (
            enough & (statistic > skewed_quantile(plain, self.lean)),
            enough & (statistic < -skewed_quantile(plain, -self.lean)),
            self.difference - plain * self.error > -margin,
        )


def shared(world, drawn):
    """Return accuracy's shrunk tables in every holdout, as `paired_score.shrink` does for one."""
    cut, positive = drawn.cut, drawn.positive
    rows = ((drawn.second > cut) == positive).astype(float) - ((drawn.first > cut) == positive)
    runs, n = rows.shape
    difference = rows.mean(1)
    parts = by_groups((rows - difference[:, None]) / n, world.group)
    touched = (np.abs(rows).reshape(runs, -1, world.group).sum(2) > 0).sum(1)
    spread = (rows**2).mean(1) - difference**2
    square = (parts**2).sum(1)
    found = np.divide(square, spread / n, out=np.full(runs, float(world.group)), where=spread > 0)
    prior = PRIOR_GROUPS / np.maximum(touched, 1) ** 2
    worth = n / np.maximum(1.0, (touched * found + prior * world.group) / (touched + prior))
    return Shared(
        n=worth,
        gained=worth * (rows > 0).mean(1),
        lost=worth * (rows < 0).mean(1),
        lean=GROUP_LEAN * np.where(spread > 0, skewness(parts), 0.0),
        groups=n // world.group,
        difference=difference,
        error=np.sqrt(square),
    )
