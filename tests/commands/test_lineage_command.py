"""`lineage` on a real history: both ways, verified against the registry, rendered."""

from __future__ import annotations

import pytest
from promotion_parts import MODEL, Story

from mlops_ci.core import tags
from mlops_ci.errors import UsageError
from mlops_ci.render import render


def test_from_the_data_to_the_deployment_and_back(story: Story) -> None:
    story.promote()
    story.rollback(reason="alarms")
    checksum = (story.repo.root / "data/raw.csv.dvc").read_text().split("md5: ")[1].split()[0]
    found = {one["version"]: one for one in story.lineage(checksum).details["versions"]}
    assert set(found) == {"1", "2"}
    second = found["2"]
    assert [event["what"] for event in second["happenings"]] == ["promoted", "deployed", "rolled back"]
    assert second["candidate_commit"] == story.repo.git("rev-parse", "better")
    assert second["commit"] == story.repo.git("rev-parse", "main")
    for query in ("v2", second["commit"][:10], second["candidate_commit"], second["run_id"]):
        (back,) = story.lineage(query).details["versions"]
        assert back["data"]["data/raw.csv"] == checksum
    assert found["1"]["aliases"] == ["champion"]
    assert [event["what"] for event in found["1"]["happenings"]] == [
        "adopted",
        "replaced",
        "returned to",
        "deployed",
    ]


def test_every_format_shows_it(story: Story) -> None:
    story.promote()
    report = story.lineage()
    commit = story.repo.git("rev-parse", "main")
    for form in ("text", "markdown", "html", "json"):
        text = render(report, form)
        assert commit in text, form
        assert "promoted" in text
    assert render(report, "html").count("<svg") == 2


def test_what_the_ledger_does_not_know_is_said(story: Story) -> None:
    story.promote()
    with pytest.raises(UsageError, match="knows nothing of 'deadbeef'"):
        story.lineage("deadbeef")


def test_verify_finds_a_forged_tag(story: Story) -> None:
    story.promote()
    good = story.lineage(verify=True)
    assert (good.exit_code, good.details["ledger"]["verified"]) == (0, True)
    story.registry().tag_version(MODEL, "2", {tags.MODEL_DIGEST: "f" * 64})
    forged = story.lineage(verify=True)
    assert forged.exit_code == 5
    assert "its tag names the model ffffffffffff" in forged.notices[0].text
