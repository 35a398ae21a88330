"""Promotion and rollback, killed after every single effect on the outside: the old state or the new one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo
from promotion_parts import Effects, Story, in_child, story_with_candidate

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def _warm() -> None:
    """Import MLflow's stores before forking: each child would pay seconds for it."""
    from mlflow import MlflowClient

    assert MlflowClient


class Scene:
    """A prepared folder that can be put back as it was: its absolute paths are in the database."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._folder = story.repo.root.parent
        self._kept = self._folder.with_name("kept")
        shutil.copytree(self._folder, self._kept, symlinks=True)

    def reset(self) -> None:
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder, symlinks=True)


@pytest.fixture
def scene(tmp_path: Path, dvc_template: DvcRepo, empty_mlflow_database: Path, _warm: None) -> Scene:
    repo = copy_dvc_repo(dvc_template, tmp_path / "story")
    in_child(lambda: bool(story_with_candidate(repo, empty_mlflow_database)))
    return Scene(Story(repo))


def run_counted(verb: Callable[[Effects], Any], kill_after: int | None = None) -> list[str] | None:
    """Run a verb in a child; return its effects, or None where it was killed after one of them."""

    def run() -> list[str]:
        effects = Effects(kill_after)
        report = verb(effects)
        assert report.exit_code == 0, report.headline
        return effects.log

    found: list[str] | None = in_child(run, may_die=kill_after is not None)
    return found


def assert_documented(verb: str, effects: list[str]) -> None:
    assert f"`{verb}` is killed after any of its {len(effects)} effects" in DOCUMENTED, effects


def whole(state: dict[str, Any]) -> bool:
    return (
        state["aliases"].get("champion") == state["champion"]
        and not state["open"]
        and state["previous"] in (None, state["aliases"].get("previous"))
    )


def test_promote_killed_right_after_its_decision_is_finished_by_the_next(scene: Scene) -> None:
    story = scene.story
    effects = run_counted(lambda e: story.promote(e, dry_run=True))
    assert effects == []
    whole_run = run_counted(story.promote)
    assert whole_run is not None
    decision = [number for number, what in enumerate(whole_run, 1) if what == "git push"][2]
    scene.reset()
    assert run_counted(story.promote, decision) is None
    cut = in_child(story.state)
    assert (cut["aliases"]["champion"], cut["champion"], cut["open"]) == ("1", "2", True)
    run_counted(story.promote)
    after = in_child(story.state)
    assert (after["champion"], after["deployed"], whole(after)) == ("2", "2", True)


@pytest.mark.slow
def test_promote_killed_anywhere_leaves_the_old_or_the_new_champion(scene: Scene) -> None:
    story = scene.story
    effects = run_counted(story.promote)
    assert effects is not None
    assert len(effects) >= 10, effects
    after = in_child(story.state)
    assert (after["champion"], after["previous"], after["deployed"]) == ("2", "1", "2")
    assert whole(after)
    seen = []
    for number in range(1, len(effects) + 1):
        scene.reset()
        assert run_counted(story.promote, number) is None
        cut = in_child(story.aliases)
        assert cut["champion"] in ("1", "2"), effects[number - 1]
        code = in_child(lambda: story.reconcile().exit_code)
        mended = in_child(story.state)
        assert whole(mended) or mended["events"] == [], (effects[number - 1], mended)
        assert mended["aliases"]["champion"] in ("1", "2")
        # Merged and not promoted asks for a person; all else is mended.
        assert code == (3 if mended["aliases"]["champion"] == "1" else 0), (effects[number - 1], mended)
        if mended["champion"] == "2":
            assert mended["deployed"] == "2", effects[number - 1]
        run_counted(story.promote)
        final = in_child(story.state)
        assert (final["champion"], final["previous"], final["deployed"]) == ("2", "1", "2")
        assert whole(final)
        assert final["versions"] == ["1", "2"]
        intents = [event for event in final["events"] if "intent" in event]
        assert intents == ["adopt intent 1", "promote intent 2"]
        seen.append(mended["champion"])
    assert_documented("promote", effects)
    # Until the intent is pushed it is the old one, from then on the new one: never back again.
    assert seen == sorted(seen)
    assert f"after effects 1-{seen.count('1')}, before the intent" in DOCUMENTED


@pytest.mark.slow
def test_rollback_killed_anywhere_leaves_the_old_or_the_new_champion(tmp_path: Path, scene: Scene) -> None:
    story = scene.story
    run_counted(story.promote)
    scene = Scene.__new__(Scene)
    scene.story, scene._folder = story, story.repo.root.parent
    scene._kept = scene._folder.with_name("kept-promoted")
    shutil.copytree(scene._folder, scene._kept, symlinks=True)
    effects = run_counted(lambda e: story.rollback(e, reason="alarms"))
    assert effects is not None
    seen = []
    for number in range(1, len(effects) + 1):
        scene.reset()
        assert run_counted(lambda e: story.rollback(e, reason="alarms"), number) is None
        assert in_child(story.aliases)["champion"] in ("1", "2"), effects[number - 1]
        assert in_child(lambda: story.reconcile().exit_code) == 0
        mended = in_child(story.state)
        assert whole(mended), (effects[number - 1], mended)
        assert mended["deployed"] == mended["champion"]
        seen.append(mended["champion"])
        if mended["champion"] == "2":
            run_counted(lambda e: story.rollback(e, reason="alarms"))
        final = in_child(story.state)
        assert (final["champion"], final["deployed"]) == ("1", "1")
    assert_documented("rollback", effects)
    # The first effect is the decision itself: from then on it is the new state.
    assert set(seen) == {"1"}
