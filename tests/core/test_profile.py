"""Profiles: small, without rare values, mergeable, the same for equal data."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from mlops_ci.adapters.data.profiling import profile_table
from mlops_ci.adapters.data.tables import ArrowTable
from mlops_ci.api_drift import drift, profile
from mlops_ci.core.drift.column_profile import InvalidProfileError
from mlops_ci.core.drift.profile import COLUMN_BYTES, Profile


def table(seed: int, n: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "normal": rng.normal(size=n),
            "offset": 1e9 + rng.normal(size=n),
            "heavy": rng.standard_cauchy(n) * 1e6,
            "count": rng.poisson(4, n),
            "gap": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "level": rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]),
            "many": np.char.add("level ", rng.integers(0, 5000, n).astype(str)),
            "name": np.char.add("somebody ", np.char.zfill(np.arange(n).astype(str), 6)),
            "ok": rng.random(n) < 0.4,
            "time": pa.array(np.datetime64("2026-01-01", "s") + rng.integers(0, 10**7, n)),
        }
    )


@pytest.fixture(scope="module")
def large() -> pa.Table:
    return table(1, 100_000)


def test_at_most_20_kb_a_column(large):
    made = json.loads(profile(large).to_json())
    for column in made["columns"]:
        assert len(json.dumps(column)) <= COLUMN_BYTES, column["name"]


def test_it_comes_back_and_is_the_same_again(large):
    text = profile(large).to_json()
    assert profile(large).to_json() == text
    assert Profile.from_json(text).to_json() == text
    shuffled = large.take(pa.array(np.random.default_rng(0).permutation(len(large))))
    assert profile(shuffled).to_json() == text


def test_rare_values_stay_out():
    values = pa.table({"c": ["usual"] * 500 + ["secret 1", "secret 2"], "x": [0.0] * 500 + [123.456, 7e9]})
    text = profile(values).to_json()
    assert "secret" not in text
    column = Profile.from_json(text).columns["x"]
    assert column.sketch.count.tolist() == [500]
    assert column.suppressed == 2
    assert "secret" in profile(values).to_json(min_count=1)


def test_parts_merge_to_the_whole(large):
    whole = profile(large)
    parts = [profile(large.slice(start, 25_000)) for start in range(0, 100_000, 25_000)]
    merged = parts[3].merge(parts[1]).merge(parts[0].merge(parts[2]))
    assert merged.rows == whole.rows
    for name, column in whole.columns.items():
        other = merged.columns[name]
        assert (other.rows, other.missing, other.known) == (column.rows, column.missing, column.known)
        assert other.categories.counts == column.categories.counts
        if column.tokens is not None:
            np.testing.assert_array_equal(other.tokens, column.tokens)
    report = drift(merged, whole)
    assert not report.drifted
    assert max(column.interval[0] for column in report.columns) == 0


def test_stored_profiles_of_days_merge_and_still_decide(large):
    days = [Profile.from_json(profile(table(seed, 20_000)).to_json()) for seed in (2, 3, 4)]
    merged = days[0].merge(days[1]).merge(days[2])
    report = drift(merged, large)
    moved = {column.name for column in report.columns if column.drifted}
    assert moved <= {"time"}
    assert max(c.interval[1] - c.interval[0] for c in report.columns if c.effect == "ks") < 0.01


def test_a_column_that_one_part_lacks_is_missing_there():
    made = profile({"x": np.arange(10.0), "y": np.arange(10.0)}).merge(profile({"x": np.arange(5.0)}))
    assert made.columns["y"].rows == 15
    assert made.columns["y"].missing == 5


def test_kinds_that_do_not_merge():
    with pytest.raises(InvalidProfileError, match=r"column 'x': a number column .* category"):
        profile({"x": np.arange(10.0)}).merge(profile({"x": np.array(list("aabbaabbaa"))}))


def test_identifiers_and_many_levels_are_bounded():
    n = 60_000
    made = profile({"id": np.char.add("u", np.arange(n).astype(str))}).columns["id"]
    assert made.kind == "text"
    assert made.categories.counts == {}
    assert made.categories.buckets.sum() == n


def test_chunks_do_not_matter(large):
    chunked = pa.concat_tables([large.slice(start, 7_001) for start in range(0, 100_000, 7_001)])
    assert profile_table(ArrowTable(chunked, "t")).to_json() == profile(large).to_json()


@pytest.mark.parametrize("change", ["low", "kind", "version", "cut"])
def test_damage_is_noticed(change):
    text = profile({"x": np.arange(1000.0)}).to_json()
    data = json.loads(text)
    if change == "low":
        data["columns"][0]["sketch"]["low"] = data["columns"][0]["sketch"]["count"]
    elif change == "kind":
        data["columns"][0]["kind"] = "colour"
    elif change == "version":
        data["schema_version"] = 99
    with pytest.raises(InvalidProfileError):
        Profile.from_json(text[:-30] if change == "cut" else json.dumps(data))
