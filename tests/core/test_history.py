"""Questions to the ledger, both ways, and fast on a long history."""

from __future__ import annotations

import time

from mlops_ci.core.history import disagreements, statement, trace, version_histories
from mlops_ci.core.ledger import Entry, History, extended, parse


def long_history(promotions: int) -> History:
    """Promote versions 1 to n, each deployed; version 50 is rolled back."""
    history = History()
    for number in range(1, promotions + 1):
        values = {
            "model": "m",
            "time": f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z",
            "to_version": str(number),
        }
        intent = Entry(
            event="promote",
            phase="intent",
            nonce=f"i{number}",
            actor="ada",
            commit=f"{number:040x}",
            candidate_commit=f"{number + 5000:040x}",
            run_id=f"{number + 9000:032x}",
            pipeline_version=f"{number + 70000:064x}",
            digests={"model": f"{number + 80000:064x}", "verdict": f"{number:064x}"},
            data={"data/train.csv": f"{number // 10 + 600:032x}", "data/images": f"{number:032x}.dir"},
            verdict="pass",
            **values,  # type: ignore[arg-type]
        )
        steps = [
            intent,
            Entry(event="promote", phase="committed", nonce=f"c{number}", intent=intent.nonce, **values),  # type: ignore[arg-type]
            Entry(
                event="promote", phase="deployed", nonce=f"d{number}", intent=intent.nonce, ok=True, **values
            ),  # type: ignore[arg-type]
        ]
        if number == 50:
            values["to_version"] = "49"
            steps.append(
                Entry(
                    event="rollback", phase="intent", nonce="back", actor="grace", reason="alarms", **values
                )  # type: ignore[arg-type]
            )
        for step in steps:
            history = parse(extended(history, step), "m")
    return history


HISTORY = long_history(60)


def test_from_a_training_files_checksum_to_when_it_was_deployed() -> None:
    (only,) = trace(HISTORY, f"{42:032x}.dir")
    assert only.version == "42"
    assert [(event.what, event.time) for event in only.events] == [
        ("promoted", "2026-01-01T00:42:00Z"),
        ("deployed", "2026-01-01T00:42:00Z"),
        ("replaced", "2026-01-01T00:43:00Z"),
    ]
    assert [one.version for one in trace(HISTORY, f"{602:032x}")] == [str(n) for n in range(20, 30)]


def test_and_back_from_version_commit_run_digest_and_path() -> None:
    for query in (
        "42",
        "v42",
        f"{42:040x}",
        f"{5042:040x}",
        f"{9042:032x}",
        f"{80042:064x}",
        f"{70042:064x}",
    ):
        (one,) = trace(HISTORY, query)
        assert one.entry.data["data/images"] == f"{42:032x}.dir"
    assert len(trace(HISTORY, "data/train.csv")) == 60
    assert trace(HISTORY, "data/other.csv") == trace(HISTORY, "abcdef0") == []


def test_a_rollback_is_in_the_way_of_both_versions() -> None:
    (out,) = trace(HISTORY, "50")
    assert [event.what for event in out.events] == ["promoted", "deployed", "rolled back"]
    assert out.events[-1].actor == "grace"
    assert out.events[-1].detail == "to version 49: alarms"
    (back,) = trace(HISTORY, "49")
    assert [event.what for event in back.events] == [
        "promoted",
        "deployed",
        "replaced",
        "returned to",
        "replaced",
    ]


def test_two_hundred_promotions_are_searched_in_well_under_a_second() -> None:
    text = long_history(200).text
    start = time.process_time()
    history = parse(text, "m")
    found = trace(history, f"{177:032x}.dir")
    assert time.process_time() - start < 0.5
    assert [one.version for one in found] == ["177"]


def test_tags_that_are_not_as_the_ledger_says_are_named() -> None:
    good = {
        one.version: {"digest": one.entry.digests["model"], "anchor": HISTORY.digest_of(one.entry.nonce)}
        for one in version_histories(HISTORY)
    }
    names = ("digest", "anchor")
    assert disagreements(HISTORY, good, names) == []
    forged = {**good, "3": {"digest": "f" * 64}, "61": {"anchor": "e" * 64}}
    del forged["7"]
    assert disagreements(HISTORY, forged, names) == [
        "version 3: its tag names the model ffffffffffff, the ledger 000000000000",
        "version 7 was champion, and is not in the registry any more",
        "version 61: its tag names a line eeeeeeeeeeee that the ledger does not have",
    ]


def test_the_provenance_names_subject_source_and_data() -> None:
    (one,) = trace(HISTORY, "42")
    said = statement(one, "m", "https://example.org/a.git")
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["subject"] == [{"name": "models:/m/42", "digest": {"sha256": f"{80042:064x}"}}]
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = said["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {"uri": "git+https://example.org/a.git", "digest": {"gitCommit": f"{5042:040x}"}},
        {"name": "data/images", "digest": {"dvcDirectoryMd5": f"{42:032x}"}},
        {"name": "data/train.csv", "digest": {"md5": f"{604:032x}"}},
    ]
    assert said["predicate"]["runDetails"]["byproducts"] == [
        {"name": "verdict", "digest": {"sha256": f"{42:064x}"}}
    ]


def test_a_number_that_was_given_twice_is_the_model_of_today() -> None:
    again = Entry(
        event="promote",
        phase="intent",
        model="m",
        nonce="again",
        time="2026-02-01T00:00:00Z",
        to_version="7",
        digests={"model": "ab" * 32},
        data={"data/train.csv": "c" * 32},
    )
    (one,) = trace(parse(extended(HISTORY, again), "m"), "7")
    assert [event.what for event in one.events].count("promoted") == 2
    told = statement(one, "m")
    assert told["subject"][0]["digest"] == {"sha256": "ab" * 32}
    assert trace(parse(extended(HISTORY, again), "m"), "ab" * 32) == [one]
