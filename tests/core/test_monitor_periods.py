"""What the holdout's own periods teach: how far an estimate is off that knows nothing of a period."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_ci.core.monitor.delayed_labels import Miss, Transfer, learned
from mlops_ci.core.monitor.estimate import Estimated, basis_of, estimated
from mlops_ci.core.monitor.expected import cells_of, values
from mlops_ci.core.monitor.periods import carried, periods_of


def rows(rng, n: int, effect: float = 0.0):
    """Draw scores of one period, and labels whose log odds are `effect` beyond what the scores say."""
    score = 1 / (1 + np.exp(-rng.normal(-0.5, 1.5, n)))
    odds = np.log(score / (1 - score)) + effect
    return score, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)


def world(seed: int, periods: int, n: int, effect: float):
    """Draw a holdout of some periods, each with an effect of its own."""
    rng = np.random.default_rng(seed)
    drawn = [rows(rng, n, rng.normal(0, effect) if effect else 0.0) for _ in range(periods)]
    score, positive = (np.concatenate(column) for column in zip(*drawn, strict=True))
    return score, positive, np.repeat(np.arange(periods), n)


def real(score, positive, metric: str) -> float:
    alarm = score >= 0.5
    cells = cells_of(score, alarm, most=len(score))
    return values(cells, positive[np.lexsort((alarm, score))])[metric]


def test_neighbours_too_small_for_a_period_are_taken_together():
    time = np.repeat([0, 10, 20, 30, 40, 41], [120, 60, 60, 200, 90, 5])
    positive = np.ones(len(time))
    positive[::3] = 0
    period = periods_of(time, 10, positive)
    assert np.bincount(period).tolist() == [120, 120, 295]  # the last window joins the one before it
    assert len(np.unique(periods_of(time, 10, np.ones(len(time))))) == 1  # none has a row of the other class
    shuffled = np.random.default_rng(0).permutation(len(time))
    assert periods_of(time[shuffled], 10, positive[shuffled]).tolist() == period[shuffled].tolist()


def test_the_effect_of_a_period_is_found_in_its_size():
    score, positive, period = world(1, 40, 1500, 0.6)
    found = carried(score, score >= 0.5, positive, period, "identity")
    rng = np.random.default_rng(2)
    misses = []
    for _ in range(400):
        one, truth = rows(rng, 4000, rng.normal(0, 0.6))
        alarm = one >= 0.5
        promised = one[np.lexsort((alarm, one))]
        misses.append(
            real(one, truth, "recall") - values(cells_of(one, alarm, most=4000), promised)["recall"]
        )
    assert found["recall"].periods == 40
    assert found["recall"].variance ** 0.5 == pytest.approx(np.std(misses), rel=0.3)


def test_chance_alone_is_no_effect_of_a_period():
    score, positive, period = world(3, 30, 1000, 0.0)
    found = carried(score, score >= 0.5, positive, period, "identity")
    chance = (0.8 * 0.2 / 1000) ** 0.5
    assert found["accuracy"].variance ** 0.5 < chance / 2


def test_fewer_than_four_periods_teach_nothing():
    score, positive, period = world(4, 3, 500, 0.5)
    assert carried(score, score >= 0.5, positive, period, "identity") == {}
    basis = basis_of(score, positive, score >= 0.5, period, draws=20)
    assert basis.carried == {}
    assert estimated(basis, score, score >= 0.5, ["accuracy"])["accuracy"].transfer == Transfer()


def test_periods_widen_an_interval_until_labels_have_come():
    calm, restless = Transfer(periods=12, excess=0.0), Transfer(periods=12, excess=48.0)
    bare = learned([]).widening
    assert learned([], calm).widening == bare  # the past of the model never makes it narrower
    # t(14) of 12 periods and two imaginary misses of three: 2.145 * sqrt(49 * 30 / 14) standard errors.
    assert learned([], restless).widening == pytest.approx(2.1448 * (49 * 30 / 14) ** 0.5 / 1.96, rel=1e-3)
    right = Miss(off=0.0, missed=0.3)
    widths = [learned([right] * many, restless).widening for many in range(14)]
    assert widths == sorted(widths, reverse=True)
    assert widths[12] == learned([right] * 12).widening


def test_late_misses_count_in_standard_errors():
    # Twelve misses of two half-widths, 3.92 standard errors, and the two imaginary ones of three.
    made = learned([Miss(off=0.1, missed=2.0)] * 12)
    assert made.widening == pytest.approx(2.1448 * ((12 * 3.92**2 + 18) / 14) ** 0.5 / 1.96, rel=1e-3)


def test_what_labels_cannot_move_is_taught_nothing():
    sure = Estimated(metric="recall", value=0.0, lower=0.0, upper=0.0, half=1e-9)
    assert sure.taught([Miss(off=0.2, missed=4.0)] * 5) == sure


@pytest.mark.slow
@pytest.mark.parametrize("periods", [4, 12])
def test_with_times_the_interval_covers_where_every_period_has_an_effect(periods):
    """One window each of many worlds whose holdout has few or many periods: nominal 95%."""
    timed, untimed = 0, 0
    for seed in range(100):
        score, positive, period = world(100 + seed, periods, 500, 1.2)
        basis = basis_of(score, positive, score >= 0.5, period, draws=20)
        rng = np.random.default_rng(9000 + seed)
        later, truth = rows(rng, 4000, rng.normal(0, 1.2))
        said = estimated(basis, later, later >= 0.5, ["recall"])["recall"]
        measured = real(later, truth, "recall")
        timed += said.lower <= measured <= said.upper
        untimed += abs(measured - said.value) <= learned([]).widening * said.half
    assert timed >= 93
    assert untimed <= 85
