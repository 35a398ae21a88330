"""Estimates without labels: calibrated, with an interval that holds, and honest about what they cannot see."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as skm

from mlops_ci.core.monitor.calibrate import calibration_error, chosen, fitted
from mlops_ci.core.monitor.delayed_labels import Miss, learned, miss_of
from mlops_ci.core.monitor.estimate import basis_of, doubts_of, estimated
from mlops_ci.core.monitor.expected import cells_of, values


def world(seed: int, n: int, shift: float = 0.0, *, power: float = 1.0):
    """Draw true probabilities, a score that is off by `power`, and labels."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(rng.normal(shift, 1.5, n))))
    score = p**power / (p**power + (1 - p) ** power)
    return score, (rng.random(n) < p).astype(float)


def test_expected_metrics_are_those_of_scikit_learn_where_labels_are_known():
    score, y = world(0, 1500)
    alarm = score >= 0.5
    order = np.lexsort((alarm, score))
    made = values(cells_of(score, alarm), y[order])
    assert made["accuracy"] == pytest.approx(skm.accuracy_score(y, alarm))
    assert made["f1"] == pytest.approx(skm.f1_score(y, alarm))
    assert made["precision"] == pytest.approx(skm.precision_score(y, alarm))
    assert made["recall"] == pytest.approx(skm.recall_score(y, alarm))
    assert made["roc_auc"] == pytest.approx(skm.roc_auc_score(y, score))
    assert made["brier_score"] == pytest.approx(skm.brier_score_loss(y, score))
    assert made["balanced_accuracy"] == pytest.approx(skm.balanced_accuracy_score(y, alarm))
    assert made["log_loss"] == pytest.approx(skm.log_loss(y, score), rel=1e-3)


def test_cells_of_very_many_rows_lose_nothing_that_matters():
    score, y = world(1, 60_000)
    alarm = score >= 0.3
    many = values(cells_of(score, alarm, most=60_000), y[np.lexsort((alarm, score))])
    order = np.lexsort((alarm, score))
    cells = cells_of(score, alarm)
    place = np.arange(60_000) * 2000 // 60_000 * 2 + alarm[order]
    few = values(cells, np.bincount(np.unique(place, return_inverse=True)[1], weights=y[order]))
    for name, value in many.items():
        assert few[name] == pytest.approx(value, abs=5e-4), name


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
def test_a_score_that_is_off_is_calibrated(power):
    score, y = world(2, 6000, power=power)
    choice = chosen(score, y)
    assert choice.error < 0.01
    assert ("identity" in choice.kinds) == (power == 1.0)
    p = fitted(choice.kinds[0], score, y)(score)
    assert calibration_error(p, y) < 0.01


def test_platt_finds_the_curve_it_was_made_by():
    score, y = world(3, 40_000, power=2.0)
    made = fitted("platt", score, y)
    assert made.slope == pytest.approx(0.5, abs=0.03)
    assert made.intercept == pytest.approx(0.0, abs=0.05)


def test_an_estimate_follows_a_shift_of_the_data_and_beats_a_constant():
    score, y = world(4, 8000, power=1.7)
    basis = basis_of(score, y)
    held = float(((score >= 0.5) == y).mean())
    off, constant = [], []
    for seed, shift in enumerate((-1.0, 1.0, 2.0, 3.0)):
        later, truth = world(100 + seed, 4000, shift, power=1.7)
        real = float(((later >= 0.5) == truth).mean())
        off.append(abs(estimated(basis, later, later >= 0.5, ["accuracy"])["accuracy"].value - real))
        constant.append(abs(held - real))
    assert np.mean(off) < 0.01
    assert np.mean(off) < np.mean(constant) / 3


@pytest.mark.slow
def test_the_bare_interval_covers_at_its_level_where_nothing_but_chance_is_at_work():
    inside = {"accuracy": 0, "roc_auc": 0, "f1": 0}
    for seed in range(200):
        basis = basis_of(*world(1000 + seed, 2000, power=1.5), draws=120)
        later, truth = world(5000 + seed, 500, 0.5, power=1.5)
        alarm = later >= 0.5
        real = values(cells_of(later, alarm), truth[np.lexsort((alarm, later))])
        for name, one in estimated(basis, later, alarm, list(inside)).items():
            inside[name] += abs(one.value - real[name]) <= one.half
    assert all(count >= 180 for count in inside.values()), inside


def test_concept_drift_is_not_seen():
    basis = basis_of(*world(6, 5000))
    later, truth = world(7, 5000)
    turned = 1 - truth
    said = estimated(basis, later, later >= 0.5, ["accuracy"])["accuracy"]
    assert said.value > 0.7
    assert float(((later >= 0.5) == turned).mean()) < 0.3
    assert said.valid  # nothing in the inputs speaks against it: that is the blindness


def test_why_an_estimate_is_not_to_be_trusted():
    small = basis_of(*world(8, 150), draws=10)
    assert "too small to calibrate on (150 rows" in doubts_of(small, np.array([0.5]))[0]
    basis = basis_of(*world(9, 3000), draws=10)
    assert doubts_of(basis, basis.score) == ()
    beyond = np.concatenate([basis.score, np.full(200, 1.0)])
    assert "outside the holdout's range" in doubts_of(basis, beyond)[0]


def test_what_late_labels_teach():
    nothing = learned([])
    assert (nothing.correction, nothing.windows) == (0.0, 0)
    assert nothing.widening == pytest.approx(6.586, abs=0.001)
    right = learned([Miss(off=0.0, missed=0.3)] * 40)
    wrong = learned([Miss(off=-0.1, missed=8.0)] * 5)
    assert right.widening < 1.5
    assert wrong.widening > 8.0
    assert wrong.correction == pytest.approx(-0.05)
    found = {"value": 0.8, "half": 0.02, "correction": 0.01}
    assert miss_of(found, 0.75) == Miss(off=pytest.approx(-0.04), missed=pytest.approx(2.5))
