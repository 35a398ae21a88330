import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from mlops_ci.core.gate import proportions, scalars
from mlops_ci.core.gate.estimate import Rules

RULES = Rules(greater_is_better=True, margin=0.02)
CASES = 200


def test_wilson_and_clopper_pearson_are_statsmodels():
    rng = np.random.default_rng(0)
    for _ in range(CASES):
        n = int(rng.integers(5, 400))
        count = int(rng.integers(0, n + 1))
        wilson = proportions.wilson(count / n, n, float(ndtri(0.95)))
        assert wilson == pytest.approx(proportion_confint(count, n, 0.1, method="wilson"), abs=1e-9)
        exact = proportions.clopper_pearson(count, n, 0.05)
        assert exact == pytest.approx(proportion_confint(count, n, 0.1, method="beta"), abs=1e-9)


def test_newcombe_is_statsmodels():
    rng = np.random.default_rng(1)
    for _ in range(CASES):
        n0, n1 = (int(n) for n in rng.integers(20, 400, 2))
        c0, c1 = int(rng.integers(1, n0)), int(rng.integers(1, n1))
        ours = proportions.newcombe(c0 / n0, n0, c1 / n1, n1, 0.05)
        theirs = confint_proportions_2indep(c1, n1, c0, n0, method="newcomb", alpha=0.1)
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_exact_mcnemar_is_statsmodels():
    rng = np.random.default_rng(2)
    for _ in range(CASES):
        b, c = (int(k) for k in rng.integers(0, 60, 2))
        theirs = mcnemar([[10, b], [c, 10]], exact=True).pvalue
        assert proportions.mcnemar_pvalue(b, c) == pytest.approx(theirs, abs=1e-12)


def test_welch_is_scipys():
    rng = np.random.default_rng(3)
    for _ in range(CASES):
        before, after = rng.normal(0.9, 0.01, 5), rng.normal(0.91, 0.02, 7)
        ours = scalars.welch(before, after, RULES)
        interval = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.9)
        assert (ours.lower, ours.upper) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_the_noise_floor_is_a_prediction_interval():
    before = np.array([0.90, 0.92, 0.91, 0.93])
    found = scalars.noise_floor(before, 0.90, RULES)
    half = stats.t.ppf(0.95, 3) * before.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert found.upper - found.lower == pytest.approx(2 * half)


def test_folds_that_share_training_rows_get_a_wider_interval():
    rng = np.random.default_rng(4)
    before = rng.normal(0.9, 0.01, 10)
    after = before + rng.normal(0, 0.005, 10)
    corrected = scalars.corrected_resampled_t(before, after, 1 / 9, RULES)
    naive = stats.ttest_rel(after, before).confidence_interval(0.9)
    ratio = (corrected.upper - corrected.lower) / (naive.high - naive.low)
    assert ratio == pytest.approx(np.sqrt((1 / 10 + 1 / 9) / (1 / 10)))


def test_runs_that_do_not_vary_prove_nothing():
    found = scalars.noise_floor(np.array([0.9, 0.9, 0.9]), 0.95, RULES)
    assert found.doubt
