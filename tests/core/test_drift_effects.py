"""Effect sizes and p-values: values from scipy, statsmodels and by hand; and what chance alone gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from mlops_ci.core.drift import effects


@pytest.mark.parametrize(("n", "m"), [(100, 100), (1000, 1000), (1000, 300), (50_000, 2000)])
@pytest.mark.parametrize("z", [0.6, 1.0, 1.36, 2.0])
def test_ks_pvalue_is_scipys_up_to_the_small_sample_correction(n, m, z):
    size = np.sqrt(n * m / (n + m))
    exact = stats.kstwo.sf(z / size, round(n * m / (n + m)))
    assert effects.ks_pvalue(z / size, n, m) == pytest.approx(exact, rel=0.06)


def test_chi2_pvalue_is_scipys():
    p, q = np.array([30, 50, 120]), np.array([60, 90, 110])
    exact = stats.chi2_contingency(np.array([p, q]), correction=False).pvalue
    assert effects.chi2_pvalue(p, q) == pytest.approx(exact, rel=1e-9)


def test_chi2_pools_rare_categories():
    p, q = np.array([500, 500, 1, 0, 2]), np.array([480, 520, 0, 3, 1])
    pooled = stats.chi2_contingency(np.array([[500, 500, 3], [480, 520, 4]]), correction=False).pvalue
    assert effects.chi2_pvalue(p, q) == pytest.approx(pooled)


def test_proportions_pvalue_is_statsmodels():
    assert effects.proportions_pvalue(40, 1000, 66, 900) == pytest.approx(
        proportions_ztest([40, 66], [1000, 900])[1]
    )
    assert effects.proportions_pvalue(0, 100, 0, 50) == 1.0


def test_benjamini_hochberg_is_statsmodels():
    p = [0.01, 0.04, 0.03, 0.5, 0.001, 0.2]
    np.testing.assert_allclose(effects.benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])
    assert effects.benjamini_hochberg([]) == []


def test_jensen_shannon_is_scipys():
    p, q = np.array([0.2, 0.5, 0.3, 0]), np.array([0.1, 0.4, 0.2, 0.3])
    assert effects.jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, base=2))


def test_wasserstein_is_scipys():
    rng = np.random.default_rng(0)
    points = np.sort(rng.normal(size=20))
    p, q = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(20))
    exact = stats.wasserstein_distance(points, points, p, q)
    assert effects.wasserstein(points, p, q, 2.0) == pytest.approx(exact / 2)


def test_by_hand():
    p, q = np.array([0.5, 0.5]), np.array([0.6, 0.4])
    assert effects.total_variation(p, q) == pytest.approx(0.1)
    assert effects.psi(p, q) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))
    assert effects.mean_shift(1.0, 1.5, 2.0) == pytest.approx(0.25)
    assert effects.mean_shift(1.0, 1.0, 0.0) == 0
    assert effects.mean_shift(1.0, 1.1, 0.0) == np.inf


def test_cramers_v_of_large_tables_is_the_textbooks_for_equal_sides():
    p, q = np.array([50_000, 50_000]), np.array([60_000, 40_000])
    table = np.array([p, q])
    assert effects.cramers_v(p, q) == pytest.approx(
        stats.contingency.association(table, correction=False), abs=1e-4
    )


def test_cramers_v_does_not_depend_on_the_sizes_of_the_sides():
    p, q = np.array([500, 300, 200]), np.array([400, 300, 300])
    assert effects.cramers_v(p * 1000, q * 10) == pytest.approx(effects.cramers_v(p * 100, q * 100), abs=0.01)


@pytest.mark.parametrize(("levels", "n", "m"), [(2, 1000, 1000), (1000, 1000, 1000), (200, 5000, 700)])
def test_cramers_v_is_centred_without_drift(levels, n, m):
    """phi^2 less its expectation has mean 0: the mean over 400 pairs lies within 4 standard errors."""
    rng = np.random.default_rng(levels)
    share = 1 / np.arange(2, levels + 2)
    share /= share.sum()
    centred = []
    for _ in range(400):
        a, b = rng.multinomial(n, share), rng.multinomial(m, share)
        there = a + b > 0
        p, q, t = a[there] / n, b[there] / m, (a + b)[there]
        phi2 = 0.5 * (np.square(p - q) / (p + q)).sum()
        centred.append(phi2 - effects.expected_phi2(t, n, m))
        assert effects.cramers_v(a, b) == pytest.approx(np.sqrt(max(centred[-1], 0)))
    error = np.std(centred) / np.sqrt(len(centred))
    assert abs(np.mean(centred)) < 4 * error


def test_unseen_mass_is_what_good_turing_expects():
    """With many rare categories new ones are no news: at most 5% + 4 standard errors of pairs have p < 0.05."""
    rng = np.random.default_rng(1)
    share = 1 / np.arange(2, 3002)
    share /= share.sum()
    alarms = 0
    for _ in range(300):
        a, b = rng.multinomial(1000, share), rng.multinomial(1000, share)
        beyond = int(b[a == 0].sum())
        _, p = effects.unseen(int((a == 1).sum()), int((a == 2).sum()), 1000, beyond, 1000)
        alarms += p < 0.05
    assert alarms <= 300 * 0.05 + 4 * np.sqrt(300 * 0.05 * 0.95)


def test_a_truly_new_category_is_beyond_expectation():
    excess, p = effects.unseen(0, 0, 1000, 30, 1000)
    assert excess == pytest.approx(0.03)
    assert p < 1e-5
    assert effects.unseen(0, 0, 1000, 0, 1000) == (0.0, 1.0)
