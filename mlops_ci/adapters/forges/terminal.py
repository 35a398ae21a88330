"""The terminal as a forge: progress and reports as text, for a laptop or a CI that has no adapter."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from mlops_ci.adapters import colours
from mlops_ci.adapters.ports import Console, PullRequest, Repository
from mlops_ci.core.report import Approval, Report, Source
from mlops_ci.errors import UsageError

BOLD, YELLOW, RED, RESET = "\x1b[1m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
# CSI and OSC sequences, then any other control character but tab.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class TerminalConsole:
    """Progress on stderr; bold titles on a terminal, plain text in a pipe or with NO_COLOR."""

    def __init__(self, stream: TextIO | None = None, *, env: Mapping[str, str] = os.environ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._colour = colours.wanted(self._stream, env)
        self._depth = 0

    def info(self, text: str) -> None:
        """Print one or more lines."""
        self._say(text)

    def warn(self, text: str, *, title: str = "") -> None:
        """Print a warning."""
        self._say(f"warning: {title}: {text}" if title else f"warning: {text}", YELLOW)

    def error(self, text: str, *, title: str = "") -> None:
        """Print why the check fails."""
        self._say(f"error: {title}: {text}" if title else f"error: {text}", RED)

    def mask(self, value: str) -> None:
        """Hide nothing: a terminal is the user's own."""

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Indent the output inside the block under a title."""
        self._say(title, BOLD)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def untrusted(self, line: str) -> None:
        """Print untrusted output without control sequences."""
        # A progress bar rewrites its line; keep its last state.
        self._say(line.rstrip("\r\n").rsplit("\r", 1)[-1])

    def _say(self, text: str, colour: str = "") -> None:
        for line in text.split("\n"):
            clean = "  " * self._depth + _CONTROL.sub("", line)
            whole = f"{colour}{clean}{RESET}\n" if colour and self._colour else f"{clean}\n"
            self._stream.write(_writable(whole, self._stream))
        self._stream.flush()


class TerminalForge:
    """A forge that prints reports to stdout; it has no pull requests and no approvals.

    Parameters
    ----------
    repository
        The git repository that the change is in.
    target
        Name of the target branch, or None for the repository's default.
    console
        For what goes beside the report.
    stream
        For the report; stdout by default.
    now, env
        For tests.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        target: str | None = None,
        console: Console | None = None,
        stream: TextIO | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._repository = repository
        self._env = env
        self._console = console if console is not None else TerminalConsole()
        self._stream = stream if stream is not None else sys.stdout
        self._time = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._target = target

    def source(self) -> Source:
        """Return HEAD and the tip of the target branch.

        Raises
        ------
        UsageError
            If the target branch was named, and there is none of this name.
        """
        head, tip = self._repository.head(), self._repository.target_tip(self._target)
        if tip is None and self._target:
            raise UsageError(
                f"there is no branch '{self._target:.80}', neither on origin nor here",
                remedy="Fetch it (`git fetch origin`), or name another with --target.",
            )
        target, base = tip or ("", "")
        return Source(head=head, base=base, target=target, time=self._time)

    def pull_request(self) -> PullRequest | None:
        """Return None: a terminal has no pull request."""
        return None

    def approvals(self, change: PullRequest) -> list[Approval]:
        """Return none: nobody can approve here."""
        return []

    def announce(self, text: str, *, key: str) -> str | None:
        """Print that the check has begun."""
        self._console.info(_plain(text))
        return None

    def publish(self, report: Report, rendered: Mapping[str, str], *, key: str) -> str | None:
        """Print the report."""
        text = rendered.get("text") or rendered.get("markdown") or report.headline
        clean = "\n".join(_CONTROL.sub("", line) for line in text.split("\n")).rstrip("\n") + "\n"
        if colours.wanted(self._stream, self._env):
            clean = colours.coloured(clean)
        self._stream.write(_writable(clean, self._stream))
        self._stream.flush()
        return None

    def publish_together(
        self, reports: Sequence[Report], rendered: Sequence[Mapping[str, str]], comment: str, *, key: str
    ) -> str | None:
        """Print the reports one after the other: a terminal has no comment to share."""
        for place, (report, forms) in enumerate(zip(reports, rendered, strict=True)):
            self._stream.write("\n" if place else "")
            self.publish(report, forms, key=key)
        return None

    def retire(self, keys: Collection[str]) -> None:
        """Do nothing: what was printed stays."""

    def conclude(self, code: int, text: str) -> None:
        """Do nothing: the exit code says it."""

    def reference(self, number: int) -> str | None:
        """Return None: the checkout has the change."""
        return None

    def issue(self, key: str, title: str, body: str | None) -> str | None:
        """Print what would be an issue on a forge."""
        self._console.info(f"issue: {title}" if body is not None else f"no issue: {key}")
        return None

    def dispatch(self, event: str, values: Mapping[str, str]) -> str:
        """Print that there is no forge to start it.

        Raises
        ------
        UsageError
            Always: a trigger that nobody hears must not count as one.
        """
        raise UsageError(
            f"there is nothing here that '{event}' could start",
            remedy="run this in a job of GitHub or GitLab, or set `retrain.command`",
        )

    def propose(self, branch: str, title: str, body: str) -> str | None:
        """Print that the branch exists, to be pushed and proposed by hand."""
        self._console.info(f"branch {branch}: {title}")
        return None

    def outputs(self, values: Mapping[str, str]) -> None:
        """Do nothing: there is no later step."""


def _writable(text: str, stream: TextIO) -> str:
    """Replace characters that a stream's encoding lacks: a report must not fail because of an emoji."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _plain(markdown: str) -> str:
    """Drop Markdown's emphasis from one of our own sentences."""
    return re.sub(r"[*_`]{1,2}([^*_`\n]+)[*_`]{1,2}", r"\1", markdown)
