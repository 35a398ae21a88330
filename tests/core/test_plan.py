import math

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.easeml import CONDITIONS, USES
from mlops_ci.core.gate.label_complexity import difference_chances, labels_needed, log_tail, log_uses
from mlops_ci.core.gate.paired_exact import lower_tail
from mlops_ci.core.gate.plan import Question, plan
from mlops_ci.core.gate.power import minimum_detectable_loss, rows_for_disagreement


def test_the_rows_of_the_rule_of_thumb():
    """6.18 d / m^2: a margin of a point at 6% disagreement takes 3,710 rows."""
    assert rows_for_disagreement(0.01, 0.06, 0.05) == 3710
    assert rows_for_disagreement(0.01, 0.0, 0.05) == 268
    assert minimum_detectable_loss(1.0, 0.05) == pytest.approx(2.4865, abs=1e-4)


@pytest.mark.parametrize(("n", "share", "least"), [(50, 0.3, 25), (400, 0.5, 260), (2000, 0.1, 330)])
def test_the_tail_is_the_binomials(n, share, least):
    assert log_tail(n, share, 0.0, least) == pytest.approx(binom.logsf(least - 1, n, share), rel=1e-8)


def test_the_tail_is_the_sum_over_all_tables():
    n, gained, lost, least = 60, 0.05, 0.08, 4
    total = 0.0
    for up in range(n + 1):
        for down in range(n - up + 1):
            if up - down >= least:
                ways = math.comb(n, up) * math.comb(n - up, down)
                total += ways * gained**up * lost**down * (1 - gained - lost) ** (n - up - down)
    assert math.exp(log_tail(n, gained, lost, least)) == pytest.approx(total, rel=1e-9)


def test_the_exact_lower_tail_without_any_discordant_row():
    # Only the empty table is as far up as itself: its chance is (1 - m)^n; below it lies everything.
    assert lower_tail(100, 0, 0, -0.02) == pytest.approx(1.0)


@pytest.mark.parametrize(("adaptivity", "theirs", "least"), [("none", 29_048, 1.25), ("full", 67_706, 1.13)])
def test_fewer_labels_than_ease_ml_ci(adaptivity, theirs, least):
    formula, split, chances = CONDITIONS["n - o > c, d < 0.1"]
    k = log_uses(USES, adaptivity)
    assert math.ceil(formula(k, 1e-4, 0.01)) == theirs
    ours = labels_needed(0.01, math.log(1e-4 / split) - k, chances)
    assert theirs / ours >= least


@pytest.mark.parametrize("name", CONDITIONS)
def test_never_more_labels(name):
    formula, split, chances = CONDITIONS[name]
    for adaptivity in ("none", "full"):
        k = log_uses(USES, adaptivity)
        assert labels_needed(0.05, math.log(1e-3 / split) - k, chances) <= formula(k, 1e-3, 0.05)


def test_the_labels_are_enough_and_one_less_is_not():
    n = labels_needed(0.1, math.log(0.01), difference_chances(0.3))
    worst = [
        max(
            log_tail(m, *difference_chances(0.3)(k / m - 0.1), k)
            for k in range(-m // 5, m // 3)
            if abs(k / m - 0.1) <= 0.3
        )
        for m in (n - 1, n)
    ]
    assert math.exp(worst[0]) > 0.01 >= math.exp(worst[1])


def summed(n, gained, lost, least):
    """log P(G - L >= least) by adding up over the number of rows that differ; no transform, no tilt."""
    differ = np.arange(n + 1)
    terms = binom.logpmf(differ, n, gained + lost) + binom.logsf(
        np.ceil((least + differ) / 2) - 1, differ, gained / (gained + lost)
    )
    top = terms[np.isfinite(terms)].max()
    return top + math.log(np.exp(terms[np.isfinite(terms)] - top).sum())


@pytest.mark.parametrize(("delta", "rows"), [(1e-4, 23_209), (1e-5, 27_659)])
def test_no_fewer_labels_would_do_at_a_point_of_tolerance(delta, rows):
    """p = 0.1, eps = 0.01, H = 32: with one label fewer there is a truth at which the promise breaks."""
    chances = difference_chances(0.1)
    target = math.log(delta / 4) - log_uses(USES, "none")
    assert labels_needed(0.01, target, chances) == rows

    # The worst truth lies a little above 0; the sum falls to both sides of it.
    ranges = {n: range(-2000, 2700, 7) for n in (rows - 1, rows)}
    tails = {n: {k: log_tail(n, *chances(k / n - 0.01), k) for k in least} for n, least in ranges.items()}
    worst = {n: max(found, key=found.get) for n, found in tails.items()}
    added = {n: summed(n, *chances(k / n - 0.01), k) for n, k in worst.items()}
    assert added[rows - 1] > target >= added[rows]
    assert added == pytest.approx({n: tails[n][k] for n, k in worst.items()}, abs=1e-8)
    assert max(tails[rows].values()) <= target


def test_uses_cost_rows():
    one = plan(Question(margin=0.01, disagreement=0.06))
    many = plan(Question(margin=0.01, disagreement=0.06, uses=10))
    full = plan(Question(margin=0.01, disagreement=0.06, uses=10, adaptivity="full"))
    assert one.rows < many.rows < full.rows
    assert (many.alpha_each, full.alpha_each) == pytest.approx((0.005, 0.05 / 1024))
    assert any("2^uses" in text for text in full.assumptions)


def test_nonsense_is_refused_all_at_once():
    with pytest.raises(ValueError, match=r"margin must lie.*uses must be 1"):
        plan(Question(margin=0, disagreement=0.1, uses=0))
