"""Windows that arrive twice, late, out of order, empty, with an unknown version, or by a wrong clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_ci.adapters.data.traffic import TrafficFiles
from mlops_ci.commands.canary.look import examine
from mlops_ci.commands.canary.report import LookResult
from mlops_ci.core.canary.state import Canary, canaries
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.report import plain
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import CanarySettings

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
SETTINGS = CanarySettings.model_validate(
    {
        "outcomes": "outcomes/*.parquet",
        "version": "version",
        "rates": {"errors": {"column": "error", "margin": 0.02}},
        "steps": [0.2, 1],
        "window": 3600,
        "settle": 0,
        "label_age": 1800,
        "deadline": 86400,
        "id": "request",
    }
)


@dataclass
class Looks:
    """Looks at files by a clock that the test turns; what they record is kept as the ledger would."""

    root: Path
    settings: CanarySettings = SETTINGS
    now: datetime = START
    entries: list[Entry] = field(default_factory=list)
    rows: int = 0

    def __post_init__(self) -> None:
        (self.root / "outcomes").mkdir()
        details = {"act": "start", "share": 0.2, "step": 0, "rule": plain(self.settings.rule)}
        self.write_entry("intent", "start", nonce="start", details=details)
        self.write_entry("committed", "start", intent="start")

    def write_entry(self, phase: Any, act: str, **values: Any) -> None:
        values.setdefault("nonce", f"n{len(self.entries)}")
        values["details"] = {"canary": "start", "act": act, **values.get("details", {})}
        self.entries.append(
            Entry(
                event="canary",
                phase=phase,
                model="m",
                time=self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                from_version="1",
                to_version="2",
                **values,
            )
        )

    @property
    def canary(self) -> Canary:
        return canaries(History(entries=tuple(self.entries)))[-1]

    def look(self, after: float = 0) -> LookResult:
        """Look some hours later."""
        self.now += timedelta(hours=after)
        source = TrafficFiles(str(self.settings.outcomes), self.root)
        tools = SimpleNamespace(now=lambda: self.now, traffic=lambda: source)
        found = examine(SimpleNamespace(tools=tools), self.canary, self.settings)  # type: ignore[arg-type]
        if found.records:
            evidence = {name: one.plain() for name, one in found.evidence.items()}
            details = {"windows": found.records, "evidence": evidence, "decision": found.decision.outcome}
            self.write_entry("recorded", "look", details=details)
        return found

    def serve(self, hour: int, name: str = "", n: int = 500, **fixed: Any) -> dict[str, Any]:
        """Write the rows of an hour after the start."""
        rng = np.random.default_rng(hour)
        times = np.sort(rng.uniform(0, 3599, n))
        values: dict[str, Any] = {
            "time": [START + timedelta(hours=hour, seconds=float(s)) for s in times],
            "version": np.where(rng.random(n) < 0.2, "2", "1"),
            "error": rng.random(n) < 0.05,
            "request": [f"{hour}-{i}" for i in range(n)],
        } | fixed
        pq.write_table(pa.table(values), self.root / "outcomes" / f"{name or hour}.parquet")
        return values

    def says(self, found: LookResult) -> str:
        return " ".join(one.text for one in found.notices)


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(tmp_path)


def test_a_window_is_read_once_however_often_it_comes(looks: Looks) -> None:
    rows = looks.serve(0)
    first = looks.look(after=1.6)
    assert [one["rows"] for one in first.records] == [
        [first.seen[0][1].champion, first.seen[0][1].challenger, 0]
    ]
    evidence = looks.canary.evidence["errors"].plain()
    pq.write_table(pa.table(rows), looks.root / "outcomes" / "the same again.parquet")
    second = looks.look()
    assert (second.records, second.evidence["errors"].plain()) == ([], evidence)
    assert looks.says(second) == ""
    # Before the first look it counts once, too: by its ids.
    other = Looks(looks.root / "other") if (looks.root / "other").mkdir() is None else looks
    other.serve(0)
    other.serve(0, name="the same")
    assert other.look(after=1.6).evidence["errors"].plain() == evidence


def test_labels_are_waited_for(looks: Looks) -> None:
    looks.serve(0)
    assert looks.look(after=1.4).records == []
    assert len(looks.look(after=0.1).records) == 1


def test_rows_that_come_late_do_not_count_and_are_told(looks: Looks) -> None:
    looks.serve(0)
    looks.look(after=1.6)
    evidence = looks.canary.evidence["errors"].plain()
    looks.serve(0, name="late", request=[f"late {i}" for i in range(500)])
    found = looks.look()
    assert found.evidence["errors"].plain() == evidence
    assert "500 rows came after their window was read" in looks.says(found)


def test_windows_count_in_whatever_order_they_come(looks: Looks, tmp_path: Path) -> None:
    looks.serve(1)
    first = looks.look(after=2.6)
    assert [one["start"] for one in first.records] == ["2026-05-04T09:00:00Z"]
    assert "1 window held no row of either version" in looks.says(first)
    looks.serve(0)
    second = looks.look()
    assert [one["start"] for one in second.records] == ["2026-05-04T08:00:00Z"]
    (tmp_path / "in order").mkdir()
    straight = Looks(tmp_path / "in order")
    straight.serve(0)
    straight.serve(1)
    straight.look(after=2.6)
    mine, theirs = looks.canary.evidence["errors"], straight.canary.evidence["errors"]
    assert (mine.n0, mine.k0, mine.n1, mine.k1) == (theirs.n0, theirs.k0, theirs.n1, theirs.k1)
    assert mine.total == pytest.approx(theirs.total)


def test_no_data_proves_nothing_until_the_deadline_and_then_it_is_undecided(looks: Looks) -> None:
    for hours in (0, 5, 10):
        found = looks.look(after=hours)
        assert (found.decision.outcome, found.records) == ("continue", [])
    assert looks.look(after=9.4).decision.outcome == "continue"  # 24.4 h: labels may still come
    assert looks.look(after=0.2).decision.outcome == "inconclusive"


def test_outcomes_after_the_deadline_decide_nothing(looks: Looks) -> None:
    looks.serve(30)
    found = looks.look(after=40)
    assert (found.records, found.decision.outcome) == ([], "inconclusive")


@pytest.mark.parametrize(("version", "arm"), [("1", "challenger"), ("2", "champion")])
def test_a_window_of_one_version_proves_nothing(looks: Looks, version: str, arm: str) -> None:
    looks.serve(0, version=np.full(500, version), error=np.ones(500))
    found = looks.look(after=1.6)
    assert found.records == []
    assert (
        f"1 window held no row of the {arm}: such windows prove nothing. Is the traffic split?"
        in looks.says(found)
    )


def test_rows_of_an_unknown_version_are_told_and_left_out(looks: Looks) -> None:
    rows = looks.serve(0)
    before = looks.look(after=1.6).evidence["errors"].plain()
    (looks.root / "other").mkdir()
    other = Looks(looks.root / "other")
    other.serve(0)
    strange = {**rows, "version": np.full(500, "9"), "error": np.ones(500)} | {
        "request": [f"s{i}" for i in range(500)]
    }
    pq.write_table(
        pa.table({**strange, "error": strange["error"] == 1}), other.root / "outcomes" / "x.parquet"
    )
    found = other.look(after=1.6)
    assert found.evidence["errors"].plain() == before
    assert "500 of 1,000 rows name neither version 1 nor 2" in other.says(found)


def test_rows_of_the_future_wait_and_a_clock_behind_the_ledger_reads_nothing(looks: Looks) -> None:
    looks.serve(0)
    looks.serve(5)
    found = looks.look(after=1.6)
    assert len(found.records) == 1
    assert "500 rows are from the future: a clock is wrong" in looks.says(found)
    looks.now -= timedelta(hours=1)
    found = looks.look()
    assert found.records == []
    assert "clock is behind" in looks.says(found)


def test_a_split_that_is_not_the_share_is_told(looks: Looks) -> None:
    looks.serve(0, version=np.where(np.arange(500) % 2 == 0, "2", "1"))
    found = looks.look(after=1.6)
    assert "The challenger answered 50.0% of the rows; its share was 20%" in looks.says(found)


def test_outcomes_that_are_known_for_one_version_only_are_told(looks: Looks) -> None:
    version = np.where(np.arange(500) % 5 == 0, "2", "1")
    error = [None if v == "2" and i % 2 else 0.0 for i, v in enumerate(version)]
    looks.serve(0, version=version, error=error)
    found = looks.look(after=1.6)
    assert "errors is known for 100% of the champion's rows and 50% of the challenger's" in looks.says(found)
    assert found.evidence["errors"].n1 == 50


def test_a_window_that_a_change_of_share_cuts_short_has_one_share(looks: Looks) -> None:
    for hour in range(3):
        looks.serve(hour)
    looks.now += timedelta(hours=1.5)
    looks.write_entry("intent", "step", nonce="wider", details={"share": 0.5, "step": 1})
    looks.now += timedelta(minutes=2)
    looks.write_entry("committed", "step", intent="wider")
    looks.settings = replace_settings(looks.settings)
    found = looks.look(after=2)
    assert [(one["share"], one["start"][11:16], one["end"][11:16]) for one in found.records] == [
        (0.2, "08:00", "09:00"),
        (0.2, "09:00", "09:30"),
        (0.5, "09:32", "10:32"),
    ]


def replace_settings(settings: CanarySettings) -> CanarySettings:
    return settings.model_copy(update={"steps": [0.2, 0.5, 1.0]})


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda rows: {k: v for k, v in rows.items() if k != "error"}, "error"),
        (lambda rows: rows | {"error": np.full(500, 7.0)}, "holds 7: it must be 0, 1 or between"),
        (lambda rows: rows | {"time": ["yesterday"] * 500}, "column 'time'"),
    ],
)
def test_outcomes_that_cannot_be_read_are_an_error_and_decide_nothing(
    looks: Looks, write: Callable[[dict[str, Any]], dict[str, Any]], problem: str
) -> None:
    rows = looks.serve(0)
    pq.write_table(pa.table(write(rows)), looks.root / "outcomes" / "0.parquet")
    with pytest.raises(EvidenceError, match=problem):
        looks.look(after=1.6)
    assert len(looks.entries) == 2


def test_csv_files_with_times_as_text_or_numbers_are_read_alike(looks: Looks) -> None:
    rows = looks.serve(0)
    expected = looks.look(after=1.6).evidence["errors"].plain()
    for number, form in enumerate(
        ("{:%Y-%m-%dT%H:%M:%S.%fZ}", "{:%Y-%m-%d %H:%M:%S.%f}", "seconds", "milliseconds")
    ):
        scale = {"seconds": 1, "milliseconds": 1000}.get(form)
        times = [str(t.timestamp() * scale) if scale else form.format(t) for t in rows["time"]]
        folder = looks.root / str(number)
        folder.mkdir()
        other = Looks(folder, settings=SETTINGS.model_copy(update={"outcomes": "outcomes"}))
        lines = [
            f"{t},{v},{str(bool(e)).lower()},{r}"
            for t, v, e, r in zip(times, rows["version"], rows["error"], rows["request"], strict=True)
        ]
        text = "time,version,error,request\n" + "\n".join(lines) + "\n"
        (folder / "outcomes" / "rows.csv").write_text(text)
        (folder / "outcomes" / "not begun.csv").write_text("")
        (folder / "outcomes" / "only a header.csv").write_text("time,version,error,request\n")
        assert other.look(after=1.6).evidence["errors"].plain() == expected, form


def test_rules_do_not_change_half_way(looks: Looks) -> None:
    looks.serve(0)
    looks.settings = looks.settings.model_copy(
        update={"rates": {"errors": looks.settings.rates["errors"].model_copy(update={"margin": 0.9})}}
    )
    looks.look(after=1.6)
    assert looks.canary.rule.margins == {"errors": 0.02}


def labelled(tmp_path: Path, positive: str) -> Looks:
    rates = {"false_positives": {"column": "said", "label": "truth", "positive": positive, "margin": 0.05}}
    settings = SETTINGS.model_dump() | {"rates": rates, "label_age": 0, "min_windows": 3}
    return Looks(tmp_path, CanarySettings.model_validate(settings))


def test_a_positive_label_that_no_row_has_proves_nothing(tmp_path: Path) -> None:
    looks = labelled(tmp_path, "malwear")
    for hour in range(12):
        said = np.where(np.arange(500) % 5 == 0, "malware", "clean")
        looks.serve(hour, said=said, truth=["clean"] * 500)
    found = looks.look(after=12.1)
    assert (found.decision.outcome, found.records) == ("continue", [])
    assert "No row has the positive label 'malwear' of false_positives" in looks.says(found)
    assert looks.look(after=12).decision.outcome == "inconclusive"
    # What waits counts once the setting is right; afterwards a quiet window waits for nothing.
    right = labelled((tmp_path / "right"), "malware") if (tmp_path / "right").mkdir() is None else looks
    right.serve(0, said=["clean"] * 500, truth=["clean"] * 500)
    assert right.look(after=1).records == []
    right.serve(1, said=said, truth=["clean"] * 500)
    assert len(right.look(after=1).records) == 2
    right.serve(2, said=["clean"] * 500, truth=["clean"] * 500)
    assert len(right.look(after=1).records) == 1


def test_truth_values_in_capitals_are_labels_too(tmp_path: Path) -> None:
    looks = labelled(tmp_path, "1")
    looks.serve(0, said=np.where(np.arange(500) % 5 == 0, "TRUE", "FALSE"), truth=["FALSE"] * 500)
    (record,) = looks.look(after=1).records
    assert sum(record["rates"]["false_positives"][1::2]) == 100


def test_windows_last_a_second_at_least() -> None:
    # A thousandth of one made a look count billions of windows.
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        CanarySettings.model_validate(SETTINGS.model_dump() | {"window": 0.001})


def test_outcomes_that_cannot_be_read_do_not_hold_the_deadline(looks: Looks) -> None:
    looks.serve(0)
    looks.look(after=1.6)
    (looks.root / "outcomes" / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(EvidenceError):
        looks.look(after=1)
    found = looks.look(after=24)
    assert (found.decision.outcome, found.records) == ("inconclusive", [])
    assert "The deadline is over, and the outcomes cannot be read" in looks.says(found)
