"""A canary's writer is killed after any of its effects, and two look at once: the ledger stays whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from canary_parts import Guarded, guarded
from dvc_repo import DvcRepo, copy_dvc_repo
from promotion_parts import Effects, Story, in_child, story_with_candidate

from mlops_ci.commands.canary.look import look
from mlops_ci.commands.canary.verbs import start
from mlops_ci.commands.reconcile import reconcile

pytestmark = pytest.mark.slow

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "canary.md").read_text(encoding="utf-8")

LESS = """\
canary:
  outcomes: outcomes/*.parquet
  id: request
  rates: {errors: {column: error, margin: 0.02}}
  steps: [0.2, 1]
  min_windows: 1
  settle: 0
"""


def team(story: Story) -> Guarded:
    return guarded(story, LESS)


def outside(one: Guarded) -> dict[str, Any]:
    """All that has to agree."""
    canary = one.canary()
    return {
        "aliases": one.story.aliases(),
        "champion": one.story.state()["champion"],
        "routed": one.routed(),
        "outcome": canary.outcome,
        "running": canary.running,
        "open": canary.open is not None,
        "windows": sorted(window["start"] for window in canary.windows),
        "promotions": sum(e.event == "promote" and e.phase == "intent" for e in one.story.history().entries),
    }


def before_rollback(one: Guarded) -> None:
    one.start()
    for _ in range(2):
        one.hour(worse={"errors": 0.5})


def before_promotion(one: Guarded) -> None:
    one.start()
    for _ in range(4):
        one.hour(n=4000)


def nothing(one: Guarded) -> None:
    return None


CASES: dict[str, tuple[Callable[[Guarded], None], Callable[..., Any]]] = {
    "start": (nothing, start),
    "rollback": (before_rollback, look),
    "promotion": (before_promotion, look),
}


@pytest.fixture(scope="module")
def _warm() -> None:
    """Import MLflow's stores before forking: each child would pay seconds for it."""
    from mlflow import MlflowClient

    assert MlflowClient


def assert_documented(case: str, effects: list[str]) -> None:
    text = {"start": "`canary start`", "rollback": "`canary look` that rolls back"}.get(
        case, "`canary look` that promotes"
    )
    assert f"{text} is killed after any of its {len(effects)} effects" in DOCUMENTED, effects


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("case", CASES)
def test_a_writer_killed_after_any_effect_leaves_nothing_half_done(
    case: str, dvc_template: DvcRepo, empty_mlflow_database: Path, tmp_path: Path
) -> None:
    prepare, verb = CASES[case]
    repo = copy_dvc_repo(dvc_template, tmp_path / "story")
    in_child(lambda: bool(story_with_candidate(repo, empty_mlflow_database)))
    one = team(Story(repo))
    in_child(lambda: bool(prepare(one)))
    one.now += timedelta(hours={"start": 0, "rollback": 2, "promotion": 4}[case])
    folder, kept = repo.root.parent, repo.root.parent.with_name("kept")
    shutil.copytree(folder, kept, symlinks=True)

    def run(kill_after: int | None) -> list[str]:
        effects = Effects(kill_after)
        one.run(verb, effects)
        return effects.log

    log = in_child(lambda: run(None))
    expected = in_child(lambda: outside(one))
    assert len(log) > 3
    assert not expected["open"]
    for number in range(1, len(log) + 1):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder, symlinks=True)
        assert in_child(lambda: run(number), may_die=True) is None, "it was to be killed"  # noqa: B023
        in_child(lambda: one.run(reconcile).headline)
        in_child(lambda: one.run(verb).headline)
        assert in_child(lambda: outside(one)) == expected, f"killed after {log[number - 1]}"
    assert_documented(case, log)


def test_two_looks_at_once_count_each_window_once(story: Story, tmp_path: Path) -> None:
    one = team(story)
    in_child(lambda: bool(before_rollback(one)))
    one.now += timedelta(hours=2)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                one.look()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    found = in_child(lambda: outside(one))
    # The first window is proof enough: the second is not read any more.
    assert found["windows"] == ["2026-05-04T08:00:00Z"]
    assert (found["outcome"], found["running"], found["aliases"]) == ("rollback", False, {"champion": "1"})
    entries = one.story.history().entries
    assert sum(e.details.get("act") == "look" for e in entries) == 1
    assert sum(e.details.get("act") == "end" and e.phase == "intent" for e in entries) == 1
