"""What grows: checks at once against one MLflow server on PostgreSQL, and the rows of a holdout."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.scale_checks import checks
from benchmarks.scale_holdout import rows, whole


@pytest.mark.e2e
def test_checks_at_once_on_postgresql_are_all_right() -> None:
    found = checks(quick=True)  # one, then four; a wrong verdict or a shared run is refused in it
    assert [row["size"] for row in found["rows"]] == [1, 4]
    assert [row["requests that failed"] for row in found["rows"]] == [0, 0]
    assert found["exponents"]["requests"] == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_a_large_holdout_takes_a_few_hundred_bytes_a_row() -> None:
    small, large = rows(quick=True)["rows"]
    assert (small["size"], large["size"]) == (50_000, 200_000)
    # 0.4 KB a row are measured; text as wide as numpy makes it took 1.2.
    a_row = (large["peak memory (GiB)"] - small["peak memory (GiB)"]) * 2**30 / (200_000 - 50_000)
    assert a_row < 700
    assert large["peak memory (GiB)"] < 0.28


@pytest.mark.slow
def test_a_whole_check_holds_its_two_evaluations_and_little_more() -> None:
    """Nothing that a check does beside the statistics makes copies that stay."""
    small, large = whole(quick=True)["rows"]
    assert (small["size"], large["size"]) == (100_000, 400_000)
    grown = large["peak memory of all (GiB)"] - small["peak memory of all (GiB)"]
    assert grown * 2**30 / 300_000 < 800
