"""Runs the steps of a demonstration, checks that each ends as expected, and keeps it for the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from mlops_ci.core.timeline import Step
from mlops_ci.errors import MlopsCiError

Kind = Literal["good", "bad", "notice", "done"]


class OtherwiseError(MlopsCiError):
    """A step that did not end as expected; the repository is left in place for inspection."""

    exit_code = 1


class Verb(Protocol):
    """Runs one of our own verbs in the repository, and keeps its report under a name."""

    def __call__(self, *arguments: str, report: str) -> tuple[int, Mapping[str, Any]]:
        """Return its exit code, and its report as plain values."""


@contextmanager
def timed(say: Callable[..., None], what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    say(f"{what} ...", nl=False)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        say(" failed")
        raise
    say(f" {time.monotonic() - start:.1f} s")


@dataclass(kw_only=True)
class Story:
    """The story so far.

    Attributes
    ----------
    verb, say
        Run a verb; show words to the reader.
    reports
        Folder of the reports.
    clock
        The simulated time.
    runs
        Name, command, exit code and headline of each verb that was run.
    """

    verb: Verb
    say: Callable[..., None]
    reports: Path
    clock: Callable[[], datetime]
    steps: list[Step] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.say(f"\n{title}")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Print what is being done, and how long it took."""
        with timed(self.say, f"  {what}"):
            yield

    def run(self, *arguments: str, ends: int = 0) -> Mapping[str, Any]:
        """Run a verb and return its report.

        Raises
        ------
        OtherwiseError
            If it ends with another code than the story says.
        """
        command = f"mlops-ci {' '.join(arguments)}"
        words = [word for word in arguments[:2] if word.isalpha()]
        name = "-".join([f"{len(self.runs) + 1:02d}", *words])
        with self.working(f"$ {command}"):
            code, found = self.verb(*arguments, report=name)
        self.runs.append({"name": name, "command": command, "code": code, "headline": found["headline"]})
        self.say(f"      {found['headline']}")
        if code != ends:
            raise self.otherwise(f"it ended with {code}, not {ends}")
        return found

    def otherwise(self, what: str) -> OtherwiseError:
        """Return the error that the last verb did not do what was expected."""
        last = self.runs[-1]
        return OtherwiseError(
            f"`{last['command']}` did not do what the story says: {what}",
            remedy=f"read {self.reports / last['name']}.txt; everything that was made is still there.",
        )

    def step(self, title: str, said: str, *, kind: Kind = "done") -> None:
        """Keep what the last verb did as a step of the timeline."""
        last = self.runs[-1]
        self.steps.append(
            Step(
                time=self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
                title=title,
                said=said,
                kind=kind,
                command=last["command"],
                page=f"reports/{last['name']}.html",
            )
        )
