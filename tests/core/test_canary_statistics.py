"""The canary's proofs: their expectation is at most one, exactly, and decisions follow from them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from mlops_ci.core.canary import betting, harm
from mlops_ci.core.canary.decide import Outcome, Rule, decide
from mlops_ci.core.canary.evidence import Evidence, advanced
from mlops_ci.core.canary.outcomes import Outcomes, read
from mlops_ci.core.canary.reading import BadOutcomeError, RateReading, Reading, outcomes
from mlops_ci.core.canary.windows import Segment, Window, unread, windows

RULE = Rule(margins={"errors": 0.02}, alpha=0.05, steps=(0.05, 0.25, 1.0), min_windows=2)


@pytest.mark.parametrize("before", [(90, 5, 10, 3), (0, 0, 0, 0), (400, 40, 40, 1)])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.5, 0.9])
def test_the_safe_test_multiplies_by_at_most_one_on_average_whatever_the_rate(
    before: tuple[int, int, int, int], rate: float
) -> None:
    n0, n1 = 7, 3
    for better in (0.0, 0.5 * rate):
        expected = sum(
            math.exp(float(harm.log_e_of_block((n0, k0, n1, k1), before)))
            * binom.pmf(k0, n0, rate)
            * binom.pmf(k1, n1, rate - better)
            for k0, k1 in product(range(n0 + 1), range(n1 + 1))
        )
        assert expected <= 1 + 1e-9


def test_the_safe_test_is_the_ratio_of_two_likelihoods() -> None:
    theta0, theta1 = (5 + 0.18) / 90.36, (3 + 0.18) / 10.36
    pooled = (45 * theta0 + 5 * theta1) / 50
    apart = binom.logpmf(2, 45, theta0) + binom.logpmf(2, 5, theta1)
    together = binom.logpmf(2, 45, pooled) + binom.logpmf(2, 5, pooled)
    assert harm.log_e_of_block((45, 2, 5, 2), (90, 5, 10, 3)) == pytest.approx(apart - together)
    assert harm.log_e_of_block((45, 2, 5, 2), (90, 50, 10, 3)) == 0  # nothing points to harm
    assert harm.log_e_of_block((45, 2, 0, 0), (90, 5, 10, 3)) == 0  # nothing to compare


def test_outcomes_between_0_and_1_only_make_the_safe_test_slower() -> None:
    before = (90, 5, 10, 3)
    half = math.exp(float(harm.log_e_of_block((9, 0, 1, 0.5), before)))
    ends = [math.exp(float(harm.log_e_of_block((9, 0, 1, k), before))) for k in (0, 1)]
    assert half <= sum(ends) / 2


@pytest.mark.parametrize(("n", "squares"), [(0, 0.0), (424, 0.0), (424, 424 * 0.02**2), (400, 40.0)])
@pytest.mark.parametrize("p0", [0.005, 0.1, 0.45])
def test_a_bet_is_fair_at_the_margin_whatever_was_learned_before(n: int, squares: float, p0: float) -> None:
    margin, blocks = 0.02, 4
    pairs = np.array(list(product(product((0, 1), repeat=2), repeat=blocks)))
    champion, challenger = pairs[..., 0], pairs[..., 1]
    chance = np.abs(1 - challenger - (p0 + margin)) * np.abs(1 - champion - p0)
    short = margin - (challenger - champion)
    stakes = betting.stakes(short, n, squares, hoped=margin, bound=1 - margin)
    assert len(np.unique(stakes)) > 4  # it does learn within the window
    e = np.exp(betting.log_e_of_block(short, stakes))
    assert (e * chance.prod(axis=1)).sum() == pytest.approx(1, abs=1e-12)


def test_a_stake_knows_only_the_blocks_before_it_and_never_risks_all() -> None:
    x = np.random.default_rng(4).uniform(-1, 1, (5, 40))
    for n, squares in ((0, 0.0), (10_000, 0.0), (10_000, 1.0)):
        one = betting.stakes(x, n, squares, hoped=0.02, bound=1.0)
        for place in (0, 7, 39):
            other = x.copy()
            other[:, place:] = 0
            again = betting.stakes(other, n, squares, hoped=0.02, bound=1.0)
            assert (again[:, : place + 1] == one[:, : place + 1]).all()
        assert (one > 0).all()
        assert (1 - one >= 0.25 - 1e-12).all()
    assert betting.stakes(np.empty(0), 0, 0.0, hoped=0.02, bound=1.0).shape == (0,)


def nights_and_days(seed: int, better: float = 0.0) -> tuple[int | None, float]:
    """Return after how many windows a canary is promoted, and the lowest evidence of safety before.

    500 requests a window, a quarter to the challenger; 0.5% bad by night (none in the first), 45% by day.
    """
    rng = np.random.default_rng(seed)
    one, low = Evidence(), 0.0
    for number in range(1, 41):
        rate = (0.45, 0.005)[number % 2] if number > 1 else 0.0
        champion = (rng.random(375) < rate).astype(float)
        challenger = (rng.random(125) < max(rate - better, 0)).astype(float)
        blocks = betting.differences(champion, challenger, rng)
        one = advanced(one, (375, champion.sum(), 125, challenger.sum()), blocks, 0.02)
        low = min(low, float(one.log_safe))
        if decide({"errors": one}, RULE, step=1, windows=number).outcome is Outcome.PROMOTE:
            return number, low
    return None, low


@pytest.mark.parametrize(("better", "median", "longest"), [(0.0, 5, 16), (0.06, 3, 5)])
def test_a_day_after_a_night_without_a_bad_outcome_does_not_ruin_the_evidence(
    better: float, median: int, longest: int
) -> None:
    # One stake a window, learned from the windows before: evidence fell to -25, and none of the equal
    # versions was ever promoted, in 40 windows.
    found = [nights_and_days(seed, better) for seed in range(40)]
    promoted = [number for number, _ in found if number is not None]
    assert len(promoted) == 40
    assert np.median(promoted) <= median
    assert max(promoted) <= longest
    assert min(low for _, low in found) > -3


def test_dealing_keeps_the_difference_and_uses_every_unit() -> None:
    rng = np.random.default_rng(3)
    champion, challenger = (rng.random(90) < 0.1).astype(float), (rng.random(10) < 0.3).astype(float)
    dealt = betting.differences(champion, challenger, np.random.default_rng(1))
    assert dealt.shape == (10,)
    assert dealt.mean() == pytest.approx(challenger.mean() - champion.mean())
    again = betting.differences(champion, challenger, np.random.default_rng(1))
    assert (dealt == again).all()
    assert betting.differences(champion, np.empty(0), rng).size == 0


def evidence(**values: float) -> Evidence:
    harmed, safe, difference = (values.get(k, 0.0) for k in ("harm", "safe", "difference"))
    return Evidence(
        blocks=100.0, total=100.0 * difference, squares=10.0, harm_peak=harmed, safe_peak=safe, n0=900, n1=100
    )


PROVEN = math.log(20) + 0.01


@pytest.mark.parametrize(
    ("one", "step", "windows_", "overdue", "expected"),
    [
        (evidence(), 0, 0, False, Outcome.CONTINUE),
        (evidence(), 0, 2, False, Outcome.STEP),
        (evidence(), 1, 9, False, Outcome.CONTINUE),
        (evidence(safe=PROVEN), 1, 2, False, Outcome.PROMOTE),
        (evidence(safe=PROVEN), 1, 1, False, Outcome.CONTINUE),
        (evidence(safe=PROVEN), 0, 2, False, Outcome.STEP),
        (evidence(harm=PROVEN, difference=0.03), 0, 1, False, Outcome.ROLLBACK),
        (evidence(harm=PROVEN, difference=0.03), 1, 9, True, Outcome.ROLLBACK),
        (evidence(harm=PROVEN, difference=0.01), 0, 9, False, Outcome.CONTINUE),
        (evidence(harm=PROVEN, safe=PROVEN, difference=0.01), 1, 2, False, Outcome.PROMOTE),
        (evidence(safe=PROVEN, difference=0.03), 1, 9, False, Outcome.CONTINUE),
        (evidence(difference=0.03), 0, 9, False, Outcome.CONTINUE),
        (evidence(), 1, 9, True, Outcome.INCONCLUSIVE),
        (evidence(safe=PROVEN), 0, 9, True, Outcome.INCONCLUSIVE),
        (Evidence(), 1, 99, False, Outcome.CONTINUE),
        (Evidence(), 1, 99, True, Outcome.INCONCLUSIVE),
    ],
)
def test_decisions(one: Evidence, step: int, windows_: int, overdue: bool, expected: Outcome) -> None:
    assert decide({"errors": one}, RULE, step=step, windows=windows_, overdue=overdue).outcome is expected


def test_harm_within_the_margin_is_promoted_with_a_warning() -> None:
    both = evidence(harm=PROVEN, safe=PROVEN, difference=0.01)
    assert decide({"errors": both}, RULE, step=1, windows=2).warning == (
        "measurably worse on errors, within the margin"
    )


def test_alpha_is_split_for_harm_and_every_rate_must_be_safe() -> None:
    two = Rule(margins={"a": 0.02, "b": 0.02}, alpha=0.05, steps=(0.1, 1.0), min_windows=1)
    assert (two.harm_threshold, two.safety_threshold) == (pytest.approx(40), pytest.approx(20))
    harmed = evidence(harm=math.log(39), difference=0.03)
    assert decide({"a": harmed, "b": evidence()}, two, step=0, windows=1).outcome is Outcome.CONTINUE
    safe = evidence(safe=PROVEN)
    assert decide({"a": safe}, two, step=0, windows=1).outcome is Outcome.CONTINUE
    assert decide({"a": safe, "b": safe}, two, step=0, windows=1).outcome is Outcome.PROMOTE


def test_windows_end_where_the_share_changes_and_wait_for_their_labels() -> None:
    rule = Rule(**{**vars(RULE), "window": 100, "settle": 10, "label_age": 50})
    segments = [Segment(share=0.05, step=0, since=0, until=250), Segment(share=0.25, step=1, since=260)]
    found = windows("c", segments, rule, now=500)
    assert [(one.start, one.end, one.share) for one in found] == [
        (10, 110, 0.05),
        (110, 210, 0.05),
        (210, 240, 0.05),
        (270, 370, 0.25),
    ]
    assert [one.end for one in windows("c", segments, rule, now=170)] == [110]
    assert windows("c", [], rule, now=1e9) == []
    names = {one.name for one in found}
    assert len(names) == 4
    assert names.isdisjoint(one.name for one in windows("other", segments, rule, now=500))
    assert unread(found, {found[1].name}) == [found[0], *found[2:]]


def columns(**values: list[object]) -> dict[str, np.ndarray]:
    numbers = {"t", "ms", "err"}
    return {
        name: np.asarray(value, dtype=float if name in numbers else object) for name, value in values.items()
    }


def test_rows_are_sorted_counted_once_and_read_as_the_settings_say() -> None:
    reading = Reading(
        version="v",
        time="t",
        id="id",
        rates={
            "slow": RateReading(column="ms", objective=300),
            "fp": RateReading(column="p", label="y", positive="true"),
        },
    )
    found = outcomes(
        columns(
            t=[3, 1, 2, 1, np.nan],
            v=["v2", "1", "1", "1", "1"],
            id=["c", "a", "b", "a", "d"],
            ms=[301, 300, np.nan, 9999, 1],
            p=["1", "1", "0", "1", "1"],
            y=["0", "1", "0", "0", "0"],
        ),
        reading,
    )
    assert found.time.tolist() == [1, 2, 3]
    assert found.version.tolist() == ["1", "1", "2"]
    np.testing.assert_equal(found.rates["slow"], [0, np.nan, 1])
    np.testing.assert_equal(found.rates["fp"], [np.nan, 0, 1])


def test_an_outcome_that_is_no_rate_is_refused_in_words() -> None:
    reading = Reading(version="v", time="t", rates={"errors": RateReading(column="err")})
    with pytest.raises(BadOutcomeError, match="column 'err' \\(rate 'errors'\\) holds 500: it must be 0, 1"):
        outcomes(columns(t=[1], v=["1"], err=[500]), reading)


def test_a_user_counts_as_one_and_once_a_canary() -> None:
    rows = Outcomes(
        time=np.array([1.0, 2, 3, 11, 12, 13]),
        version=np.array(["1", "2", "2", "1", "2", "2"]),
        rates={"errors": np.array([0.0, 1, 0, 1, 1, 0])},
        unit=np.array(["ann", "bob", "bob", "ann", "cyd", ""]),
    )
    first = Window(canary="c", share=0.5, step=0, start=0, end=10)
    second = Window(canary="c", share=0.5, step=0, start=10, end=20)
    seen, after = read(first, rows, ("1", "2"), {"errors": 0.1}, {})
    assert seen.counts["errors"] == (1, 0, 1, 0.5)
    seen, after = read(second, rows, ("1", "2"), {"errors": 0.1}, after)
    assert seen.counts["errors"] == (0, 0, 1, 1)
    assert (after["errors"].n0, after["errors"].n1) == (1, 2)


def test_evidence_survives_the_ledger() -> None:
    rng = np.random.default_rng(0)
    one = advanced(Evidence(), (90, 5, 10, 1), rng.uniform(-0.1, 0.2, 10), 0.02)
    again = Evidence.of({**one.plain(), "of a newer version": 1})
    assert again.plain() == one.plain()
    assert Evidence.of({}).plain() == Evidence().plain()
