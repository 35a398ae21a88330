"""Checks at once against one MLflow server on PostgreSQL: each has its own run and its own verdict."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.scale import checks


@pytest.mark.e2e
def test_checks_at_once_on_postgresql_are_all_right() -> None:
    found = checks(quick=True)  # one, then four; a wrong verdict or a shared run is refused in it
    assert [row["size"] for row in found["rows"]] == [1, 4]
    assert [row["requests that failed"] for row in found["rows"]] == [0, 0]
    assert found["exponents"]["requests"] == pytest.approx(1, abs=0.1)
