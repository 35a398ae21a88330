"""The canary's story on a real ledger and registry: found and rolled back, or proven and promoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from canary_parts import Guarded, guarded
from mlflow_parts import client_of
from promotion_parts import Story, scratch

from mlops_ci.commands.canary import transitions
from mlops_ci.commands.canary.look import look
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result
from mlops_ci.render import render


@pytest.fixture
def team(story: Story) -> Guarded:
    return guarded(story)


def test_a_surge_of_false_positives_is_rolled_back_without_a_person(team: Guarded) -> None:
    started = team.story.promote(tools={"now": lambda: team.now})
    assert started.headline == "classifier: version 2 is a canary with 5% of the traffic"
    assert team.story.aliases() == {"champion": "1", "challenger": "2"}
    assert team.routed() == ("1", "2", 0.05)
    team.hour()
    going_on = team.look()
    assert (going_on.exit_code, going_on.details["decision"]) == (0, "continue")
    report = going_on
    for _ in range(6):  # clean files are called malware
        team.hour(worse={"false_positives": 0.4})
        report = team.look()
        if report.details["decision"] != "continue":
            break
    assert (report.exit_code, report.verdict, report.details["decision"]) == (1, Result.FAIL, "rollback")
    assert "false_positives" in report.headline
    blamed, *others = [one["found"] for one in report.details["rates"]]
    assert blamed == "harm"
    assert set(others) <= {"open", "safe"}  # errors may be proven safe by then
    assert report.details["canary"]["windows"] <= 3
    assert team.routed() == ("1", "", 0.0)
    assert team.story.aliases() == {"champion": "1"}
    # The next push does not bring it back, and looking again changes nothing.
    again = team.story.promote(tools={"now": lambda: team.now})
    assert again.exit_code == 3
    assert "rolled back by ada (false_positives" in again.headline
    entries = len(team.story.history().entries)
    over = team.look()
    # The schedule goes on, and does not fail of it for ever.
    assert (over.headline, over.exit_code, over.verdict) == (report.headline, 0, None)
    assert team.status().verdict is Result.FAIL
    assert len(team.story.history().entries) == entries


def test_an_equal_version_takes_each_step_and_becomes_the_champion(team: Guarded) -> None:
    assert team.start(dry_run=True).headline == "classifier: would start as a canary with 5% of the traffic"
    assert team.start().exit_code == 0
    seen = []
    for _ in range(30):
        team.hour()
        report = team.look()
        seen.append(report.details["decision"])
        if seen == ["continue", "step"]:
            readable(report)
        if report.details["decision"] == "promote":
            break
    assert seen[:2] == ["continue", "step"]
    assert seen[-1] == "promote"
    assert set(seen[2:-1]) == {"continue"}
    assert (report.exit_code, report.verdict, report.details["promoted_version"]) == (0, Result.PASS, "2")
    assert {one["found"] for one in report.details["rates"]} == {"safe"}
    assert team.story.aliases() == {"champion": "2", "previous": "1"}
    assert team.routed() == ("2", "", 0.0)
    over = team.look()
    assert (over.exit_code, over.verdict, over.details["promoted_version"]) == (0, None, None)
    history = team.story.history()
    (promoted,) = [e for e in history.entries if e.event == "promote" and e.phase == "intent"]
    begun = team.canary().begun
    assert promoted.details == {"canary": begun.nonce}
    for name in ("digests", "data", "candidate_commit", "run_id", "pipeline_version", "verdict"):
        assert getattr(promoted, name) == getattr(begun, name) != ""
    assert team.story.promote().headline == "classifier: version 2 is the champion already"
    assert team.story.rollback().exit_code == 0
    assert team.routed()[0] == "1"


def test_a_challenger_that_is_deleted_before_it_is_champion_was_not_promoted(
    team: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted = transitions._promoted

    def late(mover: ChampionMover, *rest: Any) -> Any:
        client_of(team.story.registry()).delete_model_version(mover.model, "2")
        return promoted(mover, *rest)

    monkeypatch.setattr(transitions, "_promoted", late)
    assert team.start().exit_code == 0
    for _ in range(30):
        team.hour()
        report = team.look()
        if report.details["decision"] == "promote":
            break
    canary = team.canary()
    assert (canary.running, canary.outcome) == (False, "stop")
    assert report.headline.endswith("was stopped: version 2 was deleted before it was champion")
    assert report.details["promoted_version"] is None
    assert team.story.aliases()["champion"] == "1"
    assert team.routed() == ("1", "", 0.0)


def test_a_slow_deployment_does_not_undo_what_was_decided_meanwhile(team: Guarded) -> None:
    team.start()
    for _ in range(5):
        team.hour()
    stopped: list[Report] = []
    with scratch() as folder:
        tools = team.tools(folder)

        def slow(command: str, variables: Mapping[str, str]) -> str:
            if variables["MLOPS_CI_SHARE"] == "0.25" and not stopped:
                stopped.append(team.stop())  # somebody's, while the wider share is being deployed
            return str(tools.operate(command, variables))

        look(team.story.settings, replace(tools, operate=slow), team.story.source(tools))
    assert stopped
    assert team.canary().outcome == "stop"
    assert team.routed() == ("1", "", 0.0)


def readable(report: Report) -> None:
    """Expect every form of the report of the first widening to say what it must."""
    for form in ("text", "markdown", "html", "json", "junit"):
        text = render(report, form)
        assert "positives" in text
        if form != "junit":
            assert "version 2" in text.lower()
    text = render(report, "text")
    assert "✅ 5% · ▶ 25% · ○ 100%" in text
    assert "2 read, 0 of at least 2 in this step" in text
    nothing = render(replace(report, details={"verb": "look"}), "html")
    assert "Guarded rates" not in nothing
