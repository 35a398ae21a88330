"""Spark and one machine: the same profile of the same million rows, and so the same report."""

from __future__ import annotations

import datetime as dt
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_ci.api_drift import drift, profile

pytest.importorskip("pyspark")
pytestmark = pytest.mark.slow
ROWS = 1_000_000


@pytest.fixture(scope="module")
def spark():
    import os
    import warnings

    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("spark")
    made = []
    for seed, shift in ((1, 0.0), (2, 0.3)):
        rng = np.random.default_rng(seed)
        start = np.datetime64("2026-01-01T00:00:00", "us")
        columns = {
            "normal": rng.normal(shift, 1, ROWS),
            "offset": 1e9 + rng.normal(0, 1, ROWS),
            "zeros": np.where(rng.random(ROWS) < 0.6, 0.0, rng.normal(shift, 1, ROWS)),
            "outlier": np.r_[1e9 + rng.normal(shift, 1, ROWS - 1), -1e300],
            "count": rng.poisson(3, ROWS),
            "big": 2**60 + rng.integers(0, 100, ROWS),
            "gaps": pa.array(rng.normal(0, 1, ROWS), mask=rng.random(ROWS) < 0.1),
            "level": rng.choice(["a", "b", "c", "d"], ROWS, p=[0.4, 0.3, 0.2 + shift / 4, 0.1 - shift / 4]),
            "user": np.char.add("u", rng.integers(0, 50_000, ROWS).astype(str)),
            "ok": rng.random(ROWS) < 0.5,
            "time": pa.array(
                start + rng.integers(0, 10**13, ROWS).astype("timedelta64[us]"), pa.timestamp("us", "UTC")
            ),
        }
        path = folder / f"{seed}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=300_000)
        made.append(str(path))
    return made


@pytest.mark.filterwarnings("ignore")
def test_spark_and_one_machine_agree(spark, sides):
    frames = [spark.read.parquet(side).repartition(3) for side in sides]
    profiles = [profile(frame) for frame in frames]
    for side, made in zip(sides, profiles, strict=True):
        assert made.to_json() == profile(side).to_json()
    here, there = drift(*sides), drift(*profiles)
    assert {column.name for column in here.columns if column.drifted} == {"normal", "outlier", "level"}
    assert here.to_dict()["columns"] == there.to_dict()["columns"]


@pytest.mark.filterwarnings("ignore")
def test_a_small_frame_is_exact(spark):
    frame = spark.createDataFrame(
        [(float(i % 7), dt.date(2026, 1, 1 + i % 20), None) for i in range(200)], "x double, d date, n int"
    )
    made = profile(frame)
    assert made.rows == 200
    assert made.columns["x"].sketch.count.sum() == 200
    assert made.columns["x"].sketch.resolution == 0
    assert made.columns["d"].kind == "time"
    assert made.columns["n"].kind == "empty"
