"""A model's life from its ledger: who served when, what was seen, and that a retraining is told of what it made."""

from __future__ import annotations

from itertools import count

from mlops_ci.core.history import version_histories
from mlops_ci.core.ledger import Entry, History, extended, parse
from mlops_ci.core.timeline import Seen, Serving, servings_of, windows_of

RULE = {
    "margins": {"false_positives": 0.05},
    "alpha": 0.05,
    "steps": [0.1, 1.0],
    "min_windows": 1,
    "window": 3600,
    "label_age": 0,
    "settle": 60,
    "deadline": 86400,
}
NAMES = count()


class Written:
    """A ledger that is written line by line."""

    def __init__(self) -> None:
        self.history = History()

    def add(self, event: str, phase: str, day: int, **values: object) -> Entry:
        entry = Entry(
            event=event,
            phase=phase,  # type: ignore[arg-type]
            model="m",
            nonce=f"n{next(NAMES)}",
            time=f"2026-01-{day:02}T00:00:00Z",
            **values,  # type: ignore[arg-type]
        )
        self.history = parse(extended(self.history, entry), "m")
        return entry

    def promote(self, version: str, day: int, **values: object) -> None:
        self.add("promote", "intent", day, to_version=version, **values)

    def canary(
        self, version: str, champion: str, days: tuple[int, int], outcome: str, **values: object
    ) -> None:
        both = {"from_version": champion, "to_version": version}
        act = {"act": "start", "share": 0.1, "step": 0, "rule": RULE}
        begun = self.add("canary", "intent", days[0], details=act, **both, **values)
        about = {"canary": begun.nonce}
        self.add("canary", "committed", days[0], intent=begun.nonce, details=about | {"act": "start"}, **both)
        ending = about | {"act": "end", "outcome": outcome}
        end = self.add("canary", "intent", days[1], details=ending, **both)
        self.add("canary", "committed", days[1], intent=end.nonce, details=ending, **both)


def test_champions_follow_each_other_and_a_canary_that_was_rolled_back_is_marked() -> None:
    written = Written()
    written.add("adopt", "intent", 3, to_version="1")
    written.canary("2", "1", (4, 6), "rollback")
    written.canary("3", "1", (7, 9), "promote")
    written.promote("3", 9)
    found = servings_of(written.history, "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")
    day = "2026-01-{:02}T00:00:00Z".format
    assert found == [
        Serving(version="1", since=day(1), until=day(9)),
        Serving(version="3", since=day(9), until=day(31)),
        Serving(version="2", since=day(4), until=day(6), role="challenger", share=0.1, rolled_back=True),
        Serving(version="3", since=day(7), until=day(9), role="challenger", share=0.1),
    ]


def test_nothing_served_by_an_empty_ledger() -> None:
    assert servings_of(History(), "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z") == []


def test_windows_carry_the_interval_around_the_holdouts_value_and_what_was_raised() -> None:
    written = Written()
    base = {"state": "judged", "champion": "1", "rows": 200, "labels": 200}
    accuracy = {"value": 0.8, "holdout": 0.9, "lower": -0.125, "upper": -0.0625}
    windows = [
        {
            **base,
            "window": "a",
            "number": 1,
            "start": "2026-01-01",
            "end": "2026-01-02",
            "raised": ["drift"],
            "performance": {"accuracy": {"value": 0.9, "holdout": None}},
        },
        {
            **base,
            "window": "b",
            "number": 2,
            "start": "2026-01-02",
            "end": "2026-01-03",
            "raised": ["drift", "loss"],
            "performance": {"accuracy": accuracy},
        },
        {**base, "window": "c", "number": 3, "start": "2026-01-03", "end": "2026-01-04"},
    ]
    written.add("monitor", "recorded", 4, details={"windows": windows})
    assert windows_of(written.history, "accuracy") == [
        Seen(since="2026-01-01", until="2026-01-02", version="1", value=0.9, state="drift"),
        Seen(
            since="2026-01-02",
            until="2026-01-03",
            version="1",
            value=0.8,
            lower=0.775,
            upper=0.8375,
            expected=0.9,
            state="loss",
        ),
    ]
    assert windows_of(written.history, "recall") == []


def happenings(written: Written, version: str) -> list[tuple[str, str]]:
    (one,) = [one for one in version_histories(written.history) if one.version == version]
    return [(event.what, event.detail) for event in one.events]


def test_a_retraining_is_told_of_the_version_that_it_was_about_and_of_what_came_of_it() -> None:
    written = Written()
    written.promote("1", 1, data={"d": "old"})
    claim = written.add("retrain", "recorded", 2, from_version="1", reason="a proven loss", data={"d": "old"})
    written.add("retrain", "recorded", 2, intent=claim.nonce, ok=True)
    written.canary("2", "1", (3, 4), "rollback", data={"d": "old"})
    written.canary("3", "1", (5, 6), "promote", data={"d": "new"})
    written.promote("3", 6, data={"d": "new"})
    assert ("retraining triggered", "a proven loss") in happenings(written, "1")
    assert happenings(written, "2")[0] == ("canary", "started with 10% of the traffic")
    assert happenings(written, "3")[0] == ("retrained", "since version 1 had a proven loss")
    written.promote("4", 7, data={"d": "newer"})
    assert [what for what, _ in happenings(written, "4")] == ["promoted"]


def test_a_retraining_that_was_withdrawn_is_told_of_nobody() -> None:
    written = Written()
    written.promote("1", 1, data={"d": "old"})
    claim = written.add("retrain", "recorded", 2, from_version="1", reason="a proven loss", data={"d": "old"})
    written.add("retrain", "abandoned", 2, intent=claim.nonce)
    written.promote("2", 3, data={"d": "new"})
    told = [what for version in ("1", "2") for what, _ in happenings(written, version)]
    assert told == ["promoted", "replaced", "promoted"]
