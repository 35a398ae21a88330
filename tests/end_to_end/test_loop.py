"""The whole circle, unattended, on real data that really drifts: `mlops-ci demo --loop`, and what its ledger holds.

Data update -> check -> promote -> canary with a planted surge of false positives -> rollback -> fix -> canary
passes -> production drifts -> retraining triggered once -> new data -> check -> promote -> lineage.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from ledger_parts import git

from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.core.canary.state import canaries
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import state_of
from mlops_ci.core.monitor.record import watched
from mlops_ci.settings import json_schema

pytestmark = pytest.mark.e2e

browser = pytest.importorskip("browser", reason="needs the group e2e")
MODEL = "busy-hours"


@dataclass(frozen=True)
class Told:
    """What the demonstration left behind."""

    folder: Path
    output: str
    timeline: dict[str, Any]
    history: History

    def report(self, number: int) -> dict[str, Any]:
        """The report of the n-th verb, as the story counts."""
        found: dict[str, Any] = json.loads(
            (self.folder / "reports" / f"{self.runs[number - 1]['name']}.json").read_text()
        )
        return found

    def all_of(self, verb: str) -> list[dict[str, Any]]:
        """The reports of one verb, in their order."""
        return [
            self.report(number)
            for number, run in enumerate(self.runs, 1)
            if run["command"].startswith(f"mlops-ci {verb}")
        ]

    @property
    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.timeline["details"]["runs"]
        return runs

    def intents(self, event: str) -> list[Entry]:
        return [one for one in self.history.entries if (one.event, one.phase) == (event, "intent")]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("loop") / "demo"
    command = [sys.executable, "-m", "mlops_ci", "demo", "--loop", "--dir", str(folder)]
    # A job of a forge is none of the demonstration's business.
    environment = {**os.environ, "GITHUB_ACTIONS": "true"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=1800)
    if done.returncode:
        pytest.fail("\n".join((done.stdout + done.stderr).splitlines()[-12:]), pytrace=False)
    ledger = GitLedger(str(folder / "origin.git"), folder.parent / "ledger.git")
    timeline = json.loads((folder / "timeline.json").read_text())
    return Told(folder, done.stdout, timeline, ledger.read(MODEL))


def test_every_verb_ended_as_the_story_says_and_only_the_surge_failed(told: Told) -> None:
    verbs = [run["command"].removeprefix("mlops-ci ") for run in told.runs]
    update = ["data update data/hours.csv", "check --target main", "promote", "canary look"]
    change = ["check --target main", "promote", "canary look"]
    watch = ["monitor", "retrain"]
    assert verbs == [
        *("adopt --from-pipeline", *watch, *update, *change, *change),
        *(*watch, *watch, *watch, *watch, *update, *watch, "lineage 5"),
    ]
    failed = [run for run in told.runs if run["code"]]
    assert [(run["command"], run["code"]) for run in failed] == [("mlops-ci canary look", 1)]


def test_summer_drifts_without_a_proven_loss_and_trains_nothing(told: Told) -> None:
    summer = told.all_of("monitor")[0]["details"]
    assert [one["champion"] for one in summer["windows"]] == ["1"] * 3
    assert all("drift" in one["raised"] and "loss" not in one["raised"] for one in summer["windows"])
    assert summer["issue"]["open"]
    first = told.all_of("retrain")[0]["details"]
    assert (first["why"], first["started"]) == ("drift alone", False)


def test_new_data_come_as_a_branch_and_change_the_holdout_that_both_are_scored_on(told: Told) -> None:
    update = told.all_of("data update")[0]
    assert update["details"]["changed"]
    assert {"temp", "feels_like"} <= {one["name"] for one in update["drift"]["columns"] if one["drifted"]}
    checked = told.all_of("check")[0]
    assert checked["holdout"]["matched"] == "rescored"
    assert checked["holdout"]["n"] > 870  # what version 1 was judged on
    assert checked["findings"][0]["outcome"] in ("non_inferior", "better")


def test_the_gate_finds_nothing_wrong_with_the_feed_that_the_canary_rolls_back(told: Told) -> None:
    assert told.all_of("check")[1]["exit_code"] == 0
    first, bad, mended, last = canaries(told.history)
    assert [(one.champion, one.challenger, one.outcome) for one in (first, bad, mended, last)] == [
        ("1", "2", "promote"),
        ("2", "3", "rollback"),
        ("2", "4", "promote"),
        ("4", "5", "promote"),
    ]
    (window,) = bad.windows
    n0, k0, n1, k1 = window["rates"]["false_positives"]
    assert k1 / n1 > max(4 * k0 / n0, 0.15)
    assert bad.end is not None
    assert "false_positives" in bad.end.reason
    # by the first look, with nobody's word: the look's own entries follow each other
    events = [(one.event, one.phase) for one in told.history.entries]
    place = told.history.entries.index(bad.end)
    assert events[place - 1 : place + 2] == [
        ("canary", "recorded"),
        ("canary", "intent"),
        ("canary", "committed"),
    ]
    assert "3" not in {one.to_version for one in told.intents("promote")}


def test_the_fix_has_the_same_classifier_and_passes_its_canary(told: Told) -> None:
    models = told.folder / "production" / "models"
    reads = {one: json.loads(next((models / one).rglob("reads.json")).read_text()) for one in "234"}
    assert reads["2"]["feed"] == "old"
    assert reads["3"] == {"feed": "new", "clock": "local"}
    assert reads["4"] == {"feed": "new", "clock": "utc"}
    bytes_of = [next((models / one).rglob("classifier.joblib")).read_bytes() for one in "34"]
    assert bytes_of[0] == bytes_of[1]


def test_drift_and_a_proven_loss_trigger_one_retraining(told: Told) -> None:
    claims = [one for one in told.history.entries if one.event == "retrain" and one.intent is None]
    confirmed = [one for one in told.history.entries if one.event == "retrain" and one.intent is not None]
    (claim,) = claims
    assert [one.intent for one in confirmed] == [claim.nonce]
    assert (claim.from_version, len(claim.details["windows"])) == ("4", 4)
    decisions = [(one["details"]["why"], one["details"]["started"]) for one in told.all_of("retrain")]
    assert [started for _, started in decisions].count(True) == 1
    # the next run on the same windows, and the one after the new version's first window, trigger nothing
    place = [started for _, started in decisions].index(True)
    assert decisions[place + 1] == ("no windows", False)
    assert len(decisions) == place + 3
    fetched = (told.folder / "production" / "fetched.log").read_text().splitlines()
    assert len(fetched) == 2  # the team's own in summer, and the retraining's
    lost = [one.window for one in watched(told.history) if one.champion == "4" and "loss" in one.raised]
    assert len(lost) >= 3
    assert set(lost) <= set(claim.details["windows"])


def test_what_the_retraining_made_is_better_on_the_same_requests(told: Told) -> None:
    steps = told.timeline["details"]["timeline"]["steps"]
    (said,) = [one["said"] for one in steps if one["title"] == "What the retraining brought"]
    new, old = (float(share) for share in re.findall(r"([0-9.]+)%", said))
    assert new > old + 2


def test_the_last_version_serves_and_the_registry_agrees_with_the_ledger(told: Told) -> None:
    state = state_of(told.history)
    assert (state.champion, list(state.stack)) == ("5", ["1", "2", "4", "5"])
    router = json.loads((told.folder / "production" / "router.json").read_text())
    assert router == {"shares": {"5": 1.0}}
    verify = [sys.executable, "-m", "mlops_ci", "lineage", "--verify"]
    done = subprocess.run(verify, cwd=told.folder / "repository", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lineage_of_the_last_version_tells_all_of_it(told: Told) -> None:
    (last,) = told.all_of("lineage")[0]["details"]["versions"]
    assert last["aliases"] == ["champion"]
    what = [one["what"] for one in last["happenings"]]
    assert what == ["retrained", "canary", "canary", "promoted", "deployed"]
    reason, started, passed = (one["detail"] for one in last["happenings"][:3])
    assert reason.startswith("since version 4 had drift and a proven loss")
    assert started == "started with 25% of the traffic"
    # 21 of 498 false positives against 27 of 1,446 are within the margin. Whether they are also proven to be worse
    # hangs on how the canary, by its own random name, deals the units into blocks: it says so in two runs of three.
    assert passed in ("passed", "passed: measurably worse on false_positives, within the margin")
    # from the data's checksum to the merge and the bytes
    pointer = yaml.safe_load((told.folder / "repository" / "data" / "hours.csv.dvc").read_text())
    assert last["data"]["data/hours.csv"] == pointer["outs"][0]["md5"]
    main = told.folder / "repository"
    assert last["commit"] == git(main, "rev-parse", "main")
    assert git(main, "merge-base", last["candidate_commit"], "main") == last["candidate_commit"]
    assert {"model", "evaluation", "holdout", "verdict", "policy"} <= set(last["digests"])
    times = [one["time"] for one in last["happenings"]]
    assert times == sorted(times)
    assert times[0] < times[-1] < "2012-02-01"


def test_the_page_shows_it_in_light_and_dark_and_on_a_phone(told: Told, tmp_path: Path) -> None:
    page = told.folder / "timeline.html"
    text = page.read_text(encoding="utf-8")
    lines = told.timeline["details"]["timeline"]
    assert [one["kind"] for one in lines["steps"]].count("bad") == 2
    assert all((told.folder / one["page"]).is_file() for one in lines["steps"])
    assert text.count('class="serving champion"') == 4
    assert text.count('class="serving challenger"') == 4
    if not browser.chromium():
        pytest.skip("needs chromium")
    images = Path(os.environ.get("MLOPS_CI_IMAGES") or tmp_path)
    for width, dark in ((1100, False), (1100, True), (390, False)):
        with browser.browser_page(width, dark=dark) as tab:
            tab.goto(page.as_uri())
            assert not browser.scrolls_sideways(tab)
            assert browser.clipped(tab) == []
            name = f"timeline{'-phone' if width < 500 else ''}{'-dark' if dark else ''}.png"
            browser.keep(tab, images / name)
        if browser.available():
            with browser.browser_page(width, dark=dark) as tab:
                # The page's own policy forbids scripts, axe's too: it looks at a copy without it.
                tab.set_content(text.replace("Content-Security-Policy", "X-None"))
                assert browser.problems(tab) == []


def test_the_settings_of_the_demonstration_are_those_of_the_schema() -> None:
    place = Path(__file__).parents[2] / "templates" / "demo-loop" / "repository" / "mlops-ci.yaml"
    assert Draft202012Validator(json_schema()).is_valid(yaml.safe_load(place.read_text()))
