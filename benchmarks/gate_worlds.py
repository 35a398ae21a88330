"""Worlds to test a gate in: pairs of models whose true difference is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import norm

from mlops_ci.core.gate import bootstrap, influence, ranking
from mlops_ci.core.gate.batched import batched_labels
from mlops_ci.core.gate.design import Design
from mlops_ci.core.gate.measures import Labels, Loss, Ranking, Regression
from mlops_ci.core.gate.shares import Share

UP = {"accuracy", "f1", "matthews_corrcoef", "roc_auc", "average_precision"}


@dataclass(frozen=True, kw_only=True)
class World:
    """Two models with normal scores within each class; the candidate's has more noise if it is worse.

    `disagreement` is the noise of each model against the signal that they share; `group` rows share part
    (`icc`) of their luck.
    """

    kind: str
    prevalence: float
    auc: float
    disagreement: float
    group: int = 1
    icc: float = 0.0

    def draw(self, rng, n, *, worse):
        """Return labels, both scores and both probabilities of n rows, and their groups."""
        positive = rng.random(n) < self.prevalence
        shift = ndtri(self.auc) * 2**0.5
        first_noise = 3 * self.disagreement
        second_noise = first_noise * (2 if worse else 1)
        luck, first_error, second_error = (self._luck(rng, n) for _ in range(3))
        scale = np.sqrt(1 + first_noise**2)
        first = shift * positive + (luck + first_noise * first_error) / scale
        second = shift * positive + (luck + second_noise * second_error) / scale
        spread = (1 + second_noise**2) / (1 + first_noise**2)
        return positive, first, second, *self._probabilities(first, second, shift, spread)

    def _probabilities(self, first, second, shift, spread):
        prior = logit(self.prevalence)

        def posterior(score, variance):
            return expit(np.clip(prior + (shift * score - shift**2 / 2) / variance, -30, 30))

        return posterior(first, 1.0), posterior(second, spread)

    def _luck(self, rng, n):
        own = rng.normal(size=n)
        if self.group == 1:
            return own
        shared = np.repeat(rng.normal(size=-(-n // self.group)), self.group)[:n]
        return np.sqrt(self.icc) * shared + np.sqrt(1 - self.icc) * own

    def design(self, n):
        """Return the design of n rows."""
        return Design(group=np.arange(n) // self.group) if self.group > 1 else Design()

    def measure(self, rng, n, *, worse):
        """Return the product's own measure of this world's metric on n fresh rows."""
        positive, first, second, first_p, second_p = self.draw(rng, n, worse=worse)
        design = self.design(n)
        if self.kind in {"roc_auc", "average_precision"}:
            auc = self.kind == "roc_auc"
            return Ranking(
                positive=positive,
                champion=first,
                candidate=second,
                value=ranking.roc_auc if auc else ranking.average_precision,
                blocks=None if auc else bootstrap.ap_of_blocks,
                design=design,
            )
        if self.kind in {"log_loss", "brier_score"}:
            return Loss(
                champion=self._loss(positive, first_p),
                candidate=self._loss(positive, second_p),
                design=design,
            )
        if self.kind in {"root_mean_squared_error", "mean_absolute_error"}:
            return self._regression(positive, first, second, design)
        # Labels are cut where as many are flagged as there are positives.
        cut = self._cut()
        said = [(score > cut).astype(np.int64) for score in (first, second)]
        true = positive.astype(np.int64)
        if self.kind == "accuracy":
            return Share(
                counts=np.ones(n, dtype=bool),
                champion=said[0] == true,
                candidate=said[1] == true,
                design=design,
            )
        value = influence.matthews_corrcoef
        if self.kind != "matthews_corrcoef":

            def value(target, guess, weight):
                return influence.class_scores(self.kind, target, guess, weight, 1)

        return Labels(
            target=true,
            champion=said[0],
            candidate=said[1],
            value=lambda target, guess, weight, labels: value(target, guess, weight),
            batched=batched_labels(self.kind, "binary", 2),
            design=design,
        )

    def _cut(self):
        shift = ndtri(self.auc) * 2**0.5
        low, high = -10.0, 10.0
        for _ in range(60):
            middle = (low + high) / 2
            flagged = self.prevalence * norm.sf(middle - shift) + (1 - self.prevalence) * norm.sf(middle)
            low, high = (middle, high) if flagged > self.prevalence else (low, middle)
        return low

    def _loss(self, positive, probability):
        if self.kind == "brier_score":
            return (probability - positive) ** 2
        return np.minimum(-np.log(np.where(positive, probability, 1 - probability)), 10.0)

    def _regression(self, positive, first, second, design):
        # A rare part of the rows (`positive`) has errors four times as large.
        size = np.where(positive, 4.0, 1.0)
        shift = ndtri(self.auc) * 2**0.5
        errors = [size * (score - shift * positive) for score in (first, second)]
        if self.kind == "mean_absolute_error":
            return Loss(champion=np.abs(errors[0]), candidate=np.abs(errors[1]), design=design)
        return Regression(
            target=np.zeros_like(first),
            champion=errors[0],
            candidate=errors[1],
            value=influence.root_mean_squared_error,
            of_means=lambda error, target, squared: np.sqrt(np.maximum(error, 0)),
            design=design,
        )

    def true_loss(self, rows=1_000_000, repeats=2):
        """Return how much worse the worse candidate is, from many rows."""
        losses = []
        for seed in range(repeats):
            measure = self.measure(np.random.default_rng([77, seed]), rows, worse=True)
            if isinstance(measure, Share):
                values = measure.champion.mean(), measure.candidate.mean()
            else:
                linear = measure._linear(np.arange(rows))
                values = linear.champion, linear.candidate
            losses.append((values[0] - values[1]) * (1 if self.kind in UP else -1))
        return float(np.mean(losses))
