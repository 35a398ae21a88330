"""Where reports go and approvals come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_ci.core.report import Approval, Report, Source


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """The change that a forge run is about, with what its API says now."""

    number: int
    author: str
    head: str
    base: str
    target: str
    from_fork: bool = False


class Forge(Protocol):
    """Where reports go and approvals come from: only what every forge can do."""

    def source(self) -> Source:
        """Return the run and the change this process works for."""

    def pull_request(self) -> PullRequest | None:
        """Return the change, read from the forge now; None outside a pull request."""

    def approvals(self, change: PullRequest) -> list[Approval]:
        """Return valid approvals of exactly `change.head`: by someone who may write, not its author."""

    def announce(self, text: str, *, key: str) -> str | None:
        """Announce on the change that a check is running, in the comment that `publish` will replace.

        `text` is one sentence of Markdown. Return the comment's address, or None. Never raises for
        what cannot be delivered.
        """

    def publish(self, report: Report, rendered: Mapping[str, str], *, key: str) -> str | None:
        """Deliver a report, once for each `key` (a command and a model, or one for all models).

        `rendered` holds it by format: ``markdown`` in full, ``comment`` as short as a comment must
        be (``markdown`` is taken where it is missing), ``text`` for a terminal, ``json``.

        Return the comment's address, or None if none was written. Delivery is tried in every
        way that is left: a comment that cannot be written must not lose the verdict, so nothing is
        raised.
        """

    def publish_together(
        self, reports: Sequence[Report], rendered: Sequence[Mapping[str, str]], comment: str, *, key: str
    ) -> str | None:
        """Deliver the reports of several models, the gravest first, with one comment for all.

        `comment` is its text; whatever else a forge shows of a report (annotations, the job's summary)
        is each report's own. As with `publish`, nothing is raised.
        """

    def retire(self, keys: Collection[str]) -> None:
        """Delete comments of other keys that this run's reports replaced, except those of newer runs.

        Nothing is raised: a comment that stays says of itself which commit it is about.
        """

    def conclude(self, code: int, text: str) -> None:
        """Conclude the run, once, after all reports: its exit code, and one sentence."""

    def reference(self, number: int) -> str | None:
        """Return the git ref of a change's head; None if a checkout always has it."""

    def issue(self, key: str, title: str, body: str | None) -> str | None:
        """Open or update the one issue of a key; None as the body closes it where it is open.

        Return its address, or None if there is none. Nothing is raised: it is said where an issue
        cannot be written.
        """

    def dispatch(self, event: str, values: Mapping[str, str]) -> str:
        """Trigger an event for the repository's workflows; return where it was sent, in words.

        Raises
        ------
        ServiceError
            If it was not started.
        UsageError
            If there is nowhere to send it.
        """

    def propose(self, branch: str, title: str, body: str) -> str | None:
        """Open or update the pull request of a pushed branch; return its address, None if it has none.

        Raises
        ------
        ServiceError
            If the forge fails or refuses.
        """

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set outputs for later steps of the same job."""
