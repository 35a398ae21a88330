"""The long demonstration: the whole loop, without manual steps, on eight months of bicycle rentals.

Data -> check -> promote -> canary -> monitoring -> drift -> retrain -> data. A change that no holdout could
find wrong is caught on live traffic, and a model that the city left behind is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops_ci.demo.production import Production
from mlops_ci.demo.repository import DemoRepository
from mlops_ci.demo.story import Story

START = datetime(2011, 7, 1, 12, tzinfo=UTC)
SUMMER_ENDS = datetime(2011, 9, 19, 12, tzinfo=UTC)
WINTER = [
    datetime(2011, 11, 14, 12, tzinfo=UTC),
    datetime(2011, 12, 12, 12, tzinfo=UTC),
    datetime(2012, 1, 9, 12, tzinfo=UTC),
]
END = datetime(2012, 3, 5, 12, tzinfo=UTC)
# A window of the canary, and the hour after it.
LOOK = timedelta(days=7, hours=1)
LOOKS = 4
DATA = "data/hours.csv"


class Loop:
    """The chapters of the demonstration, in order."""

    def __init__(self, repository: DemoRepository, production: Production, story: Story) -> None:
        self.repository = repository
        self.production = production
        self.story = story

    def run(self) -> None:
        """Run all chapters.

        Raises
        ------
        OtherwiseError
            If a step does not end as it should.
        """
        self.begin()
        self.summer()
        self.surge()
        self.fix()
        self.winter()
        self.retrained()

    def begin(self) -> None:
        """Adopt the model that is already in production."""
        story = self.story
        story.chapter("July 2011. A model in production says which hours are busy at the bicycle stations.")
        with story.working("making a repository with a DVC pipeline, a registry and a production"):
            self.repository.make()
            self.production.make()
            self.repository.first_version()
        story.run("adopt", "--from-pipeline")
        self.production.route("1", self.repository.work_tree / "models" / "busy")
        said = "It learned from January to June 2011, and answers every request."
        story.step("Version 1 is the champion", said, kind="good")

    def summer(self) -> None:
        """Show drift without a proven loss: summer is hotter than the training data."""
        self.story.chapter("Summer. Hotter than all that the model has seen.")
        self._serve(SUMMER_ENDS)
        self._watch()
        self._retrain("drift alone")
        said = "Data drift in every window, a proven loss in none: that opens an issue and trains nothing."
        self.story.step("Summer drifts: an issue", said, kind="notice")
        self.production.fetch()
        self._new_data("The summer's data")
        self._canary("Version 2 passes its canary", "2")

    def surge(self) -> None:
        """Detect a fault that no holdout can reveal: the live feed's clock is shifted."""
        story = self.story
        story.chapter(
            "A better weather feed. Its timestamps are in UTC; the archive's, and so the holdout's, are not."
        )
        edits = {"params.yaml": ("feed: old ", "feed: new ")}
        self._change("new-weather-feed", edits, "Read the new weather feed")
        self._gate("new-weather-feed", "The new feed passes the gate")
        self._serve(self.production.now + LOOK)
        found = story.run("canary", "look", ends=1)
        story.step(
            "False positives surge: rolled back, by nobody's hand",
            f"{_sentence(found)} {self._right()}",
            kind="bad",
        )
        self._only("2")

    def fix(self) -> None:
        """Correct the feed's clock."""
        self.story.chapter("The fix: the new feed's clock is UTC.")
        edits = {"params.yaml": ("clock: local ", "clock: utc ")}
        self._change("clock-is-utc", edits, "The new weather feed's clock is UTC")
        self._gate("clock-is-utc", "The fix passes the gate")
        self._canary("The fixed version passes its canary", "4")

    def winter(self) -> None:
        """Show drift and a proven loss: the city rides more than in the winter before."""
        story = self.story
        story.chapter("Winter. Cold again, but the city rides more than it did in the winter before.")
        for moment in WINTER:
            self._serve(moment)
            self._watch()
            found = story.run("retrain")
            if found["details"]["started"]:
                break
            story.step("Monitoring: not enough to retrain", _why(found), kind="notice")
        else:
            raise story.otherwise("winter never triggered a retraining")
        story.step("Drift and a proven loss: retraining is triggered", _why(found), kind="bad")
        self._watch()
        self._retrain("no windows")
        story.step("The next run triggers nothing", "A reason triggers once.")

    def retrained(self) -> None:
        """Send the retraining's candidate through the same gate as any other."""
        story = self.story
        story.chapter("The retraining: newer data, and the same gate as every change.")
        self._new_data("The retraining's data")
        self._canary("The retrained version passes its canary", "5")
        right = self._serve(END, beside="4")
        self._watch()
        self._retrain(None)
        new, old = right["all"], right["4"]
        said = f"Since then version 5 was right in {new:.1%} of its answers; version 4 would have been in"
        said += f" {old:.1%} of the same. Both are below their holdouts: the city goes on growing."
        story.step("What the retraining brought", said, kind="notice")
        story.run("lineage", "5")
        said = "From the checksum of its data, over the reason why it was trained, to its deployment."
        story.step("Where version 5 comes from", said, kind="good")

    def _serve(self, until: datetime, beside: str = "") -> dict[str, float]:
        names = ", ".join(f"version {name} {share:.0%}" for name, share in self.production.shares.items())
        with self.story.working(f"requests until {until:%d %B}: {names}"):
            return self.production.serve(until, beside)

    def _watch(self) -> Mapping[str, Any]:
        return self.story.run("monitor")

    def _retrain(self, why: str | None) -> None:
        """Ask for a retraining, and expect none."""
        found = self.story.run("retrain")
        if found["details"]["started"] or why not in (None, found["details"]["why"]):
            raise self.story.otherwise(f"`{found['details']['why']}`, and not `{why}`")

    def _change(self, branch: str, edits: dict[str, tuple[str, str]], message: str) -> None:
        with self.story.working(f"branch {branch}: {message}"):
            self.repository.branch(branch, edits, message)

    def _new_data(self, title: str) -> None:
        """Propose the present data, check the result, and promote it."""
        found = self.story.run("data", "update", DATA)
        self.story.step(title, _sentence(found))
        branch = found["details"]["branch"]
        self.repository.run("git", "switch", "--quiet", "--force", branch)
        self._gate(branch, f"{title}: the model passes the gate")

    def _gate(self, branch: str, title: str) -> None:
        """Check a branch, merge it as its forge would, and promote: that starts a canary."""
        story = self.story
        checked = story.run("check", "--target", "main")
        story.step(title, _sentence(checked), kind="good")
        with story.working(f"merging {branch} into main"):
            self.repository.merge(branch)
        story.run("promote")
        if len(self.production.shares) != 2:
            raise story.otherwise("it started no canary")

    def _canary(self, title: str, version: str) -> None:
        """Look at the canary until it is settled."""
        for _ in range(LOOKS):
            self._serve(self.production.now + LOOK)
            found = self.story.run("canary", "look")
            if not found["details"]["canary"]["running"]:
                break
        self.story.step(title, f"{_sentence(found)} {self._right()}", kind="good")
        self._only(version)

    def _right(self) -> str:
        """Return how often each version was right in the canary's last week, in words."""
        said = [f"version {name} in {share:.1%}" for name, share in self.production.right().items()]
        return f"Right in the last week: {', '.join(said)} of its answers."

    def _only(self, version: str) -> None:
        if self.production.shares != {version: 1.0}:
            raise self.story.otherwise(
                f"version {version} does not have all traffic: {self.production.shares}"
            )


def _why(found: Mapping[str, Any]) -> str:
    """Return why a retraining was or was not triggered, and the columns that drifted."""
    line = str(found["headline"]).split(": ", 1)[-1]
    columns = ", ".join(found["details"]["columns"])
    return f"{line[0].upper()}{line[1:]}." + (f" Drifted: {columns}." if columns else "")


def _sentence(found: Mapping[str, Any]) -> str:
    """Return a report's headline without the model's name, and its summary."""
    line = str(found["headline"]).split(": ", 1)[-1]
    return f"{line[0].upper()}{line[1:]}. {found['summary']}".strip()
