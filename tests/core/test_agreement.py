"""Values and standard errors agree with independent implementations on random inputs."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.gate import influence, ranking
from mlops_ci.core.gate.builders import measure_of
from mlops_ci.core.gate.estimate import Rules
from mlops_ci.core.gate.metrics import greater_is_better
from mlops_ci.core.gate.pair import pair_of
from mlops_ci.core.metric_names import GREATER_IS_BETTER
from mlops_ci.core.policy import MetricPolicy

CASES = 200


def values(rule, weight=None, **parts):
    """The metric of two models by our measure, as (champion, candidate)."""
    n = len(parts["target"])
    common = {"id": np.arange(n), "target": parts["target"], "weight": weight}
    first = evaluation(**common, **{key: side[0] for key, side in parts.items() if key != "target"})
    second = evaluation(**common, **{key: side[1] for key, side in parts.items() if key != "target"})
    measure = measure_of(rule.metric, rule, pair_of(first, second))
    # `evaluation` sorts ids as text; metrics do not care.
    rules = Rules(greater_is_better=greater_is_better(rule.metric, rule), margin=0.01)
    found = measure.estimate(np.arange(n), rules)
    return found.champion, found.candidate


def random_labels(rng, classes, n):
    target = rng.integers(0, classes, n)
    target[:classes] = np.arange(classes)
    return target, [np.where(rng.random(n) < 0.6, target, rng.integers(0, classes, n)) for _ in range(2)]


BINARY = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "precision": lambda y, p, sample_weight: sk.precision_score(
        y, p, sample_weight=sample_weight, zero_division=0
    ),
    "recall": sk.recall_score,
    "f1": sk.f1_score,
    "matthews_corrcoef": sk.matthews_corrcoef,
    "specificity": lambda y, p, sample_weight: sk.recall_score(
        y, p, pos_label=0, sample_weight=sample_weight
    ),
    "false_positive_rate": lambda y, p, sample_weight: (
        1 - sk.recall_score(y, p, pos_label=0, sample_weight=sample_weight)
    ),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_label_metrics_are_scikit_learns(name):
    rng = np.random.default_rng(1)
    for case in range(CASES):
        n = int(rng.integers(20, 120))
        target, sides = random_labels(rng, 2, n)
        weight = rng.random(n) + 0.1 if case % 2 else None
        found = values(MetricPolicy(metric=name), weight, target=target, prediction=sides)
        expected = [BINARY[name](target, side, sample_weight=weight) for side in sides]
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", ["precision", "recall", "f1", "matthews_corrcoef", "balanced_accuracy"])
def test_many_classes_are_scikit_learns(name, average):
    rng = np.random.default_rng(2)
    functions = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    for case in range(CASES // 5):
        n = int(rng.integers(30, 150))
        target, sides = random_labels(rng, 4, n)
        weight = rng.random(n) + 0.1 if case % 2 else None
        found = values(MetricPolicy(metric=name, average=average), weight, target=target, prediction=sides)
        if name in functions:
            expected = [
                functions[name](target, side, average=average, sample_weight=weight, zero_division=0)
                for side in sides
            ]
        else:
            expected = [BINARY[name](target, side, sample_weight=weight) for side in sides]
        assert found == pytest.approx(expected, abs=1e-12)


SCORES = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": lambda y, s, sample_weight: sk.log_loss(y, s, sample_weight=sample_weight),
    "brier_score": lambda y, s, sample_weight: sk.brier_score_loss(y, s, sample_weight=sample_weight),
}


@pytest.mark.parametrize("name", SCORES)
def test_score_metrics_are_scikit_learns_with_ties(name):
    rng = np.random.default_rng(3)
    for case in range(CASES):
        n = int(rng.integers(20, 120))
        target, _ = random_labels(rng, 2, n)
        sides = [np.round(np.clip(rng.random(n) * 0.7 + 0.25 * target, 0.01, 0.99), 2) for _ in range(2)]
        weight = rng.random(n) + 0.1 if case % 2 else None
        found = values(MetricPolicy(metric=name), weight, target=target, score=sides)
        expected = [SCORES[name](target, side, sample_weight=weight) for side in sides]
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier_score", "average_precision"])
def test_scores_of_many_classes_are_scikit_learns(name):
    rng = np.random.default_rng(4)
    for _ in range(CASES // 5):
        n = int(rng.integers(40, 120))
        target, _ = random_labels(rng, 3, n)
        sides = []
        for _ in range(2):
            raw = rng.random((n, 3)) + 0.7 * np.eye(3)[target]
            sides.append(raw / raw.sum(axis=1, keepdims=True))
        common = {"id": np.arange(n), "target": target, "score_labels": ("0", "1", "2")}
        pair = pair_of(*(evaluation(**common, score=side) for side in sides))
        rule = MetricPolicy(metric=name, average="macro")
        estimate = measure_of(name, rule, pair).estimate(
            np.arange(n), Rules(greater_is_better=GREATER_IS_BETTER[name], margin=0.01)
        )
        expected = [
            {
                "roc_auc": lambda s, y=target: sk.roc_auc_score(y, s, multi_class="ovr"),
                "average_precision": lambda s, y=target: sk.average_precision_score(np.eye(3)[y], s),
                "log_loss": lambda s, y=target: sk.log_loss(y, s),
                "brier_score": lambda s, y=target: ((s - np.eye(3)[y]) ** 2).sum(axis=1).mean(),
            }[name](side)
            for side in sides
        ]
        assert (estimate.champion, estimate.candidate) == pytest.approx(expected, abs=1e-12)


REGRESSION = {
    "mean_absolute_error": sk.mean_absolute_error,
    "mean_squared_error": sk.mean_squared_error,
    "root_mean_squared_error": sk.root_mean_squared_error,
    "r2": sk.r2_score,
}


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_metrics_are_scikit_learns(name):
    rng = np.random.default_rng(5)
    for case in range(CASES):
        n = int(rng.integers(20, 120))
        target = rng.normal(size=n) * 3 + 1
        sides = [target + rng.normal(size=n) for _ in range(2)]
        weight = rng.random(n) + 0.1 if case % 2 else None
        found = values(MetricPolicy(metric=name), weight, target=target, prediction=sides)
        expected = [REGRESSION[name](target, side, sample_weight=weight) for side in sides]
        assert found == pytest.approx(expected, rel=1e-9)


def test_recall_at_fpr_is_read_off_scikit_learns_curve():
    rng = np.random.default_rng(6)
    for _ in range(CASES):
        n = int(rng.integers(40, 200))
        positive = rng.random(n) < 0.4
        score = np.round(rng.normal(size=n) + positive, 1)
        fpr, tpr, _ = sk.roc_curve(positive, score, drop_intermediate=False)
        value, _ = ranking.recall_at_fpr(positive, score, np.ones(n), 0.1)
        assert value == pytest.approx(tpr[fpr <= 0.1 + 1e-12].max())


def test_quantiles_are_numpys_inverted_cdf():
    rng = np.random.default_rng(7)
    for _ in range(CASES):
        data = np.round(rng.lognormal(size=int(rng.integers(10, 200))), 1)
        value, *_ = influence.quantile(data, np.ones(len(data)), 0.95)
        assert value == np.quantile(data, 0.95, method="inverted_cdf")


def reference_delong(positive, first, second):
    """DeLong, DeLong and Clarke-Pearson (1988) as printed: structural components by all pairs."""
    areas, columns, rows = [], [], []
    for score in (first, second):
        ups, downs = score[positive], score[~positive]
        wins = (ups[:, None] > downs[None, :]) + 0.5 * (ups[:, None] == downs[None, :])
        areas.append(wins.mean())
        columns.append(wins.mean(axis=1))
        rows.append(wins.mean(axis=0))
    covariance = np.cov(columns) / positive.sum() + np.cov(rows) / (~positive).sum()
    contrast = np.array([-1, 1])
    return areas, float(np.sqrt(contrast @ covariance @ contrast))


def test_delong_agrees_with_its_printed_form():
    rng = np.random.default_rng(8)
    for _ in range(CASES):
        n = int(rng.integers(30, 150))
        positive = rng.random(n) < 0.3
        positive[:2] = True, False
        positive[2:4] = True, False
        first = np.round(rng.normal(size=n) + positive, 1)
        second = np.round(first + 0.5 * rng.normal(size=n), 1)
        areas, error = reference_delong(positive, first, second)
        common = {"id": np.arange(n), "target": positive.astype(int)}
        # Scores here are not probabilities: ranking metrics take any number.
        pair = pair_of(evaluation(**common, score=first), evaluation(**common, score=second))
        found = measure_of("roc_auc", MetricPolicy(metric="roc_auc"), pair).estimate(
            np.arange(n), Rules(greater_is_better=True, margin=0.01)
        )
        assert [found.champion, found.candidate] == pytest.approx(areas)
        assert found.standard_error == pytest.approx(error, rel=1e-9)


def test_the_paired_t_is_scipys_where_losses_are_even():
    rng = np.random.default_rng(9)
    for _ in range(CASES):
        target = rng.normal(size=60)
        first, second = target + rng.normal(size=60), target + rng.normal(size=60)
        common = {"id": np.arange(60), "target": target}
        pair = pair_of(evaluation(**common, prediction=first), evaluation(**common, prediction=second))
        found = measure_of("mean_absolute_error", MetricPolicy(metric="mean_absolute_error"), pair).estimate(
            np.arange(60), Rules(greater_is_better=False, margin=0.0)
        )
        test = stats.ttest_rel(np.abs(first - target), np.abs(second - target))
        assert found.difference / found.standard_error == pytest.approx(test.statistic, rel=1e-9)


def numerical(function, parts, weight, row, step=1e-6):
    """The influence function by its definition: n times the gain from a little more weight on one row."""
    n = len(weight)
    more = weight.copy()
    more[row] += step * n
    more *= n / more.sum()
    return (function(*parts, more)[0] - function(*parts, weight)[0]) / step * 1.0


@pytest.mark.parametrize("kind", ["labels", "ranking", "regression"])
def test_influence_functions_are_the_derivatives_of_the_values(kind):
    rng = np.random.default_rng(10)
    n = 80
    weight = rng.random(n) + 0.5
    weight *= n / weight.sum()
    target, (said, _) = random_labels(rng, 3, n)
    positive, score = target > 0, np.round(rng.normal(size=n), 1)
    truth, guess = rng.normal(size=n), rng.normal(size=n)
    labels = np.arange(3)
    cases = {
        "labels": [
            (lambda t, p, w, m=m, a=a: influence.averaged(m, t, p, w, labels, average=a), (target, said))
            for m in ("precision", "recall", "f1")
            for a in ("macro", "weighted")
        ]
        + [
            (influence.matthews_corrcoef, (target, said)),
            (influence.balanced_accuracy, (target, said)),
        ],
        "ranking": [(ranking.average_precision, (positive, score))],
        "regression": [
            (influence.r2, (truth, guess)),
            (influence.root_mean_squared_error, (truth, guess)),
        ],
    }
    for function, parts in cases[kind]:
        _, found = function(*parts, weight)
        assert (found * weight).sum() == pytest.approx(0, abs=1e-9)
        for row in range(0, n, 7):
            assert found[row] == pytest.approx(numerical(function, parts, weight, row), rel=1e-3, abs=1e-3)
