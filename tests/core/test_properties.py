"""What must hold for any two models, whatever their predictions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_ci.core.evidence import Evaluation, evaluation
from mlops_ci.core.gate.compare import compare
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Outcome, Result

METRICS = (
    "accuracy",
    "recall",
    "false_positive_rate",
    "f1",
    "matthews_corrcoef",
    "balanced_accuracy",
    "log_loss",
    "brier_score",
    "roc_auc",
    "average_precision",
)
common = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(METRICS)


def models(seed, n=None, **more):
    rng = np.random.default_rng(seed)
    n = n or int(rng.integers(30, 200))
    target = (rng.random(n) < 0.4).astype(int)
    target[:6] = [0, 1, 0, 1, 0, 1]
    base = rng.normal(size=n) + 2 * target - 1
    parts = []
    for _ in range(2):
        score = 1 / (1 + np.exp(-(base + 0.5 * rng.normal(size=n))))
        parts.append({"score": np.round(score, 3), "prediction": (score > 0.5).astype(int)})
    common_parts = {"id": np.arange(n), "target": target, **more}
    return [dict(common_parts, **part) for part in parts]


def policy(name, margin=0.02, slices=(), **more):
    rule = MetricPolicy(metric=name, margin=margin, slices=slices)
    return Policy(metrics={name: rule}, **more)


def overall(verdict):
    return next(f for f in verdict.findings if f.slice is None)


@common
@given(seeds, names)
def test_swapping_the_models_mirrors_the_interval(seed, name):
    first, second = (evaluation(**parts) for parts in models(seed))
    one, two = (overall(compare(*pair, policy(name))) for pair in ((first, second), (second, first)))
    assert one.difference == pytest.approx(-two.difference, abs=1e-12)
    if one.interval:
        assert one.interval == pytest.approx([-end for end in two.interval[::-1]], abs=1e-7)


@common
@given(seeds, names)
def test_the_order_of_rows_changes_nothing(seed, name):
    parts = models(seed)
    n = len(parts[0]["id"])
    order = np.random.default_rng(seed).permutation(n)
    mixed = [{key: values[order] for key, values in part.items()} for part in parts]
    assert compare(*(evaluation(**part) for part in parts), policy(name)) == compare(
        *(evaluation(**part) for part in mixed), policy(name)
    )


@common
@given(seeds, names, st.floats(0.1, 100))
def test_a_constant_weight_changes_nothing(seed, name, weight):
    parts = models(seed)
    weighed = [dict(part, weight=np.full(len(part["id"]), weight)) for part in parts]
    plain = compare(*(evaluation(**part) for part in parts), policy(name))
    assert plain == compare(*(evaluation(**part) for part in weighed), policy(name))


RANK = {Result.PASS: 0, Result.INCONCLUSIVE: 1, Result.FAIL: 2}


@common
@given(seeds, names, st.floats(0.001, 0.2), st.floats(1, 10))
def test_a_wider_margin_is_never_stricter(seed, name, margin, factor):
    pair = [evaluation(**part) for part in models(seed)]
    tight, wide = (compare(*pair, policy(name, margin=m)) for m in (margin, margin * factor))
    assert RANK[wide.verdict] <= RANK[tight.verdict]


@common
@given(seeds, names)
def test_slices_never_soften_an_overall_finding(seed, name):
    rng = np.random.default_rng(seed)
    n = 150
    columns = {"place": rng.choice(["a", "b", "c"], n), "age": rng.integers(0, 90, n)}
    pair = [evaluation(**part, columns=columns) for part in models(seed, n)]
    plain = compare(*pair, policy(name))
    sliced = compare(*pair, policy(name, slices=("place", "age"), min_slice=20))
    assert overall(plain) == overall(sliced)
    assert RANK[sliced.verdict] >= RANK[plain.verdict]


@common
@given(
    seeds,
    names,
    st.sampled_from(["score", "target", "prediction", "weight"]),
    st.sampled_from([np.nan, np.inf]),
)
def test_nan_never_passes(seed, name, part, value):
    """Even where an evaluation was built past the checks of `evaluation`."""
    first, second = (evaluation(**parts) for parts in models(seed))
    values = getattr(second, part)
    broken = np.ones(len(second)) if values is None else values.astype(float).copy()
    broken[3] = value
    spoiled: Evaluation = replace(second, **{part: broken})
    assert compare(first, spoiled, policy(name)).verdict is Result.ERROR


@common
@given(st.integers(1, 4), st.booleans())
def test_tiny_holdouts_prove_nothing(n, positive):
    target = np.full(n, int(positive))
    one = evaluation(id=np.arange(n), target=target, prediction=target, score=np.full(n, 0.4))
    two = evaluation(id=np.arange(n), target=target, prediction=1 - target, score=np.full(n, 0.6))
    for name in METRICS:
        for pair in ((one, two), (two, one)):
            finding = overall(compare(*pair, policy(name)))
            assert finding.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.WORSE, Outcome.BETTER}
            if finding.outcome in {Outcome.WORSE, Outcome.BETTER}:
                assert name in {"accuracy", "recall", "false_positive_rate"}
                assert n >= 3
