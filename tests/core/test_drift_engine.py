"""The engine: certified intervals around scipy's statistic on hard columns, whatever the order or the split."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mlops_ci.core.drift.cells import Grid, keys_of, values_of
from mlops_ci.core.drift.compact import compact, decode, encode
from mlops_ci.core.drift.counting import CellCounter
from mlops_ci.core.drift.sketch import Sketch, distances, from_values, union
from mlops_ci.core.drift.sketching import sketch_column

ROWS = 70_000
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def with_share(values: np.ndarray, rng: np.random.Generator, share: float, other: float) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, other, values)


# Each column as it is without drift; `shift` moves it in about standard deviations.
HARD: dict[str, Callable[[np.random.Generator, int, float], np.ndarray]] = {
    "normal": lambda r, n, s: r.normal(s, 1, n),
    "lognormal(3)": lambda r, n, s: r.lognormal(s, 3, n),
    "Cauchy": lambda r, n, s: r.standard_cauchy(n) + s,
    "one 1e12": lambda r, n, s: np.r_[r.normal(s, 1, n - 1), 1e12],
    "sentinel": lambda r, n, s: with_share(r.normal(s, 1, n), r, 0.02, -999999.0),
    "infinities": lambda r, n, s: with_share(
        with_share(r.normal(s, 1, n), r, 0.01, np.inf), r, 0.01, -np.inf
    ),
    "60% zeros": lambda r, n, s: with_share(np.abs(r.normal(s, 1, n)), r, 0.6, 0.0),
    "-0.0 and 0.0": lambda r, n, s: with_share(with_share(r.normal(s, 1, n), r, 0.3, -0.0), r, 0.3, 0.0),
    "constant": lambda r, n, s: np.full(n, 3.7),
    "two values": lambda r, n, s: np.where(r.random(n) < 0.3 + s / 5, 0.1, 0.7),
    "tenths": lambda r, n, s: np.round(r.normal(s, 1, n), 1),
    "cents": lambda r, n, s: np.round(r.lognormal(3 + s, 1, n), 2),
    "1e4 offset": lambda r, n, s: 1e4 + r.normal(s, 1, n),
    "1e9 offset": lambda r, n, s: 1e9 + r.normal(s, 1, n),
    "-1e9 offset": lambda r, n, s: -1e9 + r.normal(s, 1, n),
    "1e9 offset, one -1e300": lambda r, n, s: np.r_[1e9 + r.normal(s, 1, n - 1), -1e300],
    "epoch seconds": lambda r, n, s: 1.7e9 + r.uniform(0, 3e7, n) + s * 3e6,
    "denormals": lambda r, n, s: r.normal(0, 1 + s, n) * 5e-320,
    "uniform": lambda r, n, s: r.uniform(0, 1, n) + s,
    "NaN": lambda r, n, s: with_share(r.normal(s, 1, n), r, 0.05, np.nan),
    "integers from 2**60": lambda r, n, s: r.integers(0, 100, n) + int(s * 20) + 2**60,
    "identifiers": lambda r, n, s: r.integers(0, 10**12, n) + int(s * 10**11),
    "integers, two giants": lambda r, n, s: np.r_[r.integers(0, 1000, n - 2) + int(s * 100), 2**62, -(2**62)],
}


def chunks_of(values: np.ndarray) -> Callable[[], list[np.ndarray]]:
    return lambda: np.array_split(values, 3)


def sketch(values: np.ndarray, *, bounds: bool, heaviest: float = 0.0025) -> tuple[Sketch, int]:
    low, high = (np.nanmin(values), np.nanmax(values)) if bounds else (None, None)
    floats = values.dtype.kind == "f"
    return sketch_column(
        chunks_of(values), rows=len(values), low=low, high=high, floats=floats, heaviest=heaviest
    )


@pytest.mark.parametrize(("bounds", "shift"), [(True, 0.25), (False, 0.0)])
@pytest.mark.parametrize("name", HARD)
def test_the_interval_holds_the_exact_distance(name, shift, bounds):
    rng = np.random.default_rng(5)
    a, b = HARD[name](rng, ROWS, 0.0), HARD[name](rng, ROWS, shift)
    (one, missing), (two, _) = sketch(a, bounds=bounds), sketch(b, bounds=bounds)
    known = [side[~np.isnan(side)] if side.dtype.kind == "f" else side for side in (a, b)]
    exact = stats.ks_2samp(*known, method="asymp").statistic
    low, size, high = distances(one, two)
    assert missing == len(a) - len(known[0])
    assert one.n == len(known[0])
    assert low - 1e-12 <= exact <= high + 1e-12
    assert low <= size <= high
    # A cell that is no atom holds at most 0.0025 of either side.
    assert high - low <= 0.0025
    fine = [sketch(side, bounds=bounds, heaviest=0.0004)[0] for side in (a, b)]
    low, _, high = distances(*fine)
    assert low - 1e-12 <= exact <= high + 1e-12
    assert high - low <= 0.001


@pytest.mark.parametrize("name", HARD)
def test_the_order_of_rows_does_not_matter(name):
    rng = np.random.default_rng(6)
    values = HARD[name](rng, ROWS, 0.0)
    shuffled = rng.permutation(values)
    one, two = sketch(values, bounds=True)[0], sketch(shuffled, bounds=True)[0]
    for field in ("low", "high", "count"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))


def test_wrong_bounds_cost_a_pass_and_nothing_else():
    values = np.random.default_rng(0).uniform(1, 100, ROWS)
    one, _ = sketch_column(chunks_of(values), rows=ROWS, low=2.0, high=3.0)
    two, _ = sketch_column(chunks_of(values), rows=ROWS)
    np.testing.assert_array_equal(one.count, two.count)


def test_signalling_nan_that_shares_the_cell_of_infinity_is_missing():
    values = np.random.default_rng(0).normal(size=ROWS)
    values[:7] = np.inf
    values.view(np.int64)[10:15] = 0x7FF00000000007A2  # R's NA
    made, missing = sketch_column(chunks_of(values), rows=ROWS)
    assert missing == 5
    assert made.count[-1] == 7
    assert made.points()[-1] == np.inf


# --- exact on small data -------------------------------------------------------------------------

columns = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.floats(allow_nan=False, width=64) | st.integers(-3, 3).map(float),
)


@given(columns, columns)
def test_small_data_give_scipys_statistic(a, b):
    low, size, high = distances(from_values(a)[0], from_values(b)[0])
    assert low == size == high
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's p-value at distance 0
        assert high == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic, abs=1e-12)


@given(columns)
def test_keys_keep_order_and_come_back(values):
    keys = keys_of(values)
    np.testing.assert_array_equal(values_of(keys), values + 0.0)
    order = np.argsort(values, kind="stable")
    assert (keys[order][1:] >= keys[order][:-1]).all()
    np.testing.assert_array_equal(
        values[order][1:] == values[order][:-1], keys[order][1:] == keys[order][:-1]
    )


# --- merging -------------------------------------------------------------------------------------


def in_cells(values: np.ndarray) -> Sketch:
    counter = CellCounter(Grid())
    counter.add(values + 0.0)
    return counter.result()[0]


def same(one: Sketch, two: Sketch) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("low", "high", "count"))


sketches = st.one_of(columns.map(lambda v: from_values(v)[0]), columns.map(in_cells))


@given(sketches, sketches, sketches)
def test_merge_is_associative_and_commutative(a, b, c):
    assert same(union([a, b]), union([b, a]))
    assert same(union([union([a, b]), c]), union([a, union([b, c])]))
    assert union([a, b]).n == a.n + b.n


@given(columns, st.integers(0, 60))
def test_the_whole_is_the_merge_of_any_split(values, cut):
    parts = [part for part in (values[:cut], values[cut:]) if len(part)]
    assert same(from_values(values)[0], union([from_values(part)[0] for part in parts]))
    coarse = CellCounter(Grid())
    for part in parts:
        other = CellCounter(Grid())
        other.add(part + 0.0)
        coarse.absorb(other.state())
    whole = CellCounter(Grid())
    whole.add(values + 0.0)
    assert same(coarse.result()[0], whole.result()[0])


@given(sketches, sketches)
def test_merged_sketches_still_bound_the_truth(a, b):
    low, _, high = distances(union([a, b]), a)
    assert 0 <= low <= high <= 1


# --- storing -------------------------------------------------------------------------------------


@given(hnp.arrays(np.int64, st.integers(0, 50)))
def test_encoding_comes_back(values):
    np.testing.assert_array_equal(decode(encode(values)), values)


def test_damaged_text_is_refused():
    with pytest.raises(ValueError, match="compressed"):
        decode("AAAA")


@pytest.mark.parametrize("name", ["normal", "sentinel", "60% zeros", "1e9 offset", "tenths"])
def test_a_stored_sketch_bounds_and_hides(name):
    rng = np.random.default_rng(7)
    a, b = HARD[name](rng, ROWS, 0.0), HARD[name](rng, ROWS, 0.25)
    one, two = sketch(a, bounds=True)[0], sketch(b, bounds=True)[0]
    small, left_out = compact(one, min_count=10)
    assert small.n + left_out == one.n
    assert small.count.min() >= 10
    assert left_out <= 100
    assert len(small.low) <= 2200
    exact = stats.ks_2samp(a, b, method="asymp").statistic
    low, _, high = distances(small, two)
    slack = left_out / one.n
    assert low - slack <= exact <= high + slack
    assert high - low <= 0.005


def test_the_tails_of_a_small_stored_sketch_stay_where_its_values_are():
    # Ten values that no parent holds alone join up to the end of the float range: its middle is 1e307.
    rng = np.random.default_rng(42)
    for _ in range(20):
        values = rng.normal(0, 0.8, 1000)
        small, _ = compact(from_values(values)[0], min_count=10)
        mean, deviation = small.moments()
        assert mean == pytest.approx(values.mean(), abs=0.03)
        assert deviation == pytest.approx(values.std(), abs=0.06)
        assert small.quantile(0.0) >= values.min() - 1
        assert small.quantile(1.0) <= values.max() + 1


@settings(max_examples=30)
@given(hnp.arrays(np.float64, st.integers(10, 300), elements=st.floats(-5, 5)), st.integers(1, 20))
def test_compacting_keeps_every_value_or_says_how_many_not(values, least):
    made, left_out = compact(from_values(values)[0], min_count=least)
    assert made.n + left_out == len(values)
    assert not len(made.count) or made.count.min() >= least
    assert (made.high[:-1] < made.low[1:]).all()
