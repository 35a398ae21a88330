"""What windows show: drift, a proven loss, an estimated one, and what an estimate cannot see."""

from __future__ import annotations

from pathlib import Path

import pytest
from watch_parts import Shop, make_shop

from mlops_ci.core.monitor.record import Rule, alarms, false_alarm_rate
from mlops_ci.render import render


@pytest.fixture
def shop(tmp_path: Path, empty_mlflow_database: Path) -> Shop:
    return make_shop(tmp_path / "shop", empty_mlflow_database)


def active(report) -> dict[str, bool]:
    return {one["signal"]: one["active"] for one in report.details["alarms"]}


def test_drift_takes_k_of_n_windows_and_opens_an_issue(shop: Shop) -> None:
    shop.put(0)
    shop.put(1, shift=1.2)
    first = shop.at(2.1).watch()
    assert active(first)["drift"] is False  # one window is not enough
    shop.put(2, shift=1.2)
    second = shop.at(3.1).watch()
    assert active(second)["drift"] is True
    assert [one.columns for one in shop.records()] == [(), ["x", "y"], ["x", "y"]]
    assert second.actions[0].kind == "open_issue"
    assert "data drift" in second.details["issue"]["title"]
    for day in (3, 4):
        shop.put(day)
    third = shop.at(5.1).watch()
    assert active(third)["drift"] is False
    assert third.details["issue"] == {"title": "", "open": False}
    assert third.actions[0].kind == "close_issue"


def test_labels_prove_a_loss_against_the_holdout(shop: Shop) -> None:
    for day in range(3):
        shop.put(day, n=600, flip=0.25)
    report = shop.at(3.1).watch()
    assert active(report)["loss"] is True
    one = shop.records()[-1].performance["accuracy"]
    assert one["outcome"] == "worse"
    assert one["upper"] < -one["margin"]
    assert abs(one["holdout"] - 0.81) < 0.03
    assert "a proven loss, more than the accepted 0.030" in one["message"]


def test_a_holdout_with_times_teaches_how_far_an_estimate_may_be_off(shop: Shop) -> None:
    def half() -> float:
        shop.put(0, labels=False)
        report = shop.at(1.1).watch(dry_run=True)
        one = report.details["windows"][-1]["estimates"]["accuracy"]
        told.append(" ".join(notice.text for notice in report.notices))
        return float(one["upper"] - one["lower"]) / 2

    told: list[str] = []
    shop.champion(seed=2, restless=0.4)
    untimed = half()
    shop.champion(seed=3, days=10, restless=0.4)
    timed = half()
    shop.champion(seed=4, days=3)
    half()
    assert timed > 1.3 * untimed
    assert "its rows have no times (`evaluation.time`)" in told[0]
    assert "evaluation.time" not in told[1]
    assert "it has fewer than 4 periods that could tell" in told[2]


def test_an_estimate_sees_a_change_of_the_data_and_is_blind_to_one_of_the_labels(shop: Shop) -> None:
    # More rows near the boundary: accuracy falls, and the scores know it. Then turned labels: they cannot.
    shop.put(0, n=2000)
    shop.put(1, n=2000, flip=0.3)
    shop.at(2.1).watch()
    quiet, turned = shop.records()
    assert abs(quiet.estimates["accuracy"]["value"] - quiet.performance["accuracy"]["value"]) < 0.03
    assert turned.performance["accuracy"]["value"] < 0.72
    assert turned.estimates["accuracy"]["value"] > 0.78
    assert "loss" in turned.raised
    assert "estimated_loss" not in turned.raised


def test_an_estimate_without_labels_has_an_interval_and_becomes_wider_where_it_missed(shop: Shop) -> None:
    for day in range(6):
        shop.put(day, flip=0.3, labels=day < 5)
    shop.at(6.1).watch()
    last = shop.records()[-1]
    assert last.labels == 0
    made = last.estimates["accuracy"]
    assert made["lower"] < made["value"] < made["upper"]
    assert made["upper"] - made["lower"] > 2.5 * 2 * made["half"]
    assert made["correction"] < -0.03  # the labels of earlier windows were heard


def test_scores_outside_the_holdouts_range_make_the_estimate_invalid(shop: Shop) -> None:
    shop.put(0, n=400)
    import pandas as pd

    frame = pd.read_csv(shop.folder / "production" / "000.csv")
    frame.loc[:99, "score"] = 0.999999
    frame.to_csv(shop.folder / "production" / "000.csv", index=False)
    report = shop.at(1.1).watch()
    record = shop.records()[0]
    assert "estimated_loss" not in record.known
    assert "outside the holdout's range" in record.doubts[0]
    assert "not to be trusted" in render(report, "text")


def test_every_form_of_the_report_is_written(shop: Shop) -> None:
    for day in range(3):
        shop.put(day, n=600, flip=0.25, shift=0.8, labels=day < 2)
    report = shop.at(3.1).watch()
    text, markdown, page = (render(report, form) for form in ("text", "comment", "html"))
    assert "WORSE" in text
    assert "blind to a change of what the labels mean" in markdown
    assert page.count('class="plot wide') >= 4
    assert '<polygon class="band"' not in page or page.count("band") >= 1
    assert '"schema_version": 1' in render(report, "json")


def test_k_of_n_keeps_the_rate_of_false_alarms(shop: Shop) -> None:
    assert false_alarm_rate(Rule(k=2, n=3), 0.05) == pytest.approx(0.00725)
    assert false_alarm_rate(Rule(k=1, n=1), 0.05) == pytest.approx(0.05)
    for day in range(20):
        shop.put(day, n=200)
    shop.at(20.1).watch()
    records = shop.records()
    raised = sum(len(one.raised) for one in records)
    assert raised <= 3
    for last in range(3, 21):
        assert not any(
            one.active for one in alarms(records[:last], Rule(), champion="1") if one.signal != "volume"
        )
