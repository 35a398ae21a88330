"""The ledger's values: the chain of lines, and what a history says is true now."""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_ci.core.ledger import BrokenLedgerError, Entry, History, extended, parse
from mlops_ci.core.ledger_state import clock_ran_back, model_digest, promoted_versions, state_of

NAMES = count()


def entry(event: str = "promote", phase: str = "intent", to: str | None = None, **values: object) -> Entry:
    given_: dict[str, object] = {
        "model": "m",
        "nonce": f"n{next(NAMES)}",
        "time": "2026-01-01T00:00:00Z",
        "to_version": to,
        **values,
    }
    return Entry(event=event, phase=phase, **given_)  # type: ignore[arg-type]


def written(*entries: Entry) -> History:
    history = History()
    for one in entries:
        history = parse(extended(history, one), "m")
    return history


def history_of(*moves: tuple[str, str]) -> History:
    entries = []
    for event, version in moves:
        intent = entry(event, to=version)
        entries += [intent, entry(event, "committed", to=version, intent=intent.nonce)]
    return written(*entries)


def test_lines_come_back_as_they_were_written() -> None:
    one = entry(
        to="2",
        from_version="1",
        digests={"model": "a" * 64},
        data={"data/train.csv": "0" * 32},
        approval={"actor": "ada", "reason": "agreed"},
        actor="grace",
    )
    two = entry(phase="deployed", intent=one.nonce, ok=False, detail="version 1 is served")
    history = written(one, two)
    assert history.entries[0] == one
    assert history.entries[1].ok is False
    assert history.entries[1].previous == history.digests[0]
    assert history.holds(two.nonce)
    assert not history.holds("another")
    assert history.head == history.digests[1] == history.digest_of(two.nonce)
    assert b'"reason"' not in history.text.splitlines()[1]


def test_a_changed_a_missing_and_a_cut_line_show() -> None:
    text = history_of(("promote", "1"), ("promote", "2")).text
    lines = text.splitlines(keepends=True)
    for broken in (
        text.replace(b'"to_version":"1"', b'"to_version":"9"', 1),
        b"".join(lines[1:]),
        b"".join([lines[0], *lines[2:]]),
        b"".join([lines[1], lines[0], *lines[2:]]),
        text[:-1],
        text + lines[-1],
    ):
        with pytest.raises(BrokenLedgerError):
            parse(broken, "m")
    with pytest.raises(BrokenLedgerError, match="about the model 'm'"):
        parse(text, "another")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json\n", "line 1 is not JSON"),
        (b"[]\n", "no schema_version"),
        (b'{"schema_version":2}\n', "newer mlops-ci"),
        (b'{"schema_version":1,"event":"promote"}\n', "lacks what every entry has"),
        (
            b'{"schema_version":1,"event":"promote","phase":"intent","model":"m","nonce":1,"time":""}\n',
            "wrong kind",
        ),
        (b"[" * 100_000 + b"\n", "not JSON"),
    ],
)
def test_what_is_no_entry_is_refused_by_its_line(line: bytes, said: str) -> None:
    with pytest.raises(BrokenLedgerError, match=said):
        parse(line, "m")


def test_keys_of_a_later_minor_version_are_read_over_and_kept() -> None:
    raw = json.loads(written(entry(to="1")).text) | {"canary_share": 0.1}
    history = parse(json.dumps(raw).encode() + b"\n", "m")
    assert state_of(history).champion == "1"
    assert b"canary_share" in extended(history, entry(to="2"))


def test_an_intent_is_true_from_when_it_is_written() -> None:
    state = state_of(written(entry(to="1")))
    assert (state.champion, state.previous) == ("1", None)
    assert state.open is not None
    assert state_of(history_of(("promote", "1"))).open is None
    assert state_of(History()).champion is None


def test_a_withdrawn_intent_never_was() -> None:
    first, second = entry(to="1"), entry(to="2")
    done = entry(phase="committed", intent=first.nonce)
    withdrawn = entry(phase="abandoned", intent=second.nonce)
    state = state_of(written(first, done, second, withdrawn))
    assert (state.champion, state.open) == ("1", None)
    assert promoted_versions(written(first, done, second, withdrawn)) == {"1"}


def test_rolling_back_twice_goes_back_twice_and_never_to_what_was_rolled_back() -> None:
    moves = [("promote", "1"), ("promote", "2"), ("promote", "3")]
    assert state_of(history_of(*moves)).previous == "2"
    once = state_of(history_of(*moves, ("rollback", "2")))
    assert (once.champion, once.previous, set(once.rolled_back)) == ("2", "1", {"3"})
    twice = state_of(history_of(*moves, ("rollback", "2"), ("rollback", "1")))
    assert (twice.champion, twice.previous, set(twice.rolled_back)) == ("1", None, {"2", "3"})


def test_a_rollback_over_several_takes_all_of_them_out() -> None:
    state = state_of(history_of(("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "1")))
    assert (state.champion, state.previous, set(state.rolled_back)) == ("1", None, {"2", "3"})


def test_what_is_promoted_again_is_not_rolled_back_any_more() -> None:
    moves = [("promote", "1"), ("promote", "2"), ("rollback", "1"), ("promote", "2")]
    state = state_of(history_of(*moves))
    assert (state.champion, state.previous, state.rolled_back) == ("2", "1", {})


def test_a_rollback_to_a_version_that_was_rolled_back_takes_the_present_one_out() -> None:
    moves = [("promote", "1"), ("promote", "2"), ("rollback", "1"), ("rollback", "2")]
    state = state_of(history_of(*moves))
    assert (state.champion, set(state.rolled_back)) == ("2", {"1"})


def test_environments_and_foreign_events_are_apart() -> None:
    history = written(
        entry(to="1"), entry(to="7", environment="staging"), entry("canary_started", to="9"), entry("retrain")
    )
    assert state_of(history).champion == "1"
    assert state_of(history, "staging").champion == "7"


def test_order_is_that_of_lines_whatever_the_clocks_said() -> None:
    history = written(entry(to="1", time="2030-01-01T00:00:00Z"), entry(to="2", time="2020-01-01T00:00:00Z"))
    assert state_of(history).champion == "2"
    assert clock_ran_back(history)
    assert not clock_ran_back(history_of(("promote", "1")))


def test_the_deployment_of_the_decision_in_force_counts() -> None:
    one, two = entry(to="1"), entry(to="2")
    served = entry(phase="deployed", intent=one.nonce, ok=True)
    assert state_of(written(one, served)).deployed == served.__class__(
        **{**vars(served), "previous": written(one).head}
    )
    assert state_of(written(one, served, two)).deployed is None


def test_the_model_of_a_version_is_the_one_last_promoted_under_its_number() -> None:
    history = written(entry(to="1", digests={"model": "a"}), entry("rollback", to="1"))
    assert model_digest(history, "1") == "a"
    assert model_digest(history, "2") is None


@given(st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), st.sampled_from("12345")), max_size=12))
def test_whatever_happens_the_champion_is_the_last_target_and_previous_is_another(
    moves: list[tuple[str, str]],
) -> None:
    state = state_of(history_of(*moves))
    assert state.champion == (moves[-1][1] if moves else None)
    assert state.champion not in state.rolled_back
    assert state.previous is None or state.previous != state.champion
    assert not set(state.stack) - {version for _, version in moves}
