"""Worlds to test a gate in: pairs of models whose true difference is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import norm

from mlops_ci.core.gate import bootstrap, influence, ranking
from mlops_ci.core.gate.bootstrap_labels import batched_labels
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.measures.columns import Quantile
from mlops_ci.core.gate.measures.custom import Custom
from mlops_ci.core.gate.measures.labels import Labels, label_value
from mlops_ci.core.gate.measures.loss import Loss
from mlops_ci.core.gate.measures.rankings import TAILS, Ranking
from mlops_ci.core.gate.measures.regression import Regression, _r2_of_means, _rmse_of_means
from mlops_ci.core.gate.measures.share import Share

LABELS = ("f1", "precision", "balanced_accuracy", "matthews_corrcoef")
RANKS = ("roc_auc", "average_precision")
RECALL = "recall_at_fpr:0.1"
FPR = 0.1
#: A function of the user: an error costs four times as much one way as the other.
CUSTOM = "your function"
LOSSES = ("log_loss", "brier_score", "mean_absolute_error")
NUMBERS = ("root_mean_squared_error", "r2", "quantile:0.9")
UP = {"accuracy", "r2", *LABELS, *RANKS, RECALL}
#: Variance of the true values of a regression, and how large errors are where they are rare.
TARGET_VARIANCE, RARE = 25.0, 4.0
QUANTILE = 0.9
GRID = np.linspace(-12, 12, 20_001)
MASS = norm.pdf(GRID) / norm.pdf(GRID).sum()


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Holdouts of one world: labels, both scores and true values, each of shape (runs, n).

    `cut` is where labels are cut, and `spread` the variance of the candidate's score within a class.
    """

    positive: np.ndarray
    first: np.ndarray
    second: np.ndarray
    target: np.ndarray
    cut: float
    spread: float

    @cached_property
    def cells(self):
        """Cell of each row in the table of true, champion's and candidate's labels, shape (runs, n)."""
        return (4 * self.positive + 2 * (self.first > self.cut) + (self.second > self.cut)).astype(np.int64)

    @cached_property
    def tables(self):
        """Counts of these cells, shape (runs, 8)."""
        runs = len(self.positive)
        places = self.cells + 8 * np.arange(runs)[:, None]
        return np.bincount(places.ravel(), minlength=8 * runs).reshape(runs, 8).astype(float)

    def resampled_tables(self, rng, resamples):
        """Return resampled tables, shape (runs, resamples, 8); the same for all metrics that ask."""
        if "again" not in self.__dict__:
            n = self.positive.shape[1]
            shares = (self.tables / n)[:, None, :]
            self.__dict__["again"] = rng.multinomial(n, shares, size=(len(shares), resamples)).astype(float)
        return self.__dict__["again"]


@dataclass(frozen=True, kw_only=True)
class World:
    """Two models with normal scores within each class; the candidate's has more noise if it is worse.

    `disagreement` is the noise of each model against the signal that they share; `group` rows share part
    (`icc`) of their luck. Regressions have the scores' errors, four times as large where rows are positive.
    """

    prevalence: float
    auc: float
    disagreement: float
    group: int = 1
    icc: float = 0.0

    @property
    def shift(self):
        """How far apart the classes are."""
        return ndtri(self.auc) * 2**0.5

    @property
    def spread(self):
        """Variance of the worse candidate's score within a class; the champion's is 1."""
        own = 3 * self.disagreement
        return (1 + 4 * own**2) / (1 + own**2)

    def draw(self, rng, runs, n, *, worse):
        """Return holdouts in which both classes occur."""
        own = 3 * self.disagreement
        positive = rng.random((runs, n)) < self.prevalence
        luck, first, second = (self._luck(rng, runs, n) for _ in range(3))
        scale = np.sqrt(1 + own**2)
        first = self.shift * positive + (luck + own * first) / scale
        second = self.shift * positive + (luck + own * (2 if worse else 1) * second) / scale
        target = rng.standard_normal((runs, n)) * TARGET_VARIANCE**0.5
        kept = positive.any(axis=1) & ~positive.all(axis=1)
        sides = (positive, first, second, target)
        positive, first, second, target = (side[kept] for side in sides)
        return Drawn(
            positive=positive,
            first=first,
            second=second,
            target=target,
            cut=self.cut(),
            spread=self.spread if worse else 1.0,
        )

    def _luck(self, rng, runs, n):
        own = rng.standard_normal((runs, n))
        if self.group == 1:
            return own
        shared = np.repeat(rng.standard_normal((runs, n // self.group)), self.group, axis=1)
        return np.sqrt(self.icc) * shared + np.sqrt(1 - self.icc) * own

    def probabilities(self, score, variance):
        """Return the probability of the positive class at a score of this variance within classes."""
        odds = logit(self.prevalence) + (self.shift * score - self.shift**2 / 2) / variance
        return expit(np.clip(odds, -30, 30))

    @cache  # noqa: B019 (worlds are few and live as long as the benchmark)
    def cut(self):
        """Return the score above which as many rows are flagged as there are positives."""
        share = self.prevalence
        return brentq(
            lambda at: share * norm.sf(at - self.shift) + (1 - share) * norm.sf(at) - share, -10, 10
        )

    def errors(self, drawn):
        """Return both models' errors of a regression, each of shape (runs, n)."""
        size = np.where(drawn.positive, RARE, 1.0)
        return [size * (score - self.shift * drawn.positive) for score in (drawn.first, drawn.second)]

    @cache  # noqa: B019
    def true_loss(self, kind):
        """Return how much worse the worse candidate truly is, from the distributions of the scores."""
        difference = self.value(kind, self.spread) - self.value(kind, 1.0)
        return -difference if kind in UP else difference

    def value(self, kind, variance):
        """Return the true value of a metric for scores with this variance within each class."""
        if kind in RANKS:
            return self._ranked(kind, variance)
        if kind == RECALL:
            return float(ndtr((self.shift / np.sqrt(variance)) - ndtri(1 - FPR)))
        if kind in {"log_loss", "brier_score"}:
            return self._mean_loss(kind, variance)
        if kind == CUSTOM:
            return self._number("mean_absolute_error", variance) / 2
        if kind in {"mean_absolute_error", *NUMBERS}:
            return self._number(kind, variance)
        return self._labelled(kind, variance)

    def _ranked(self, kind, variance):
        if kind == "roc_auc":
            return float(ndtr(self.shift / np.sqrt(2 * variance)))
        sd = np.sqrt(variance)
        score = self.shift + sd * GRID
        hits = self.prevalence * norm.sf(score, self.shift, sd)
        alarms = (1 - self.prevalence) * norm.sf(score, 0, sd)
        precision = np.divide(hits, hits + alarms, out=np.ones_like(hits), where=hits + alarms > 0)
        return float((MASS * precision).sum())

    def _mean_loss(self, kind, variance):
        total = 0.0
        for label, share in ((1, self.prevalence), (0, 1 - self.prevalence)):
            said = self.probabilities(self.shift * label + np.sqrt(variance) * GRID, variance)
            total += share * float((MASS * row_loss(kind, np.full(said.shape, label == 1), said)).sum())
        return total

    def _number(self, kind, variance):
        sd, rare = np.sqrt(variance), self.prevalence
        square = (RARE**2 * rare + 1 - rare) * variance
        if kind == "root_mean_squared_error":
            return float(np.sqrt(square))
        if kind == "r2":
            return 1 - square / TARGET_VARIANCE
        if kind == "mean_absolute_error":
            return (RARE * rare + 1 - rare) * sd * np.sqrt(2 / np.pi)
        return brentq(
            lambda at: 2 * (rare * norm.sf(at / RARE / sd) + (1 - rare) * norm.sf(at / sd)) - 1 + QUANTILE,
            0,
            50,
        )

    def _labelled(self, kind, variance):
        sd, cut, share = np.sqrt(variance), self.cut(), self.prevalence
        recall, alarm = norm.sf((cut - self.shift) / sd), norm.sf(cut / sd)
        hits = share * recall
        flagged = hits + (1 - share) * alarm
        return {
            "accuracy": hits + (1 - share) * (1 - alarm),
            "f1": 2 * hits / (share + flagged),
            "precision": hits / flagged,
            "balanced_accuracy": (recall + 1 - alarm) / 2,
            "matthews_corrcoef": (hits - share * flagged)
            / np.sqrt(share * (1 - share) * flagged * (1 - flagged)),
        }[kind]

    def measure(self, kind, drawn, run):
        """Return the product's own measure of one of the holdouts."""
        positive, n = drawn.positive[run], drawn.positive.shape[1]
        first, second = drawn.first[run], drawn.second[run]
        design = Design(group=np.arange(n) // self.group) if self.group > 1 else Design()
        if kind in {*RANKS, RECALL}:
            recall = partial(ranking.recall_at_fpr, fpr=FPR)
            value = {"roc_auc": ranking.roc_auc, "average_precision": ranking.average_precision}
            return Ranking(
                positive=positive,
                champion=first,
                candidate=second,
                value=value.get(kind, recall),
                blocks=partial(bootstrap.recall_of_blocks, fpr=FPR) if kind == RECALL else None,
                design=design,
                tail=TAILS[kind.partition(":")[0]],
            )
        if kind in {"log_loss", "brier_score"}:
            said = self.probabilities(first, 1.0), self.probabilities(second, drawn.spread)
            champion, candidate = (row_loss(kind, positive, one) for one in said)
            return Loss(champion=champion, candidate=candidate, design=design)
        if kind in {"mean_absolute_error", CUSTOM, *NUMBERS}:
            return self._regression(kind, drawn, run, design)
        true = positive.astype(np.int64)
        champion, candidate = ((score > self.cut()).astype(np.int64) for score in (first, second))
        if kind == "accuracy":
            every = np.ones(n, dtype=bool)
            return Share(counts=every, champion=champion == true, candidate=candidate == true, design=design)
        return Labels(
            target=true,
            champion=champion,
            candidate=candidate,
            value=label_value(kind, "binary"),
            batched=batched_labels(kind, "binary", 2),
            design=design,
        )

    def _regression(self, kind, drawn, run, design):
        first, second = (error[run] for error in self.errors(drawn))
        if kind == "mean_absolute_error":
            return Loss(champion=np.abs(first), candidate=np.abs(second), design=design)
        if kind.startswith("quantile"):
            return Quantile(champion=np.abs(first), candidate=np.abs(second), share=QUANTILE, design=design)
        if kind == CUSTOM:
            return Custom(
                target=np.zeros_like(first), champion=first, candidate=second, function=cost, design=design
            )
        target, square_root = drawn.target[run], kind == "root_mean_squared_error"
        build = partial(
            Regression, target=target, champion=target + first, candidate=target + second, design=design
        )
        if square_root:
            return build(value=influence.root_mean_squared_error, of_means=_rmse_of_means)
        return build(value=influence.r2, of_means=_r2_of_means, tail="ratio")


def cost(target, predicted):
    """Return the mean cost of errors that cost four times as much above as below."""
    return float(row_cost(predicted - target).mean())


def row_cost(error):
    """Return the cost of each error; see `cost`."""
    return np.where(error > 0, 0.8 * error, -0.2 * error)


def row_loss(kind, positive, said):
    """Return the loss of each row's probability of the positive class."""
    if kind == "brier_score":
        return (said - positive) ** 2
    return np.minimum(-np.log(np.where(positive, said, 1 - said)), 10.0)
