"""Windows of time, and performance of two independent samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.monitor.performance import performance
from mlops_ci.core.monitor.windows import InvalidLengthError, due, length_of, read_time, window_at
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Outcome

DAY = timedelta(days=1)


def test_lengths():
    assert [length_of(text) for text in ("15m", "6h", "1d", "2w")] == [
        timedelta(minutes=15),
        timedelta(hours=6),
        DAY,
        14 * DAY,
    ]
    for text in ("0d", "1", "d", "1y", "-1d"):
        with pytest.raises(InvalidLengthError, match="is not a length of time"):
            length_of(text)


def test_weeks_begin_on_a_monday_and_times_without_a_zone_are_utc():
    one = window_at(read_time("2026-11-22T12:00"), length_of("1w"))
    assert one.name == "2026-11-16T00:00:00Z/2026-11-23T00:00:00Z"
    assert read_time("2026-11-22T12:00+02:00") == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert window_at(one.end, length_of("1w")).number == one.number + 1


def test_due_windows_are_complete_and_at_most_so_many():
    now = datetime(2026, 3, 5, 0, 30, tzinfo=UTC)
    first = datetime(2026, 3, 1, 5, tzinfo=UTC)
    found = due(now, DAY, timedelta(hours=1), first=first, most=10)
    assert [one.start.day for one in found] == [1, 2, 3]  # of the 4th, the delay is not over
    assert [one.start.day for one in due(now, DAY, timedelta(0), first=first, most=2)] == [3, 4]
    assert len(due(now, DAY, timedelta(0), first=None, most=4)) == 4
    assert due(now, DAY, timedelta(0), first=now + DAY, most=4) == []


def sample(seed: int, n: int, right: float):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return evaluation(id=np.arange(n), target=y, prediction=np.where(rng.random(n) < right, y, 1 - y))


POLICY = Policy(metrics={"accuracy": MetricPolicy(metric="accuracy", margin=0.03)})


@pytest.mark.parametrize(
    ("right", "outcome"),
    [(0.9, Outcome.NON_INFERIOR), (0.97, Outcome.BETTER), (0.8, Outcome.WORSE), (0.87, Outcome.INCONCLUSIVE)],
)
def test_outcomes_of_two_independent_samples(right, outcome):
    (found,) = performance(sample(1, 4000, 0.9), sample(2, 4000, right), POLICY)
    assert found.outcome is outcome
    assert found.interval[0] < found.difference < found.interval[1]
    assert (found.pvalue < 0.05) == (outcome is Outcome.WORSE)


def test_a_metric_without_a_value_is_an_error_and_no_finding():
    wants = Policy(metrics={"roc_auc": MetricPolicy(metric="roc_auc", margin=0.03)})
    (found,) = performance(sample(1, 500, 0.9), sample(2, 500, 0.9), wants)
    assert (found.outcome, found.gated) == (Outcome.ERROR, False)


@pytest.mark.slow
def test_a_loss_at_exactly_the_margin_is_called_worse_at_most_alpha_of_the_time():
    calls = sum(
        performance(sample(2 * seed, 1500, 0.9), sample(2 * seed + 1, 600, 0.87), POLICY)[0].outcome
        is Outcome.WORSE
        for seed in range(1500)
    )
    assert calls / 1500 <= 0.05 + 1.645 * np.sqrt(0.05 * 0.95 / 1500)
