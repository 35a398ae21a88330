"""When monitoring is reason enough to train again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.monitor.record import Rule, Watched
from mlops_ci.core.monitor.windows import written
from mlops_ci.core.retrain import Decision, RetrainPolicy, Situation, decide

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ALL = ("drift", "prediction_drift", "loss", "estimated_loss")


def window(day: int, *raised: str, known: Sequence[str] = ALL, champion: str = "1") -> Watched:
    start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day)
    end = start + timedelta(days=1)
    return Watched(
        window=f"{written(start)}/{written(end)}", start=written(start), end=written(end), number=day,
        champion=champion, state="judged", rows=300, known=known, raised=raised, columns=("x",) if "drift" in raised else (),
    )  # fmt: skip


def entry(event: str, name: str, time: datetime = NOW, **values: object) -> Entry:
    return Entry(event=event, phase="recorded", model="m", nonce=name, time=written(time), **values)  # type: ignore[arg-type]


def history(windows: Sequence[Watched], *more: Entry) -> History:
    seen = entry("monitor", "seen", details={"windows": [one.to_dict() for one in windows]})
    return History(entries=(seen, *more))


def said(
    windows: Sequence[Watched], *more: Entry, now: datetime = NOW, data: str = "new", **policy: object
) -> Decision:
    rules = {"rule": Rule(k=2, n=3), **policy}
    situation = Situation(
        model="m", champion="1", data={"train.csv": data}, champion_data={"train.csv": "old"}
    )
    return decide(history(windows, *more), RetrainPolicy(**rules), situation, now)  # type: ignore[arg-type]


BOTH = [window(0), window(1, "drift", "loss"), window(2, "drift", "loss")]


def test_drift_and_a_proven_loss_trigger() -> None:
    found = said(BOTH)
    assert (found.why, found.trigger, found.columns) == ("retrain", True, ("x",))
    assert found.until == "2026-03-04T00:00:00Z"
    assert len(found.windows) == 2


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        ((), "nothing"),
        (("drift",), "drift alone"),
        (("prediction_drift",), "drift alone"),
        (("loss",), "loss alone"),
        (("estimated_loss",), "estimate alone"),
        (("drift", "estimated_loss"), "estimate alone"),
        (("prediction_drift", "loss"), "retrain"),
    ],
)
def test_what_is_reason_enough(raised: tuple[str, ...], why: str) -> None:
    assert said([window(day, *raised) for day in range(3)]).why == why


def test_a_loss_alone_is_enough_where_the_policy_says_so() -> None:
    assert said([window(day, "loss") for day in range(3)], on="loss").trigger


def test_one_window_is_not_k_of_n_and_unlabelled_windows_do_not_count_against_it() -> None:
    assert said([window(0), window(1), window(2, "drift", "loss")]).why == "nothing"
    dark = [window(day, "drift", known=("drift",)) for day in (3, 4)]
    assert said([*BOTH, *dark]).trigger


def test_the_same_reason_triggers_once() -> None:
    found = said(BOTH)
    claim = entry(
        "retrain",
        "a",
        NOW - timedelta(days=30),
        data={"train.csv": "new"},
        details={"key": found.key, "until": ""},
    )
    done = entry("retrain", "b", intent="a")
    assert said(BOTH, claim, done).why == "already"


def test_windows_that_a_trigger_rested_on_never_count_again() -> None:
    claim = entry(
        "retrain", "a", NOW - timedelta(days=3), details={"key": "k", "until": "2026-03-04T00:00:00Z"}
    )
    done = entry("retrain", "b", intent="a")
    assert said(BOTH, claim, done).why == "no windows"
    # Neither do they for the retrained champion: its own windows have to say it.
    mixed = [*BOTH, window(3, "drift", "loss", champion="2")]
    assert said(mixed, claim, done).why == "no windows"
    later = [window(day, "drift", "loss") for day in (5, 6)]
    assert said([*BOTH, *later], claim, done).trigger


def test_unchanged_data_a_cool_down_and_a_budget_hold_it_back() -> None:
    assert said(BOTH, data="old").why == "unchanged data"

    def claims(*ages: float, data: str = "other") -> list[Entry]:
        made = []
        for place, age in enumerate(ages):
            claim = entry(
                "retrain",
                f"c{place}",
                NOW - timedelta(days=age),
                data={"train.csv": data},
                details={"key": str(place), "until": ""},
            )
            made += [claim, entry("retrain", f"d{place}", intent=f"c{place}")]
        return made

    assert said(BOTH, *claims(0.5)).why == "cool-down"
    assert said(BOTH, *claims(2, 3)).why == "budget"
    assert said(BOTH, *claims(2, 9)).trigger
    assert said(BOTH, *claims(2, data="new")).why == "unchanged data"  # the last training read them already


def test_a_claim_that_was_withdrawn_or_left_behind_does_not_count() -> None:
    key = said(BOTH).key
    details = {"key": key, "until": "2026-03-04T00:00:00Z"}
    fresh = entry("retrain", "a", NOW - timedelta(minutes=5), details=details)
    assert not said(BOTH, fresh).trigger
    gone = Entry(event="retrain", phase="abandoned", model="m", nonce="b", time="t", intent="a")
    assert said(BOTH, fresh, gone).trigger
    dead = entry("retrain", "a", NOW - timedelta(minutes=16), details=details)
    assert said(BOTH, dead).trigger
