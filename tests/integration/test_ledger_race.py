"""Several processes promote at once: one wins each round, nothing is lost, the alias follows the ledger."""

from __future__ import annotations

import pytest

from benchmarks.ledger_race import run


def check(figures: dict[str, object], promoters: int, rounds: int) -> None:
    ours = figures["ledger"]
    assert isinstance(ours, dict)
    assert ours["rounds with exactly one winner"] == rounds
    assert ours["winners"] == ours["promotions in the ledger"] == rounds
    assert ours["winners missing from the ledger"] == 0
    assert ours["entries twice"] == 0
    assert ours["promotions not finished"] == 0
    assert ours["rounds after which alias and ledger differ"] == 0
    assert ours["losers that saw the winner"] == ours["losers"] == (promoters - 1) * rounds


@pytest.mark.slow
def test_eight_promoters_twenty_five_rounds() -> None:
    check(run(8, 25), 8, 25)


def test_three_promoters_three_rounds() -> None:
    check(run(3, 3), 3, 3)
