"""Windows of production: twice, late, out of order, empty, of unknown versions, with wrong clocks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from watch_parts import START, Shop, make_shop

from mlops_ci.errors import EvidenceError


@pytest.fixture
def shop(tmp_path: Path, empty_mlflow_database: Path) -> Shop:
    return make_shop(tmp_path / "shop", empty_mlflow_database)


def test_windows_are_judged_once_and_a_quiet_production_is_quiet(shop: Shop) -> None:
    for day in range(4):
        shop.put(day)
    report = shop.at(4.1).watch()
    assert (report.exit_code, report.headline) == (0, "moons: production of version 1 is as it should be")
    records = shop.records()
    assert [one.window[:10] for one in records] == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert [(one.state, one.rows, one.labels, tuple(one.raised)) for one in records] == [
        ("judged", 300, 300, ())
    ] * 4
    assert {"drift", "prediction_drift", "loss", "estimated_loss"} <= set(records[0].known)
    assert abs(records[0].performance["accuracy"]["value"] - records[0].estimates["accuracy"]["value"]) < 0.06
    head = shop.history().head
    again = shop.watch()
    assert again.details["judged"] == []
    assert shop.history().head == head


def test_a_window_waits_until_it_is_complete(shop: Shop) -> None:
    shop.put(0)
    shop.put(1)
    assert len(shop.at(1.03).watch().details["judged"]) == 0  # 43 minutes after its end, the delay is an hour
    assert len(shop.at(1.05).watch().details["judged"]) == 1


def test_rows_that_arrive_twice_count_once_and_in_any_order_of_files(shop: Shop) -> None:
    shop.put(0)
    shop.at(1.1).watch()
    digest = shop.records()[0].digest
    frame = pd.read_csv(shop.folder / "production" / "000.csv")
    (shop.folder / "production" / "000.csv").unlink()
    frame.iloc[150:].to_csv(shop.folder / "production" / "a.csv", index=False)
    frame.iloc[:180].to_csv(shop.folder / "production" / "b.csv", index=False)
    report = shop.watch()
    assert report.details["judged"] == []
    assert shop.records()[0].digest == digest
    assert "30 rows came more than once" in str(report.notices)


def test_late_rows_and_late_labels_revise_their_window(shop: Shop) -> None:
    shop.put(0, labels=False)
    shop.put(1, labels=False)
    shop.at(2.1).watch()
    assert [one.labels for one in shop.records()] == [0, 0]
    assert "loss" not in shop.records()[0].known
    shop.put(0, labels=True)
    shop.put(1, seed=77, n=80, name="-late", labels=False)
    report = shop.watch()
    assert len(report.details["judged"]) == 2
    first, second = shop.records()
    assert (first.labels, "loss" in first.known) == (300, True)
    assert (second.rows, second.labels) == (380, 0)


def test_windows_may_arrive_out_of_order(shop: Shop) -> None:
    shop.put(2)
    shop.at(3.1).watch()
    shop.put(0)
    report = shop.watch()
    assert [one[:10] for one in report.details["judged"]] == ["2026-03-02", "2026-03-03"]
    assert [(one.window[:10], one.state) for one in shop.records()] == [
        ("2026-03-02", "judged"),
        ("2026-03-03", "empty"),
        ("2026-03-04", "judged"),
    ]


def test_empty_windows_are_an_alarm_and_never_a_pass(shop: Shop) -> None:
    for day in range(4):
        shop.put(day)
    shop.at(4.1).watch()
    report = shop.at(7.1).watch()
    assert [one.state for one in shop.records()][-3:] == ["empty"] * 3
    assert "unusual volume" in report.headline
    assert "no fresh data" in report.headline
    assert report.details["stale"] is True


def test_too_few_rows_are_not_tested(shop: Shop) -> None:
    shop.put(0, n=30)
    shop.at(1.1).watch()
    assert (shop.records()[0].state, shop.records()[0].known) == ("few", ())


def test_rows_of_other_versions_are_left_out_and_unknown_ones_told(shop: Shop) -> None:
    block = "{data: 'production/*.csv', window: 1d, min_rows: 50, version: version}"
    shop.configure(monitor=block)
    shop.put(0)
    frame = pd.read_csv(shop.folder / "production" / "000.csv")
    frame["version"] = [1] * 200 + [99] * 60 + ["banana"] * 40
    frame.to_csv(shop.folder / "production" / "000.csv", index=False)
    report = shop.at(1.1).watch()
    assert shop.records()[0].rows == 200
    said = " ".join(notice.text for notice in report.notices)
    assert "60 rows name the version '99', which the registry does not have" in said
    assert "40 rows name the version 'banana'" in said


def test_a_wrong_clock_and_rows_without_a_time_are_told(shop: Shop) -> None:
    shop.put(0)
    frame = pd.read_csv(shop.folder / "production" / "000.csv")
    frame.loc[:9, "time"] = "2031-01-01T00:00:00"
    frame.loc[10:14, "time"] = "yesterday"
    frame.to_csv(shop.folder / "production" / "000.csv", index=False)
    report = shop.at(1.1).watch()
    assert shop.records()[0].rows == 285
    said = " ".join(notice.text for notice in report.notices)
    assert "10 rows have a time in the future" in said
    assert "5 rows have no time" in said
    assert report.details["newest"] < "2026-03-04"


def test_a_window_keeps_the_champion_it_was_judged_with(shop: Shop) -> None:
    shop.put(0)
    shop.at(1.1).watch()
    shop.champion(seed=2)
    shop.put(0, seed=5, n=100, name="-late")
    shop.put(1)
    report = shop.at(2.1).watch()
    assert [one.champion for one in shop.records()] == ["1", "2"]
    assert len(report.details["judged"]) == 1


def test_dry_run_writes_nothing(shop: Shop) -> None:
    shop.put(0)
    report = shop.at(1.1).watch(dry_run=True)
    assert len(report.details["windows"]) == 1
    assert shop.history().entries == ()


def test_no_file_is_an_error_and_no_champion_too(shop: Shop) -> None:
    with pytest.raises(EvidenceError, match=r"monitor\.data: no file matches"):
        shop.watch()
    shop.registry.drop_alias("moons", "champion")
    shop.put(0)
    with pytest.raises(EvidenceError, match=r"gone|nothing is in production"):
        shop.at(1.1).watch()


def test_the_history_is_in_mlflow_one_step_a_window_and_no_step_twice(shop: Shop) -> None:
    for day in range(3):
        shop.put(day)
    shop.at(3.1).watch(trends=True)
    shop.watch(trends=True)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{shop.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mlops-ci/moons/monitor")
    (run,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(run.info.run_id, "accuracy.measured")
    assert len(points) == 3
    assert len({point.step for point in points}) == 3
    assert points[0].timestamp == int((START.timestamp() + 86_400) * 1000)
