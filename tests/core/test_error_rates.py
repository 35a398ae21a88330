"""The gate's error rates and power by simulation, with bounds derived from the number of runs.

A rate whose truth is at most p exceeds p + 4 sqrt(p (1 - p) / runs) less than once in 30,000 runs of
these tests; seeds are fixed besides.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from benchmarks import gate_tables
from benchmarks.gate_batch import PLAIN, judge, shared
from benchmarks.gate_quality import PARTS, proven_worse, reuse, shares
from benchmarks.gate_worlds import CUSTOM, LABELS, LOSSES, NUMBERS, RANKS, RECALL, UP, World
from mlops_ci.core.gate.estimate import Rules
from mlops_ci.core.gate.proportions import tango_statistic

Z = float(ndtri(0.95))
KINDS = (*LABELS, *RANKS, RECALL, *LOSSES, *NUMBERS, CUSTOM)


def bound(rate, runs):
    return rate + 4 * np.sqrt(rate * (1 - rate) / runs)


def test_accuracy_errs_as_often_as_it_says():
    """Where Tango's test itself is at its exact maximum (n = 300, m = d = 0.02), .06; else .05."""
    runs = 4000
    for n, share, margin in [(50, 0.06, 0.03), (300, 0.02, 0.02), (300, 0.06, 0.03), (1000, 0.2, 0.05)]:
        rng = np.random.default_rng([1, n])
        gained, lost, _ = rng.multinomial(
            n, [(share - margin) / 2, (share + margin) / 2, 1 - share], size=runs
        ).T
        statistic = tango_statistic(n, gained, lost, -margin)
        passed = (statistic > Z).mean()
        failed = proven_worse(n, gained, lost, margin, statistic).mean()
        limit = 0.06 if (n, share) == (300, 0.02) else 0.05
        assert passed <= bound(limit, runs), (n, share, margin)
        assert failed <= bound(0.05, runs), (n, share, margin)


@pytest.mark.parametrize("group", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_many_holdouts_at_once_are_judged_as_the_product_judges_one(kind, group):
    """The benchmark's vectors and the product's measures give the same bounds, doubts included.

    Without groups the bounds of resampled metrics come from fewer, other resamples: those agree within
    a quarter of a standard error.
    """
    n, runs = 200, 8
    if kind == CUSTOM and group > 1:
        pytest.skip("a function is not simulated in groups")
    world = World(prevalence=0.3, auc=0.9, disagreement=0.2, group=group, icc=0.1 * (group > 1))
    drawn = world.draw(np.random.default_rng(3), runs, n, worse=True)
    found = judge(kind, world, drawn, np.random.default_rng(1), 0 if group > 1 else 400)
    resampled = group == 1 and kind not in PLAIN
    for run in range(runs):
        rules = Rules(greater_is_better=kind in UP, margin=0.01)
        one = world.measure(kind, drawn, run).estimate(np.arange(n), rules)
        slack = 0.25 * one.standard_error if resampled else 1e-9
        assert found.difference[run] == pytest.approx(one.difference, abs=1e-9)
        if one.doubt:
            assert (found.lower[run], found.upper[run]) == (-np.inf, np.inf)
        else:
            assert found.lower[run] == pytest.approx(one.lower, abs=slack)
            assert found.upper[run] == pytest.approx(one.upper, abs=slack)


def test_accuracy_in_groups_is_judged_as_the_product_judges_one():
    n, runs, margin = 200, 30, 0.03
    world = World(prevalence=0.3, auc=0.9, disagreement=0.2, group=5, icc=0.1)
    drawn = world.draw(np.random.default_rng(3), runs, n, worse=True)
    passed, failed, _ = shared(world, drawn).at(margin)
    for run in range(runs):
        rules = Rules(greater_is_better=True, margin=margin)
        one = world.measure("accuracy", drawn, run).estimate(np.arange(n), rules)
        assert (one.lower > -margin, one.upper < -margin) == (passed[run], failed[run])


def test_the_true_loss_of_a_world_is_what_many_rows_show():
    world = World(prevalence=0.3, auc=0.9, disagreement=0.2)
    drawn = world.draw(np.random.default_rng(5), 4, 200_000, worse=True)
    for kind in KINDS:
        found = judge(kind, world, drawn, np.random.default_rng(1), 0).difference
        spread = found.std(ddof=1) / 2
        assert -world.true_loss(kind) == pytest.approx(found.mean(), abs=6 * spread), kind


@pytest.mark.parametrize(
    ("prevalence", "auc", "share", "n", "group", "icc"),
    [
        (0.05, 0.98, 0.2, 300, 1, 0.0),
        (0.5, 0.98, 0.2, 100, 1, 0.0),
        (0.5, 0.8, 0.06, 300, 1, 0.0),
        (0.5, 0.98, 0.2, 300, 10, 0.3),
        (0.05, 0.98, 0.06, 1000, 25, 0.3),
    ],
)
def test_other_metrics_err_little_more(prevalence, auc, share, n, group, icc):
    """At exactly the margin, in the worlds that are hardest for small holdouts."""
    runs = 600
    world = World(prevalence=prevalence, auc=auc, disagreement=share, group=group, icc=icc)
    drawn = world.draw(np.random.default_rng([7, n]), runs, n, worse=True)
    for kind in KINDS:
        if group > 1 and kind == CUSTOM:
            continue
        loss = world.true_loss(kind)
        found = judge(kind, world, drawn, np.random.default_rng(1), 200 if group == 1 else 0)
        assert (found.lower > -loss).mean() <= bound(0.075, runs), kind
        assert (found.upper < -loss).mean() <= bound(0.075, runs), kind


def test_groups_cost_little_power_against_the_plain_cluster_test():
    """Forty groups whose differences are even: no more than .05 below Student's t with 39 degrees."""
    runs = 1500
    world = World(prevalence=0.5, auc=0.8, disagreement=0.2, group=25, icc=0.3)
    drawn = world.draw(np.random.default_rng(9), runs, 1000, worse=False)
    for kind in ("f1", "balanced_accuracy", "roc_auc", "log_loss", "mean_absolute_error"):
        loss = world.true_loss(kind)
        found = judge(kind, world, drawn, np.random.default_rng(1), 0)
        assert (found.lower > -loss).mean() >= (found.plain > -loss).mean() - 0.05, kind


def test_t_alone_keeps_the_limit_and_the_power_where_a_bootstrap_cost_it():
    """Average precision, recall and quantiles, in worlds where the textbook test's size is at most .05."""
    runs = 2000
    for kind, n, prevalence, share in (
        ("average_precision", 1000, 0.05, 0.06),
        (RECALL, 300, 0.5, 0.2),
        ("quantile:0.9", 50, 0.5, 0.2),
    ):
        world = World(prevalence=prevalence, auc=0.8, disagreement=share)
        equal, worse = (
            judge(kind, world, world.draw(np.random.default_rng([11, n, side]), runs, n, worse=side), None, 0)
            for side in (False, True)
        )
        loss = world.true_loss(kind)
        assert (worse.plain > -loss).mean() <= bound(0.05, runs), kind
        assert (worse.lower > -loss).mean() <= bound(0.05, runs), kind
        assert (equal.lower > -loss).mean() >= (equal.plain > -loss).mean() - 0.05 - 2 * 0.005, kind


def test_a_quantile_of_few_rows_is_as_unsure_as_one_row_makes_it():
    """With 50 rows and models that differ little, often no row is on different sides of both quantiles."""
    runs, n = 2000, 50
    world = World(prevalence=0.5, auc=0.8, disagreement=0.02)
    drawn = world.draw(np.random.default_rng(13), runs, n, worse=True)
    found, loss = judge("quantile:0.9", world, drawn, None, 0), world.true_loss("quantile:0.9")
    assert (found.plain > -loss).mean() > 0.09
    assert (found.lower > -loss).mean() <= 0.05
    assert (found.upper < -loss).mean() <= 0.05


def test_the_page_says_what_the_results_say():
    text = gate_tables.PAGE.read_text()
    assert gate_tables.page(text, gate_tables.blocks(Path("benchmarks/results"))) == text


def test_the_ratchet_of_one_holdout_and_what_strict_does():
    off, even, full = reuse(0.2)
    runs = off["runs"]
    assert abs(off["measurably worse"][1] - 0.05) <= bound(0.05, runs) - 0.05
    assert off["measurably worse"][20] > 0.2
    assert even["measurably worse"][20] <= bound(0.05, runs)
    assert full["measurably worse"][20] <= bound(0.01, runs)


@pytest.mark.slow
def test_accuracy_over_the_whole_grid():
    for row in shares(0.25):
        at_margin = row["loss 1m"]
        limit = 0.06 if row["n"] <= 300 else 0.05
        assert at_margin["non_inferior"] <= bound(limit, row["runs"]), row
        assert at_margin["worse"] <= bound(0.05, row["runs"]), row


@pytest.mark.slow
@pytest.mark.parametrize("part", ["alone", "hard", "groups"])
def test_the_others_over_the_whole_grid(part):
    for row in PARTS[part](0.1):
        limit = 0.06 if row["kind"] == "accuracy" else 0.075
        for outcome in ("non_inferior", "worse"):
            assert row["loss 1m"][outcome] <= bound(limit, row["runs"]), row
