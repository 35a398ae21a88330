"""Pairs of real models on real data, whose true difference is known from a large untouched part.

Three data sets that come with packages: handwritten digits and breast cancer (scikit-learn's; UCI, CC BY
4.0), and diabetes cut at its median (scikit-learn's; Efron et al. 2004). Half of each is for training.
Models are scored on the other half, which stands for the world: its rows drawn with replacement make
holdouts whose true difference is exactly the one on all of it.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.gate.compare import compare
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Outcome

MARGIN = 0.02
HOLDOUT = 400


def datasets():
    digits = load_digits()
    yield "digits (even or odd)", digits.data, (digits.target % 2).astype(int)
    cancer = load_breast_cancer()
    yield "breast cancer", cancer.data, cancer.target
    diabetes = load_diabetes()
    yield (
        "diabetes (above the median)",
        diabetes.data,
        (diabetes.target > np.median(diabetes.target)).astype(int),
    )


def contenders(seed):
    yield "forest", RandomForestClassifier(40, max_depth=8, random_state=seed)
    yield "forest, more trees", RandomForestClassifier(80, max_depth=8, random_state=seed + 100)
    yield "logistic", make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500))
    yield "logistic, weaker", make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=500))
    yield "neighbours", make_pipeline(StandardScaler(), KNeighborsClassifier(5))
    yield "bayes", GaussianNB()
    yield "tree", DecisionTreeClassifier(max_depth=5, random_state=seed)


def pairs(scale):
    """Yield one row a data set: how often each gate was wrong over all pairs of models and holdouts."""
    draws = max(3, int(20 * scale))
    for (name, data, target), seed in itertools.product(datasets(), range(2)):
        train, world, train_y, world_y = train_test_split(
            data, target, test_size=0.5, random_state=seed, stratify=target
        )
        scores = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for kind, model in contenders(seed):
                scores[kind] = model.fit(train, train_y).predict_proba(world)[:, 1]
        for metric in ("accuracy", "roc_auc", "f1"):
            yield {"kind": "real", "data": name, "split": seed, "metric": metric} | _judged(
                scores, world_y, metric, draws, np.random.default_rng([5, seed])
            )


def _judged(scores, world_y, metric, draws, rng):
    policy = Policy(metrics={metric: MetricPolicy(metric=metric, margin=MARGIN)})
    counts = dict.fromkeys(
        (
            "pairs",
            "false blocks",
            "false passes",
            "naive false blocks",
            "naive false passes",
            "open",
            "harmless",
            "harmful",
        ),
        0,
    )
    for first, second in itertools.permutations(scores, 2):
        truth = _difference(scores[first], scores[second], world_y, metric, policy)
        counts["pairs"] += 1
        for _ in range(draws):
            rows = rng.integers(0, len(world_y), HOLDOUT)
            finding = _finding(scores[first][rows], scores[second][rows], world_y[rows], policy)
            harmful = truth < -MARGIN
            counts["harmful" if harmful else "harmless"] += 1
            counts["false blocks"] += finding.outcome is Outcome.WORSE and not harmful
            passed = finding.outcome in {Outcome.BETTER, Outcome.NON_INFERIOR, Outcome.UNCHANGED}
            counts["false passes"] += passed and harmful
            counts["open"] += finding.outcome is Outcome.INCONCLUSIVE
            # A candidate that is not worse at all is blocked, or one worse than the margin is passed.
            naive_blocks = (finding.difference or 0.0) < 0
            counts["naive false blocks"] += naive_blocks and not harmful
            counts["naive false passes"] += (not naive_blocks) and harmful
    return counts


def _finding(first, second, target, policy):
    parts = {"id": np.arange(len(target)), "target": target}
    sides = [
        evaluation(**parts, score=score, prediction=(score > 0.5).astype(int)) for score in (first, second)
    ]
    return compare(*sides, policy).findings[0]


def _difference(first, second, target, metric, policy):
    return _finding(first, second, target, policy).difference or 0.0
