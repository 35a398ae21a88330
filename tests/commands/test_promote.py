"""Promotion, rollback and reconcile on real git, DVC files and MLflow: what happens, and what never does."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger_parts import git
from promotion_parts import MODEL, SETTINGS, Effects, Story, scratch

from mlops_ci.adapters.ledger import BRANCH
from mlops_ci.adapters.mlflow.client import quiet
from mlops_ci.api_drift import drift
from mlops_ci.commands.promote_report import Confirmation
from mlops_ci.core import tags
from mlops_ci.core.bundle import folder_name
from mlops_ci.core.ledger import Entry
from mlops_ci.core.ledger_state import state_of
from mlops_ci.core.report import Approval
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError, UsageError

FILE = f"{folder_name(MODEL)}.jsonl"


def client(story: Story) -> Any:
    connection = story.registry()._connection
    with quiet({}), connection.calls("look") as found:
        return found


# Promotion


def test_a_squashed_candidate_is_promoted_with_what_is_known_of_it(story: Story) -> None:
    judged = story.repo.git("rev-parse", "better")
    merged = story.repo.git("rev-parse", "HEAD")
    assert judged != merged
    report = story.promote()
    assert (report.exit_code, report.headline) == (0, "classifier: version 2 is the champion")
    assert all(action.applied for action in report.actions)
    assert story.aliases() == {"champion": "2", "previous": "1"}
    history = story.history()
    adopted, _, intent, committed, deployed = history.entries
    assert (adopted.event, adopted.to_version) == ("adopt", "1")
    assert (intent.from_version, intent.to_version, intent.verdict) == ("1", "2", "pass")
    assert (intent.commit, intent.candidate_commit, intent.actor) == (merged, judged, "ada")
    assert set(intent.digests) == {"model", "evaluation", "holdout", "dvc_lock", "verdict", "policy"}
    assert intent.data["data/raw.csv"] in (story.repo.root / "data/raw.csv.dvc").read_text()
    assert (committed.phase, committed.intent) == ("committed", intent.nonce)
    assert (deployed.phase, deployed.ok) == ("deployed", True)
    version = story.registry().version(MODEL, "2")
    assert version is not None
    assert version.ref.digest == intent.digests["model"]
    assert version.tags[tags.ledger_head("champion")] == history.digest_of(intent.nonce)


def test_a_history_that_only_saw_things_does_not_keep_the_first_champion_out(story: Story) -> None:
    with scratch() as folder:
        ledger = story.ledger(folder / "ledger.git")
        seen = Entry(
            event="monitor", phase="recorded", model=MODEL, nonce="seen", time="2026-01-01T00:00:00Z"
        )
        ledger.append(ledger.read(MODEL), seen)
    story.promote()
    events = [(entry.event, entry.phase, entry.to_version) for entry in story.history().entries]
    assert events[:2] == [("monitor", "recorded", None), ("adopt", "intent", "1")]
    assert story.aliases() == {"champion": "2", "previous": "1"}


def test_promoting_twice_promotes_once(story: Story) -> None:
    story.promote()
    before = story.state()
    again = story.promote()
    assert (again.exit_code, again.headline) == (0, "classifier: version 2 is the champion already")
    assert story.state() == before


def test_a_dry_run_changes_nothing(story: Story) -> None:
    effects = Effects()
    report = story.promote(effects, dry_run=True)
    assert (report.exit_code, report.headline) == (0, "classifier: would be promoted")
    assert [action.applied for action in report.actions] == [False] * 3
    assert effects.log == []
    assert story.state()["events"] == []


def test_what_is_not_merged_is_not_promoted(story: Story) -> None:
    story.change(0.52, branch="later")
    story.check()
    with pytest.raises(UsageError, match=r"is not on 'main'"):
        story.promote()


def test_a_commit_that_was_never_checked_is_not_promoted(story: Story) -> None:
    story.change(0.53)
    story.repo.push()
    with pytest.raises(EvidenceError, match="no candidate of 'classifier' was recorded"):
        story.promote()
    assert story.aliases() == {"champion": "1"}


def test_a_current_lock_binds_the_bytes(story: Story) -> None:
    said = "does not name the model's bytes"
    assert not [notice for notice in story.promote(dry_run=True).notices if said in notice.text]
    story.change(0.51)
    story.check()
    story.repo.push()
    assert [notice.level for notice in story.promote().notices if said in notice.text] == ["note"]


def test_outputs_that_are_not_those_of_the_merged_lock_are_not_promoted(story: Story) -> None:
    lock = (story.repo.root / "dvc.lock").read_text()
    digest = re.search(r"path: models\n\s+hash: md5\n\s+md5: (\w+).dir", lock)
    assert digest
    (story.repo.root / "dvc.lock").write_text(lock.replace(digest[1], "0" * 32))
    story.repo.commit("another training's outputs")
    story.repo.push()
    with pytest.raises(EvidenceError, match="none has the outputs that the merged"):
        story.promote()


@pytest.mark.slow
def test_a_late_run_of_an_older_commit_does_not_go_back(story: Story) -> None:
    older = story.repo.git("rev-parse", "HEAD")
    story.change(0.51)
    story.check()
    story.repo.push()
    assert story.promote().exit_code == 0
    story.repo.git("checkout", "-q", older)
    late = story.promote()
    assert (late.exit_code, late.headline) == (
        0,
        "classifier: not promoted, a later commit was promoted already",
    )
    assert story.aliases()["champion"] == "2"


def test_a_changed_champion_is_decided_about_again(story: Story) -> None:
    """The candidate passed against version 1; against another champion it is proven worse."""
    story.change(0.95)
    worse = story.check()
    assert worse.exit_code == 1
    story.repo.push()
    refused = story.promote()
    assert (refused.exit_code, refused.verdict) == (1, "fail")
    assert story.aliases() == {"champion": "1", **story.aliases()}
    assert "2" not in story.state()["versions"]


def test_a_verdict_on_another_champion_is_not_relied_on(story: Story) -> None:
    settings = SETTINGS.replace("margin: 0.1", "margin: 0.08")
    strict = replace(story, settings_text=settings)
    report = strict.promote(dry_run=True)
    assert any("the policy changed after the check" in notice.text for notice in report.notices)
    assert report.exit_code in (1, 3) or report.verdict == "pass"


def test_a_held_candidate_waits_and_its_approval_goes_into_the_ledger(story: Story) -> None:
    story.check(reasons=("this change edits `mlops-ci.yaml`",))
    waiting = story.promote()
    assert (waiting.exit_code, waiting.headline) == (3, "classifier: not promoted, waiting for approval")
    assert story.state()["versions"] == ["1"]
    head = story.repo.git("rev-parse", "HEAD")
    word = Approval(actor="grace", commit=head, reason="agreed in review", url="https://example.org/1")
    assert story.check(reasons=("this change edits `mlops-ci.yaml`",), approval=word).exit_code == 0
    assert story.promote().exit_code == 0
    intent = state_of(story.history()).decision
    assert intent is not None
    assert intent.approval == {
        "actor": "grace",
        "reason": "agreed in review",
        "commit": head,
        "url": "https://example.org/1",
    }


@pytest.mark.slow
def test_a_person_may_approve_when_promoting(story: Story) -> None:
    story.check(reasons=("this change edits `mlops-ci.yaml`",))
    report = story.promote(word=Confirmation(approve="the release meeting agreed"))
    assert report.exit_code == 0
    intent = state_of(story.history()).decision
    assert intent is not None
    assert (intent.approval["actor"], intent.approval["reason"]) == ("ada", "the release meeting agreed")


@pytest.mark.slow
def test_an_approval_does_not_make_a_worse_model_pass(story: Story) -> None:
    story.change(0.95)
    story.check()
    story.repo.push()
    assert story.promote(word=Confirmation(approve="whatever")).exit_code == 1


@pytest.mark.parametrize(("policy", "code"), [("approve", 3), ("block", 3), ("warn", 0)])
def test_drift_that_held_the_check_holds_the_promotion(
    story: Story, monkeypatch: pytest.MonkeyPatch, policy: str, code: int
) -> None:
    """The promotion decides again without the data: what they did to the check is in its judgement."""
    moved = drift({"x": np.arange(500)}, {"x": np.arange(500) + 400})
    monkeypatch.setattr("mlops_ci.commands.check.drift_of", lambda *_: moved)
    strict = replace(story, settings_text=f"{SETTINGS}gate: {{on_drift: {policy}}}\n")
    assert strict.check().exit_code == {"approve": 3, "block": 1, "warn": 0}[policy]
    report = strict.promote(dry_run=True)
    assert report.exit_code == code
    if code:
        assert strict.promote(word=Confirmation(approve="we know of the season"), dry_run=True).exit_code == 0


# Faults: bytes, runs, tags


def test_a_model_that_was_changed_after_the_check_is_not_promoted(story: Story) -> None:
    run = story.promote(dry_run=True).candidate
    assert run is not None
    (model,) = story.repo.root.glob(f"mlruns/**/{run.run_id}/artifacts/model/model.json")
    model.write_text('{"threshold": 0.9}')
    with pytest.raises(EvidenceError, match=r"is not what was judged: its SHA-256 is"):
        story.promote()
    assert story.aliases() == {"champion": "1"}


@pytest.mark.slow
def test_predictions_that_were_changed_after_the_check_are_not_judged(story: Story) -> None:
    run = story.promote(dry_run=True).candidate
    champion = story.registry().champion(MODEL, "champion")
    assert run is not None
    assert champion is not None
    place = "mlruns/**/{}/artifacts/evaluation/predictions.parquet"
    (mine,) = story.repo.root.glob(place.format(run.run_id))
    (theirs,) = story.repo.root.glob(place.format(champion.ref.run_id))
    mine.write_bytes(theirs.read_bytes())
    with pytest.raises(EvidenceError, match="are not those that were judged"):
        story.promote()


@pytest.mark.parametrize("what", ["run", "artifact"])
def test_a_deleted_run_or_artifact_is_said_and_nothing_is_promoted(story: Story, what: str) -> None:
    run = story.promote(dry_run=True).candidate
    assert run is not None
    if what == "run":
        client(story).delete_run(run.run_id)
    else:
        (model,) = story.repo.root.glob(f"mlruns/**/{run.run_id}/artifacts/model/model.json")
        model.unlink()
    with pytest.raises(EvidenceError, match=r"no candidate|not in MLflow any more|is gone"):
        story.promote()
    assert story.aliases() == {"champion": "1"}


def test_forged_tags_find_nothing_to_promote(story: Story) -> None:
    """A bad model whose run claims the merged pipeline version: its judgement and bytes do not agree."""
    good = story.promote(dry_run=True).candidate
    assert good is not None
    story.change(0.95, branch="evil")
    bad = story.check().candidate
    assert bad is not None
    mlflow = client(story)
    for name in (tags.PIPELINE_VERSION, tags.MODEL_DIGEST, tags.VERDICT, tags.VERDICT_PATH):
        mlflow.set_tag(bad.run_id, name, mlflow.get_run(good.run_id).data.tags[name])
    story.repo.git("checkout", "-q", "-f", "main")
    with pytest.raises(EvidenceError):
        story.promote()
    assert story.aliases() == {"champion": "1"}


def test_a_registry_that_is_down_is_said_and_nothing_is_begun(story: Story) -> None:
    down = replace(story, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(ServiceError, match="refuses the connection"):
        down.promote()
    assert story.state()["events"] == []
    assert story.promote().exit_code == 0


# Faults: the ledger


def test_an_alias_that_was_moved_by_hand_is_reported_first(story: Story) -> None:
    story.promote()
    story.registry().set_alias(MODEL, "champion", "1")
    with pytest.raises(EvidenceError, match="someone moved it by hand"):
        story.promote()
    reported = story.reconcile()
    assert reported.exit_code == 3
    assert "names version 1, by the ledger the champion is version 2" in reported.notices[0].text
    assert story.aliases()["champion"] == "1"
    assert story.reconcile(hand_moved="restore", dry_run=True).exit_code == 0
    assert story.aliases()["champion"] == "1"
    assert story.reconcile(hand_moved="restore").exit_code == 0
    assert story.aliases()["champion"] == "2"
    assert story.reconcile().headline.endswith("ledger and registry agree, version 2 is the champion")


@pytest.mark.slow
def test_an_alias_that_was_moved_by_hand_can_be_accepted(story: Story) -> None:
    story.promote()
    story.registry().set_alias(MODEL, "champion", "1")
    assert story.reconcile(hand_moved="accept", merged=False).exit_code == 0
    state = state_of(story.history())
    assert state.champion == "1"
    assert state.decision is not None
    assert (state.decision.event, state.decision.reason) == ("adopt", "moved by hand, accepted")


@pytest.mark.parametrize("how", ["cut", "deleted"])
def test_a_ledger_that_lost_the_champions_line_is_an_error(story: Story, how: str) -> None:
    story.promote()
    if how == "cut":
        git(story.origin, "update-ref", f"refs/heads/{BRANCH}", git(story.origin, "rev-parse", f"{BRANCH}~4"))
    else:
        git(story.origin, "update-ref", "-d", f"refs/heads/{BRANCH}")
    story.change(0.52)
    story.check()
    story.repo.push()
    with pytest.raises(EvidenceError, match=r"cut or rewritten|empty or missing"):
        story.promote()
    assert story.aliases()["champion"] == "2"
    told = story.reconcile()
    assert told.exit_code == 5
    assert story.reconcile(hand_moved="accept", merged=False).exit_code == 0
    assert story.promote().exit_code == 0


@pytest.mark.slow
def test_a_branch_that_may_not_be_pushed_to_leaves_all_as_it_was(story: Story) -> None:
    hook = story.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ServiceError, match="refuses the push"):
        story.promote()
    assert story.aliases() == {"champion": "1"}
    hook.unlink()
    assert story.promote().exit_code == 0


def test_a_change_that_was_not_merged_does_not_take_the_place_of_one_that_was(story: Story) -> None:
    """Its own job said that it has the pipeline version of the merged one, which anyone can work out."""
    story.change(0.52, branch="alice")
    merged = story.check().candidate
    story.squash("alice")
    story.change(0.53, branch="mallory")
    forged = story.check().candidate
    story.repo.git("switch", "-q", "main")
    assert merged is not None
    assert forged is not None
    version = story.registry().candidate(merged.run_id or "").tags[tags.PIPELINE_VERSION]
    for run, number in ((merged.run_id, "7"), (forged.run_id, "8")):
        client(story).set_tag(run, tags.PULL_REQUEST, number)
        client(story).set_tag(run, tags.PIPELINE_VERSION, version)
    assert story.promote().exit_code == 0
    decision = state_of(story.history()).decision
    assert decision is not None
    assert decision.run_id == merged.run_id


@pytest.mark.slow
def test_a_clock_that_ran_back_changes_nothing_but_a_note(story: Story) -> None:
    story.promote()
    early = {"now": lambda: datetime(2001, 1, 1, tzinfo=UTC)}
    story.change(0.51)
    story.check()
    story.repo.push()
    assert story.promote(tools=early).exit_code == 0
    assert story.aliases()["champion"] == "3"
    assert any("run backwards" in notice.text for notice in story.reconcile().notices)


def test_a_promotion_that_lost_the_race_decides_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between decision and intent, someone else's promotion comes first."""
    from mlops_ci.adapters.ledger import GitLedger

    append, overtaken = GitLedger.append, []

    def late(self: GitLedger, history: Any, entry: Any) -> Any:
        if entry.event == "promote" and entry.phase == "intent" and not overtaken:
            overtaken.append(entry)
            with scratch() as folder:
                other = story.ledger(folder / "ledger.git")
                theirs = replace(
                    entry, nonce="theirs", to_version="1", event="rollback", commit="", digests={}
                )
                append(other, other.read(MODEL), theirs)
        return append(self, history, entry)

    monkeypatch.setattr(GitLedger, "append", late)
    assert story.promote().exit_code == 0
    events = [f"{e.event} {e.phase}" for e in story.history().entries]
    assert events.count("rollback intent") == events.count("rollback committed") == 1
    assert events.count("promote intent") == 1
    assert story.aliases()["champion"] == "2"


def test_a_lost_version_withdraws_the_intent(story: Story) -> None:
    """The writer died after the intent, and then the version was deleted."""
    with scratch() as folder:
        ledger = story.ledger(folder / "ledger.git")
        from ledger_parts import intent

        first = ledger.append(ledger.read(MODEL), intent("1", model=MODEL))
        ledger.append(first, intent("99", model=MODEL))
    report = story.reconcile(merged=False)
    assert report.exit_code == 0
    assert "withdrawn" in report.notices[0].text
    assert state_of(story.history()).champion == "1"
    assert story.aliases()["champion"] == "1"


# Deployment


def test_a_probe_that_disagrees_is_a_failure_said_loudly(story: Story) -> None:
    settings = SETTINGS.replace("'tail -n 1 deployed.txt'", "'echo 1'")
    report = replace(story, settings_text=settings).promote()
    assert report.exit_code == 4
    assert report.headline == "classifier: version 2 is the champion, but is not served"
    assert "says that '1' is served, not version 2" in report.notices[-1].text
    entry = story.history().entries[-1]
    assert (entry.phase, entry.ok) == ("deployed", False)
    mended = story.reconcile()
    assert mended.exit_code == 0
    assert story.history().entries[-1].ok is True


@pytest.mark.slow
def test_a_deploy_command_that_fails_is_run_again_by_the_next(story: Story) -> None:
    settings = SETTINGS.replace("deploy_command: '", "deploy_command: 'false && ")
    assert replace(story, settings_text=settings).promote().exit_code == 4
    assert story.state()["deployed"] is None
    assert story.promote().exit_code == 0
    assert story.state()["deployed"] == "2"


# Rollback


def test_rollback_goes_to_the_one_before_and_says_who_and_why(story: Story) -> None:
    story.promote()
    dry = story.rollback(reason="alarms", dry_run=True)
    assert dry.headline == "classifier: would go back from version 2 to version 1"
    assert story.aliases()["champion"] == "2"
    report = story.rollback(reason="false alarms doubled")
    assert report.headline == "classifier: went back from version 2 to version 1"
    assert story.aliases()["champion"] == "1"
    assert story.state()["deployed"] == "1"
    intent = state_of(story.history()).decision
    assert intent is not None
    assert (intent.actor, intent.reason, intent.from_version) == ("ada", "false alarms doubled", "2")
    with pytest.raises(UsageError, match="there is no earlier champion"):
        story.rollback()


def test_what_was_rolled_back_is_not_promoted_by_the_next_push(story: Story) -> None:
    story.promote()
    story.rollback(reason="false alarms doubled")
    story.repo.write("README.md", "Another readme.\n")
    story.repo.commit("docs")
    story.repo.push()
    held = story.promote()
    assert held.exit_code == 3
    assert "these bytes were rolled back by ada (false alarms doubled)" in held.headline
    assert story.aliases()["champion"] == "1"
    assert story.promote(word=Confirmation(again="the alarms were something else")).exit_code == 0
    assert story.state()["versions"] == ["1", "2"]
    assert story.aliases() == {"champion": "2", "previous": "1"}


def test_rollback_refuses_what_never_was_champion_or_is_deleted(story: Story) -> None:
    story.promote()
    with pytest.raises(UsageError, match="version 7 of 'classifier' never was champion"):
        story.rollback(to="7")
    with pytest.raises(UsageError, match="is the champion already"):
        story.rollback(to="2")
    client(story).delete_model_version(MODEL, "1")
    with pytest.raises(EvidenceError, match="version 1 of 'classifier' is deleted"):
        story.rollback()
    assert story.aliases()["champion"] == "2"


@pytest.mark.slow
def test_rollback_mends_a_champion_that_was_deleted(story: Story) -> None:
    story.promote()
    client(story).delete_model_version(MODEL, "2")
    assert "champion" not in story.aliases()
    assert story.rollback(reason="version 2 was deleted").exit_code == 0
    assert story.aliases()["champion"] == "1"


@pytest.mark.slow
def test_rollback_refuses_a_version_that_is_not_what_was_promoted(story: Story) -> None:
    story.promote()
    client(story).set_model_version_tag(MODEL, "1", tags.MODEL_DIGEST, "f" * 64)
    with pytest.raises(EvidenceError, match="is not what was promoted"):
        story.rollback()


def test_a_number_that_was_given_twice_does_not_bring_another_model_in(story: Story) -> None:
    """The registry was restored from a backup, and a model that nobody judged got the champion's number."""
    database = story.repo.root / "mlflow.db"
    backup = database.read_bytes()
    story.promote()
    database.write_bytes(backup)
    story.change(0.95)
    story.check()
    worse = next(iter(story.registry().find_candidates(MODEL, {tags.VERDICT: "fail"})))
    assert story.registry().create_version(MODEL, worse, {}).version == "2"
    with pytest.raises(EvidenceError, match="version 2 of 'classifier' is not what was promoted"):
        story.reconcile(hand_moved="restore", merged=False)
    assert story.aliases()["champion"] == "1"
    assert story.reconcile(hand_moved="accept", merged=False).exit_code == 0
    assert state_of(story.history()).champion == "1"


@pytest.mark.slow
def test_rollback_does_not_undo_what_it_has_not_seen(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_ci.adapters.ledger import GitLedger

    story.promote()
    append, overtaken = GitLedger.append, []

    def late(self: GitLedger, history: Any, entry: Any) -> Any:
        if entry.event == "rollback" and not overtaken:
            overtaken.append(entry)
            with scratch() as folder:
                other = story.ledger(folder / "ledger.git")
                append(
                    other, other.read(MODEL), replace(entry, nonce="theirs", event="promote", to_version="1")
                )
        return append(self, history, entry)

    monkeypatch.setattr(GitLedger, "append", late)
    with pytest.raises(ConflictError, match="version 1 of 'classifier' became champion: nothing changed"):
        story.rollback()


# Reconcile


def test_reconcile_finds_what_was_merged_and_never_promoted(story: Story) -> None:
    report = story.reconcile()
    assert report.exit_code == 3
    assert "passes, and it was never promoted" in report.notices[-1].text
    story.promote()
    assert story.reconcile().exit_code == 0


@pytest.mark.slow
def test_reconcile_puts_a_lost_previous_alias_back(story: Story) -> None:
    story.promote()
    client(story).delete_registered_model_alias(MODEL, "previous")
    assert story.reconcile().exit_code == 0
    assert story.aliases()["previous"] == "1"


def test_the_ledger_never_touches_the_checkout(story: Story) -> None:
    before = story.repo.git("status", "--porcelain"), story.repo.git("branch", "--all")
    story.promote()
    assert (story.repo.git("status", "--porcelain"), story.repo.git("branch", "--all")) == before
    assert FILE in git(story.origin, "ls-tree", "--name-only", BRANCH)
    assert not Path(story.repo.root, FILE).exists()


def test_adopting_goes_through_the_ledger_once_there_is_one(story: Story) -> None:
    story.promote()
    story.adopt_version("1")
    state = state_of(story.history())
    assert state.decision is not None
    assert (state.champion, state.decision.event, state.decision.reason) == ("1", "adopt", "taken in by hand")
    assert story.aliases()["champion"] == "1"
    assert story.lineage(verify=True).exit_code == 0


def test_a_registry_that_fails_half_way_is_caught_up_with_later(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_ci.adapters.mlflow.registry import MlflowRegistry

    def down(*_: Any) -> None:
        raise ServiceError("MLflow", "answers with server errors")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowRegistry, "set_alias", down)
        story.registry()
        with pytest.raises(ServiceError):
            story.promote()
    assert story.aliases() == {"champion": "1"}
    assert story.promote().exit_code == 0
    assert (story.aliases()["champion"], state_of(story.history()).open) == ("2", None)


@pytest.mark.slow
def test_staging_and_production_have_aliases_and_ledgers_of_their_own(story: Story) -> None:
    settings = SETTINGS.replace("{model: classifier}", "{model: classifier, champion: staging}")
    settings += "  previous: staging-previous\n  ledger_branch: mlops-ci-ledger-staging\n"
    staging = replace(story, settings_text=settings)
    assert staging.promote().exit_code == 0
    assert story.aliases() == {"champion": "1", "staging": "2"}
    assert story.promote().exit_code == 0
    assert story.aliases() == {"champion": "2", "staging": "2", "previous": "1"}
    assert story.rollback().exit_code == 0
    assert staging.promote().headline.endswith("version 2 is the champion already")
    assert story.lineage(verify=True).exit_code == 0
