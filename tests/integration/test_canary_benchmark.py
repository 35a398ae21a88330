"""The canary's error rates and power: the benchmark's own code, small by default and larger among the slow tests."""

from __future__ import annotations

import json

import pytest

from benchmarks import canary as bench
from benchmarks import canary_page

BY_NAME = {one.name: one for one in bench.settings()}
PROMISED = [one for one in bench.settings() if one.aggregate]


def low(hits: float, runs: int) -> float:
    """Lower one-sided 99.9% bound of a share: only a share that is proven too high fails a test."""
    from scipy.stats import beta

    return float(beta.ppf(0.001, hits, runs - hits + 1)) if hits else 0.0


def test_a_few_hundred_canaries_keep_the_promises() -> None:
    runs = 300
    ramp = bench.simulate(BY_NAME["ramp, base rising 3% -> 12%"], runs)
    assert low(ramp["harm"].share * runs, runs) <= 0.05
    assert ramp["pooled z"].share > 0.9
    found = bench.simulate(BY_NAME["constant 10%"], runs, bench.HARM)
    assert found["rollback"].share >= 0.95
    worse = bench.simulate(BY_NAME["constant 50%"], runs, bench.MARGIN)
    assert low(worse["promotion"].share * runs, runs) <= 0.05
    assert bench.simulate(BY_NAME["constant 50%"], runs)["promotion"].share > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("one", PROMISED, ids=lambda one: one.name)
def test_two_thousand_canaries_of_each_setting_keep_the_promises(one: bench.Setting) -> None:
    runs = 2000
    assert low(bench.simulate(one, runs, seed=5)["harm"].share * runs, runs) <= 0.05
    assert low(bench.simulate(one, runs, bench.MARGIN, seed=5)["promotion"].share * runs, runs) <= 0.05


def test_the_published_figures_keep_the_promises_and_are_on_the_page() -> None:
    found = json.loads(canary_page.RESULTS.read_text())
    assert canary_page.PAGE.read_text() == canary_page.page(found), "run python -m benchmarks.canary_page"
    assert {found[part]["runs"] for part in bench.PARTS} == {10_000}
    alarms = {row["setting"]: row for row in found["false_alarms"]["rows"]}
    for one in PROMISED:
        assert alarms[one.name]["harm_bound"] <= 0.05
    ten = next(row for row in found["power"]["rows"] if row["setting"] == "constant 10%")
    assert ten["ours found"] >= 0.98
    assert ten["ours median look"] <= 1.25 * ten["Bonferroni z median look"]
    assert all(row["margin_bound"] <= 0.05 for row in found["promotions"]["rows"])
