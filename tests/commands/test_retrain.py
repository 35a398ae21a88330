"""`retrain`: one trigger for one reason, however many ask at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_parts import ledger
from watch_parts import MODEL, Shop, make_shop

from mlops_ci.commands.retrain import retrain
from mlops_ci.core.ledger import Entry, History, extended, parse
from mlops_ci.core.report import Source
from mlops_ci.errors import ConflictError, ServiceError, UncertainError, UsageError


@pytest.fixture
def shop(tmp_path: Path, empty_mlflow_database: Path) -> Shop:
    made = make_shop(tmp_path / "shop", empty_mlflow_database)
    for day in range(3):
        made.put(day, n=600, shift=0.8, flip=0.25)
    made.at(3.1).watch()
    return made


def test_drift_and_a_proven_loss_start_a_training_once(shop: Shop) -> None:
    shown = shop.retrain(dry_run=True)
    assert shown.headline == "moons: would train again: drift and a proven loss in 2 of the last 3 windows"
    assert [action.applied for action in shown.actions] == [False]
    assert shop.forge.heard == []
    report = shop.retrain()
    assert [action.applied for action in report.actions] == [True]
    ((event, values),) = shop.forge.heard
    assert (event, values["champion"], values["model"]) == ("mlops-ci-retrain", "1", MODEL)
    claim, done = [one for one in shop.history().entries if one.event == "retrain"]
    assert (claim.data, claim.details["columns"]) == ({"data/train.csv": "1" * 32}, ["x", "y"])
    assert (done.intent, done.ok) == (claim.nonce, True)
    again = shop.retrain()
    assert again.details["why"] == "no windows"
    assert len(shop.forge.heard) == 1


def test_a_start_that_fails_is_withdrawn_and_tried_again(shop: Shop) -> None:
    shop.forge.refuses = ServiceError("GitHub", "is down")
    with pytest.raises(ServiceError, match="is down"):
        shop.retrain()
    assert [one.phase for one in shop.history().entries if one.event == "retrain"] == [
        "recorded",
        "abandoned",
    ]
    shop.forge.refuses = None
    shop.retrain()
    assert len(shop.forge.heard) == 1


def test_a_start_whose_answer_is_lost_is_not_made_again(shop: Shop) -> None:
    shop.forge.refuses = UncertainError("GitHub", "POST /dispatches answered 502")
    with pytest.raises(UncertainError, match="502: whether the training started is not known"):
        shop.retrain()
    shop.forge.refuses = None
    shop.at(3.9)
    assert shop.retrain().details["started"] is False
    for day in (3, 4, 5):  # and not by newer windows with the same champion, columns and data
        shop.put(day, n=600, shift=0.8, flip=0.25)
    shop.at(6.1).watch()
    assert shop.retrain().details["why"] == "already"
    assert shop.forge.heard == []
    claim, lost = [one for one in shop.history().entries if one.event == "retrain"]
    assert (lost.intent, lost.ok, lost.phase) == (claim.nonce, None, "recorded")


def test_loop_protection_a_retrained_champion_starts_with_no_windows(shop: Shop) -> None:
    shop.retrain()
    shop.champion(seed=2)
    shop.checksum = "2" * 32
    shop.at(9.1)
    assert shop.retrain().details["why"] == "no windows"
    shop.watch()  # the old windows keep the champion that they were judged with
    assert shop.retrain().details["trigger"] is False
    for day in (9, 10, 11):
        shop.put(day, n=600, shift=0.8, flip=0.25)
    shop.at(12.1).watch()
    assert shop.retrain().details["started"] is True
    assert len(shop.forge.heard) == 2


def test_a_command_in_place_of_a_forge(shop: Shop) -> None:
    shop.configure(retrain="{command: 'echo train'}")
    ran: list[tuple[str, dict[str, str]]] = []

    def operate(command: str, variables: object) -> str:
        ran.append((command, dict(variables)))  # type: ignore[call-overload]
        return ""

    retrain(shop.settings, shop.tools(operate=operate), Source())
    assert ran[0][0] == "echo train"
    assert ran[0][1]["MLOPS_CI_CHAMPION"] == "1"


def test_a_terminal_cannot_start_anything_and_says_so(shop: Shop) -> None:
    shop.forge.refuses = UsageError("there is nothing here that it could start")
    with pytest.raises(UsageError):
        shop.retrain()


class Memory:
    """A ledger in memory with the same compare-and-set; every writer reads before the first one writes."""

    address = "memory"

    def __init__(self, text: bytes, together: int) -> None:
        self.text = text
        self.lock = threading.Lock()
        self.barrier = threading.Barrier(together)
        self.waited = threading.local()

    def read(self, model: str) -> History:
        with self.lock:
            history = parse(self.text, model)
        if not getattr(self.waited, "done", False):
            self.waited.done = True
            self.barrier.wait()
        return history

    def append(self, history: History, entry: Entry) -> History:
        with self.lock:
            now = parse(self.text, entry.model)
            if now.head != history.head:
                raise ConflictError("the ledger", "changed")
            self.text = extended(now, entry)
            return parse(self.text, entry.model)


def storm(shop: Shop, runs: int, workers: int, make: object) -> None:
    champion = shop.registry.champion(MODEL, "champion")
    still = type("Registry", (), {"champion": lambda self, *_: champion})()
    scratch = shop.tools()

    def one(_: int) -> str:
        tools = replace(scratch, ledger=make, registry=lambda: still)  # type: ignore[arg-type]
        return str(retrain(shop.settings, tools, Source()).details["why"])

    with ThreadPoolExecutor(workers) as pool:
        said = list(pool.map(one, range(runs)))
    assert said.count("retrain") == 1
    assert len(shop.forge.heard) == 1


def test_a_thousand_runs_at_the_same_instant_start_one_training(shop: Shop) -> None:
    memory = Memory(shop.history().text, 1000)
    storm(shop, 1000, 1000, lambda: memory)
    history = parse(memory.text, MODEL)
    assert [(one.phase, one.ok) for one in history.entries if one.event == "retrain"] == [
        ("recorded", None),
        ("recorded", True),
    ]


@pytest.mark.slow
def test_a_thousand_runs_through_git_start_one_training(shop: Shop) -> None:
    storm(shop, 1000, 16, lambda: ledger(shop.remote))
    assert sum(one.event == "retrain" for one in shop.history().entries) == 2


def test_a_handful_of_runs_through_git_start_one_training(shop: Shop) -> None:
    storm(shop, 12, 6, lambda: ledger(shop.remote))
    assert sum(one.event == "retrain" for one in shop.history().entries) == 2


def test_a_dead_job_s_claim_is_taken_up_again_after_its_lease(shop: Shop) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> str:
        raise Killed

    shop.forge.dispatch = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        shop.retrain()
    del shop.forge.dispatch
    assert shop.retrain().details["trigger"] is False
    shop.now += timedelta(minutes=16)
    assert shop.retrain().details["started"] is True
    assert len(shop.forge.heard) == 1
