"""Staging and production: another alias, another registry, a version that is copied byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from promotion_parts import SETTINGS, Story

from mlops_ci.commands.promote_report import Confirmation
from mlops_ci.core import tags
from mlops_ci.core.ledger_state import moves, state_of
from mlops_ci.errors import EvidenceError, SettingsError
from mlops_ci.settings import in_environment, read_settings

ONE_REGISTRY = """\
  environment: staging
  environments:
    staging: {champion: staging, deploy_command: null, probe_command: null}
    production: {after: staging}
"""
TWO_REGISTRIES = """\
  environment: staging
  environments:
    staging: {}
    production: {after: staging, model: classifier-live, tracking_uri: "sqlite:///production.db"}
"""


def environments(story: Story, text: str) -> tuple[Story, Story]:
    """Return the story in staging and in production."""
    text = SETTINGS + text
    story.repo.write("mlops-ci.yaml", text)
    story.repo.write(".gitignore", "/production.db\n" + (story.repo.root / ".gitignore").read_text())
    story.repo.commit("environments")
    story.repo.push()
    staging = replace(story, settings_text=text, environment="staging")
    return staging, replace(staging, environment="production")


def test_in_one_registry_the_version_gets_another_alias(story: Story) -> None:
    staging, production = environments(story, ONE_REGISTRY)
    first = staging.promote()
    assert (first.exit_code, first.headline) == (0, "classifier: version 2 is the champion")
    assert staging.aliases() == {"champion": "1", "staging": "2"}

    then = production.promote_from(staging)
    assert (then.exit_code, then.headline) == (0, "classifier: version 2 is the champion")
    assert "From the environment 'staging', where it is version 2." in [note.text for note in then.notices]
    assert staging.aliases() == {"champion": "2", "staging": "2", "previous": "1"}
    history = staging.history()
    assert (state_of(history, "staging").champion, state_of(history, "production").champion) == ("2", "2")
    (intent,) = [
        one for one in moves(history.entries) if one.environment == "production" and one.event == "promote"
    ]
    assert intent.details["from"]["environment"] == "staging"
    assert intent.commit == state_of(history, "staging").decision.commit  # type: ignore[union-attr]
    again = production.promote_from(staging)
    assert again.headline == "classifier: version 2 is the champion already"


def test_into_another_registry_the_bytes_and_the_evaluation_are_copied(story: Story) -> None:
    staging, production = environments(story, TWO_REGISTRIES)
    staging.promote()
    done = production.promote_from(staging)
    assert (done.exit_code, done.headline) == (0, "classifier-live: version 1 is the champion")
    assert production.aliases() == {"champion": "1"}

    original, copy = (
        staging.registry().version("classifier", "2"),
        production.registry().version("classifier-live", "1"),
    )
    assert original is not None
    assert copy is not None
    assert copy.ref.run_id != original.ref.run_id
    same = (
        tags.MODEL_DIGEST,
        tags.EVALUATION_DIGEST,
        tags.HOLDOUT_DIGEST,
        tags.PIPELINE_VERSION,
        tags.GIT_COMMIT,
    )
    assert {name: copy.tags[name] for name in same} == {name: original.tags[name] for name in same}
    assert copy.tags[tags.COPIED_FROM].startswith("classifier in the environment 'staging', run ")
    assert copy.metrics == original.metrics
    assert production.lineage(verify=True).exit_code == 0
    told = production.lineage(copy.tags[tags.GIT_COMMIT][:12]).details["versions"]
    assert [one["from"]["version"] for one in told] == ["2"]

    # A retry after a crash finds the copy, and makes no second.
    assert production.promote_from(staging).headline.endswith("is the champion already")
    assert len(production.registry().history("classifier-live")) == 1

    # The next one: judged against the champion here, by the evaluation that was copied.
    story.change(0.51)
    staging.check()
    story.repo.push()
    staging.promote()
    next_one = production.promote_from(staging)
    assert next_one.exit_code == 0, next_one.headline
    assert [finding.outcome for finding in next_one.findings]
    assert production.aliases() == {"champion": "2", "previous": "1"}
    back = production.rollback(reason="alarms")
    assert back.headline == "classifier-live: went back from version 2 to version 1"
    assert staging.aliases()["champion"] == "3"
    held = production.promote_from(staging)
    assert (held.exit_code, "rolled back by ada (alarms)" in held.headline) == (3, True)
    once_more = production.promote_from(staging, Confirmation(again="the alarms were right"))
    assert once_more.exit_code == 0
    assert production.reconcile(merged=False).headline.endswith("version 2 is the champion")


def test_a_copy_that_arrives_changed_is_not_promoted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    staging, production = environments(story, TWO_REGISTRIES)
    staging.promote()
    from mlops_ci.adapters.mlflow import runs

    upload = runs.upload

    def altered(client: object, run_id: str, local: Path, target: str) -> None:
        if target.startswith("model"):
            for file in local.rglob("*"):
                file.write_bytes(b"x" + file.read_bytes()[1:])
        upload(client, run_id, local, target)

    monkeypatch.setattr(runs, "upload", altered)
    with pytest.raises(
        EvidenceError, match="the copy of the model in the environment 'production' is not what was judged"
    ):
        production.promote_from(staging)
    assert production.aliases() == {}
    assert production.history().entries == ()


def test_what_staging_does_not_vouch_for_does_not_go_on(story: Story) -> None:
    staging, production = environments(story, ONE_REGISTRY)
    with pytest.raises(EvidenceError, match="nothing was ever promoted in the environment 'staging'"):
        production.promote_from(staging)
    text = staging.settings_text.replace(
        "deploy_command: null, probe_command: null", "probe_command: 'echo 7'"
    )
    broken = replace(staging, settings_text=text)
    assert broken.promote().exit_code == 4
    with pytest.raises(EvidenceError, match=r"is not served there: `promotion\.probe_command` says"):
        production.promote_from(broken)
    assert staging.aliases()["champion"] == "1"


def test_a_deployment_that_never_ended_in_staging_does_not_go_on(story: Story) -> None:
    staging, production = environments(
        story, ONE_REGISTRY.replace("deploy_command: null", "deploy_command: 'true'")
    )
    assert staging.promote(tools={"operate": None}).exit_code == 0  # a job that died before it deployed
    with pytest.raises(EvidenceError, match="whether it is served there is not known"):
        production.promote_from(staging)
    staging.promote()  # makes up for it
    assert production.promote_from(staging).exit_code == 0


def test_a_worse_champion_of_staging_stops_before_production(story: Story) -> None:
    """Staging accepts it by a policy of its own time; production decides by the policy of now."""
    staging, production = environments(story, ONE_REGISTRY)
    story.change(0.95)
    staging.check()
    story.repo.push()
    assert staging.promote().exit_code == 0  # nothing was champion of staging yet
    refused = production.promote_from(staging)
    assert (refused.exit_code, refused.verdict) == (1, "fail")
    assert staging.aliases()["champion"] == "1"


def test_the_overlay_says_only_what_is_other_there() -> None:
    (settings,) = read_settings((SETTINGS + TWO_REGISTRIES).encode(), "mlops-ci.yaml")
    there = in_environment(settings, "production")
    assert (there.registry.model, there.registry.champion) == ("classifier-live", "champion")
    assert there.registry.tracking_uri == "sqlite:///production.db"
    assert there.promotion.deploy_command == settings.promotion.deploy_command
    (one,) = read_settings((SETTINGS + ONE_REGISTRY).encode(), "mlops-ci.yaml")
    assert in_environment(one, "staging").promotion.previous == "staging-previous"
    assert in_environment(one, "production").promotion.previous == "previous"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  environment: live\n", "promotion: environment 'live' is not among `environments`"),
        (
            "  environments: {a: {after: b}}\n",
            "promotion: environments.a.after: 'b' is not another environment",
        ),
        (
            "  environments: {a: {}, b: {}}\n",
            "promotion.environments: 'a' and 'b' have the same alias 'champion' in the same registry",
        ),
    ],
)
def test_environments_that_do_not_fit_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings((SETTINGS + text).encode(), "mlops-ci.yaml")
    assert [problem.removeprefix("file: ") for problem in error.value.problems] == [said]
