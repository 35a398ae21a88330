"""The decision: the tutorial's two cases, each kind of drift by itself, and silence without any."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from mlops_ci.api_drift import drift, profile
from mlops_ci.core.drift.column_profile import InvalidProfileError
from mlops_ci.core.drift.profile import Profile
from mlops_ci.errors import EvidenceError, UsageError


def tutorial() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    state = np.random.RandomState(42)
    return state.normal(0, 1, 1000), state.normal(0.1, 1.1, 1000), state.normal(2.0, 1.5, 1000)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def one(reference, current, **options):
    return drift({"x": reference}, {"x": current}, **options).columns[0]


def checks(column) -> set[str]:
    return {check.name for check in column.checks if check.drifted}


class TestTutorial:
    def test_normal_conditions_are_not_drift(self):
        reference, normal, _ = tutorial()
        column = one(reference, normal)
        assert column.effect == "ks"
        assert column.effect_size == pytest.approx(0.087, abs=1e-9)
        assert column.pvalue == pytest.approx(0.0010, abs=1e-4)
        assert not column.drifted

    def test_drifted_is(self):
        reference, _, drifted = tutorial()
        report = drift({"x": reference}, {"x": drifted})
        assert report.columns[0].effect_size == pytest.approx(0.606, abs=1e-9)
        assert report.drifted
        assert report.columns[0].drifted

    def test_from_a_stored_profile_the_decisions_are_the_same(self):
        reference, normal, drifted = tutorial()
        stored = Profile.from_json(profile({"x": reference}).to_json())
        for current, size, verdict in ((normal, 0.087, False), (drifted, 0.606, True)):
            report = drift(stored, {"x": current})
            low, high = report.columns[0].interval
            assert low <= size <= high
            assert high - low < 0.025
            assert report.drifted is verdict
            assert any("profile is coarse" in notice for notice in report.notices)


class TestSideChecks:
    def test_missing(self, rng):
        x = rng.normal(size=2000)
        gone = np.where(rng.random(2000) < 0.15, np.nan, x)
        column = one(x, gone)
        assert checks(column) == {"missing"}
        assert "from 0.0% to" in column.message

    def test_few_missing_are_no_drift(self, rng):
        x = rng.normal(size=100_000)
        assert not one(x, np.where(rng.random(100_000) < 0.02, np.nan, x)).drifted

    def test_all_missing(self, rng):
        column = one(rng.normal(size=500), np.full(500, np.nan))
        assert checks(column) == {"missing"}
        assert not one(np.full(500, np.nan), np.full(500, np.nan)).drifted

    def test_new_and_vanished_categories(self, rng):
        a = rng.choice(["a", "b", "c"], 3000, p=[0.5, 0.48, 0.02])
        b = rng.choice(["a", "b", "d"], 3000, p=[0.5, 0.47, 0.03])
        assert checks(one(a, b)) == {"new_values", "vanished_values"}

    def test_a_few_new_rows_are_no_drift(self, rng):
        a = rng.choice(["a", "b"], 100_000)
        b = np.r_[a[:-50], np.full(50, "new")]
        assert not one(a, b).drifted

    def test_range(self, rng):
        a = rng.uniform(0, 1, 5000)
        b = np.where(rng.random(5000) < 0.03, 2.0, rng.uniform(0, 1, 5000))
        assert checks(one(a, b)) == {"range"}

    def test_type(self, rng):
        x = rng.normal(size=300)
        column = one(x, np.array([f"v{i % 3}" for i in range(300)]))
        assert checks(column) == {"type"}
        assert "numbers" in column.message

    def test_integers_and_floats_are_one_type(self, rng):
        x = rng.integers(0, 50, 2000)
        assert not one(x, x.astype(float)).drifted

    def test_schema(self, rng):
        x = rng.normal(size=300)
        report = drift({"x": x, "gone": x}, {"x": x, "new": x})
        assert report.drifted
        assert report.column("gone").drifted
        assert not report.column("new").drifted
        assert any("new" in notice for notice in report.notices)


class TestKinds:
    def test_a_clock_runs_on(self, rng):
        start = dt.datetime(2026, 1, 1)
        times = [start + dt.timedelta(minutes=int(m)) for m in range(5000)]
        later = [one + dt.timedelta(days=10 * 7) for one in times]
        column = one(pa.array(times), pa.array(later))
        assert column.kind == "time"
        assert not column.drifted
        assert "clock" in column.message

    def test_another_time_of_day(self, rng):
        start = dt.datetime(2026, 1, 5)
        day = [
            start + dt.timedelta(days=int(d), hours=int(h))
            for d, h in zip(range(600), rng.integers(8, 18, 600), strict=True)
        ]
        night = [
            start + dt.timedelta(days=700 + int(d), hours=int(h))
            for d, h in zip(range(600), rng.integers(0, 8, 600), strict=True)
        ]
        assert checks(one(pa.array(day), pa.array(night))) == {"hour"}

    def test_dates_of_birth(self, rng):
        a = (np.datetime64("1960-01-01") + rng.integers(0, 20_000, 3000)).astype("datetime64[D]")
        b = (np.datetime64("1960-01-01") + rng.integers(0, 9_000, 3000)).astype("datetime64[D]")
        assert one(pa.array(a), pa.array(b)).drifted

    def test_identifiers_are_not_new_categories(self):
        a = np.array([f"user-{i:06d}" for i in range(3000)])
        b = np.array([f"user-{i:06d}" for i in range(3000, 6000)])
        column = one(a, b)
        assert column.kind == "text"
        assert not column.drifted

    def test_text(self, rng):
        words = np.array("the a model drift data pipeline check gate canary holdout".split())

        def texts(vocabulary, n):
            return [" ".join(rng.choice(vocabulary, 12)) + f" {i}" for i in range(n)]

        a, b = texts(words, 800), texts(words, 800)
        assert not one(a, b).drifted
        c = texts(np.array([*words[:8], "refund", "invoice"]), 800)
        column = one(a, c)
        assert column.effect == "token_share"
        assert column.drifted

    def test_booleans_are_categories(self, rng):
        a, b = rng.random(2000) < 0.3, rng.random(2000) < 0.6
        column = one(a, b)
        assert column.kind == "category"
        assert column.drifted

    def test_labels_of_few_whole_values_are_classes(self, rng):
        a, b = rng.choice([0, 1, 2], 3000, p=[0.5, 0.3, 0.2]), rng.choice([0, 1, 2], 3000, p=[0.3, 0.3, 0.4])
        report = drift(
            {"y": a, "x": np.zeros(3000)}, {"y": b, "x": np.zeros(3000)}, target="y", max_share=0.9
        )
        column = report.column("y")
        assert (column.kind, column.role, column.effect) == ("category", "target", "cramers_v")
        assert report.drifted  # label drift counts, whatever the share


class TestChoice:
    @pytest.mark.parametrize(
        "effect", ["ks", "psi", "wasserstein", "jensen_shannon", "total_variation", "mean_shift"]
    )
    def test_each_effect_finds_half_a_deviation_and_no_more(self, effect, rng):
        a = rng.normal(size=5000)
        found = one(a, rng.normal(0.5, 1, 5000), method=effect)
        assert found.effect == effect
        assert found.drifted
        assert not one(a, rng.normal(0, 1, 5000), method=effect).drifted

    def test_sensitivity_and_columns(self, rng):
        a, b = rng.normal(size=20_000), rng.normal(0.15, 1, 20_000)
        assert not one(a, b).drifted
        assert one(a, b, sensitivity="high").drifted
        assert one(a, b, columns={"x": {"sensitivity": "high"}}).drifted
        assert one(a, b, columns={"x": {"threshold": 0.05}}).drifted
        assert one(a, b, thresholds={"ks": 0.05}).drifted
        assert not drift({"x": a, "y": a}, {"x": b, "y": a}, columns={"x": {"ignore": True}}).drifted

    def test_share_by_importance(self, rng):
        a, b = rng.normal(size=2000), rng.normal(1, 1, 2000)
        sides = {"x": a, "y": a, "z": a}, {"x": b, "y": a, "z": a}
        assert drift(*sides).drifted
        assert not drift(*sides, max_share=0.5).drifted
        assert drift(*sides, max_share=0.5, columns={"x": {"importance": 3}}).drifted

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sensitivty": "high"}, "did you mean 'sensitivity'"),
            ({"method": "kl"}, "use one of"),
            ({"columns": {"y": {"threshold": 1}}}, "names? the column 'y'"),
            ({"columns": {"x": {"threshhold": 1}}}, "did you mean 'threshold'"),
            ({"columns": {"x": {"method": "cramers_v"}}}, "kind 'number'; use one of ks"),
            ({"thresholds": {"ks": "low"}}, "use a number"),
            ({"target": "label"}, "neither side has"),
        ],
    )
    def test_wrong_settings(self, options, message, rng):
        x = rng.normal(size=100)
        with pytest.raises(UsageError, match=message):
            one(x, x, **options)


class TestSilence:
    """With n rows a side and no drift, P(KS >= 0.1) = 2 exp(-0.02 n / 2): 1e-4 a column at 1,000 rows."""

    def test_no_drift_pairs(self):
        alarms = 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            sides = [
                {
                    "n": rng.normal(size=1000),
                    "t": rng.standard_t(2, 1000),
                    "c": rng.choice(300, 1000).astype(str),
                    "z": np.where(rng.random(1000) < 0.2, np.nan, rng.poisson(2, 1000)),
                }
                for _ in range(2)
            ]
            alarms += drift(*sides).drifted
        assert alarms <= 2

    def test_a_hundred_rows_cannot_cry_wolf(self):
        rng = np.random.default_rng(3)
        alarms = sum(
            drift({"x": rng.normal(size=100)}, {"x": rng.normal(size=100)}).drifted for _ in range(200)
        )
        assert alarms <= 200 * 0.05 + 4 * np.sqrt(200 * 0.05 * 0.95)

    def test_a_tiny_shift_of_many_rows_is_no_drift(self, rng):
        column = one(rng.normal(size=500_000), rng.normal(0.02, 1, 500_000))
        assert column.adjusted_pvalue < 1e-5
        assert not column.drifted


class TestTogether:
    def test_a_changed_correlation_shows_in_the_classifier_only(self, rng):
        a = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 1500)
        b = rng.multivariate_normal([0, 0], [[1, -0.9], [-0.9, 1]], 1500)
        sides = [{"x": side[:, 0], "y": side[:, 1], "noise": rng.normal(size=1500)} for side in (a, b)]
        report = drift(*sides, multivariate=True)
        assert not any(column.drifted for column in report.columns)
        assert report.drifted
        assert report.classifier.auc > 0.8
        assert report.classifier.interval[0] > 0.75
        assert set(report.classifier.columns) == {"x", "y"}

    def test_without_drift_the_classifier_guesses(self, rng):
        sides = [{"x": rng.normal(size=1500), "c": rng.choice(["a", "b"], 1500)} for _ in range(2)]
        report = drift(*sides, multivariate=True)
        assert not report.drifted
        assert report.classifier.auc < 0.56

    def test_a_profile_has_no_rows(self, rng):
        x = {"x": rng.normal(size=200)}
        report = drift(profile(x), x, multivariate=True)
        assert report.classifier is None
        assert any("no rows" in notice for notice in report.notices)


class TestBadInput:
    def test_empty_side(self):
        with pytest.raises(EvidenceError, match="no row"):
            drift({"x": np.array([1.0])}, {"x": np.array([])})

    def test_one_value(self):
        assert not one(np.full(500, 3.0), np.full(500, 3.0)).drifted
        assert one(np.full(500, 3.0), np.full(500, 4.0)).drifted

    def test_5000_columns(self, rng):
        sides = [{f"x{i}": rng.normal(size=30) for i in range(5000)} for _ in range(2)]
        report = drift(*sides)
        assert len(report.columns) == 5000
        assert sum(column.drifted for column in report.columns) <= 2

    def test_not_a_table(self):
        with pytest.raises(UsageError, match="is not a table"):
            drift([1, 2], {"x": [1]})

    def test_a_damaged_profile(self):
        with pytest.raises(InvalidProfileError, match="not a profile"):
            Profile.from_json("{}")
        with pytest.raises(InvalidProfileError, match="not a profile"):
            Profile.from_json("[1]")


def test_rare_categories_are_not_shown(rng):
    a = np.r_[rng.choice(["a", "b"], 500), ["secret"] * 3]
    shown = one(a, a).histogram
    assert "secret" not in shown.labels
    assert "secret" in one(a, a, show=["x"]).histogram.labels


def test_the_report_is_plain_json(rng):
    import json

    x = {"x": rng.normal(size=100), "c": rng.choice(["a", "b"], 100)}
    made = drift(x, x).to_dict()
    json.dumps(made, allow_nan=False)
    assert {"name", "drifted", "effect", "effect_size", "pvalue", "adjusted_pvalue", "message"} <= set(
        made["columns"][0]
    )
