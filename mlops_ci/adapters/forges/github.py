"""GitHub, and GitHub Enterprise Server, as a forge: comments, job summary, annotations, outputs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from mlops_ci.adapters.forges import github_actions, github_event, issues, sticky
from mlops_ci.adapters.forges.github_comments import Approvals, PullRequestComments
from mlops_ci.adapters.forges.github_job import JobPage
from mlops_ci.adapters.forges.github_requests import dispatch, propose, set_status
from mlops_ci.adapters.http import Client, RefusedError
from mlops_ci.adapters.ports import Console, PullRequest
from mlops_ci.core.report import Approval, Report, Source
from mlops_ci.errors import ServiceError

COMMENT_LIMIT = 65_536  # characters; kept in bytes, which are never fewer


class GitHubForge:
    """One workflow run on GitHub.

    Parameters
    ----------
    token
        The job's token or another; empty for a job that reports without one (to its summary).
    comment
        When to comment: ``always``; ``changes``, not where nothing differs from the champion;
        ``failures``, not where the check passes; ``off``. A comment that is there is kept up to date.
    status_context
        Name of a commit status to set beside the job's own check. With None there is one where this
        workflow was started by another (``workflow_run``), named ``mlops-ci/<target branch>``.
    env
        The runner's environment.
    console
        For what goes to the log; the runner's by default.
    now, sleep
        For tests.

    Raises
    ------
    UsageError
        If the event's payload cannot be read.
    """

    def __init__(
        self,
        *,
        token: str = "",
        comment: sticky.CommentMode = "always",
        status_context: str | None = None,
        env: Mapping[str, str] = os.environ,
        console: Console | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._env = env
        self._token = token
        self._mode = comment
        self._status_context = status_context
        self._console = console if console is not None else github_actions.ActionsConsole()
        self._time = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._repository = env.get("GITHUB_REPOSITORY", "")
        api = env.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        self._graphql = api.removesuffix("/v3") + "/graphql"
        self._client = Client(
            api,
            service="GitHub",
            headers={
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "mlops-ci",
            },
            authorization=("Authorization", f"Bearer {token}") if token else None,
            sleep=sleep,
        )
        event = env.get("GITHUB_EVENT_NAME", "")
        self._change = github_event.change(event, github_actions.event(env), env)
        self._page = JobPage(env, self._console, self._change)
        self._source: Source | None = None
        self._board: PullRequestComments | None = None
        self._refused = False

    def source(self) -> Source:
        """Return the run, and the change as the event describes it, completed by the API.

        Raises
        ------
        ServiceError
            If the event does not name the head, and GitHub does not tell.
        """
        if self._source is None:
            env = self._env
            change = github_event.complete(self._change, self._client, self._repository, self._console)
            server, run = (
                env.get("GITHUB_SERVER_URL", "https://github.com"),
                int(env.get("GITHUB_RUN_ID") or 0),
            )
            self._source = Source(
                head=change.head,
                base=change.base,
                target=change.target,
                pull_request=change.number,
                run_id=run,
                run_attempt=int(env.get("GITHUB_RUN_ATTEMPT") or 0),
                run_url=f"{server}/{self._repository}/actions/runs/{run}" if run else "",
                time=self._time,
            )
        return self._source

    def pull_request(self) -> PullRequest | None:
        """Return the pull request as it is now; None outside one.

        A token that may not read pull requests gives what the event says: then there are no
        approvals to find, and a held check stays held.

        Raises
        ------
        ServiceError
            If GitHub fails.
        """
        number = self.source().pull_request
        if number is None:
            return None
        try:
            pull = self._client.get(f"/repos/{self._repository}/pulls/{number}")
        except RefusedError as error:
            if not self._change.head or error.status not in {401, 403, 404}:
                raise
            self._page.explain_refusal(error, "reading the pull request", "pull-requests: read")
            now = self._change
        else:
            now = github_event.of_pull_request(pull, self._repository)
        return PullRequest(
            number=number,
            author=now.author,
            head=now.head,
            base=now.base,
            target=now.target,
            from_fork=now.from_fork,
        )

    def approvals(self, change: PullRequest) -> list[Approval]:
        """Return valid approvals of exactly `change.head`; log why others do not count.

        Raises
        ------
        ServiceError
            If GitHub fails: it is not known then whether someone approved.
        """
        try:
            return Approvals(self._client, self._repository, explain=self._console.info).find(change)
        except RefusedError as error:
            if error.status not in {401, 403, 404}:
                raise
            self._page.explain_refusal(error, "reading approvals", "pull-requests: read")
            return []

    def announce(self, text: str, *, key: str) -> str | None:
        """Announce that a check is running, above the pull request's last report; return the address."""
        stamp = sticky.Stamp.of(self.source(), key)
        compose = sticky.running(text, stamp, COMMENT_LIMIT, create=self._mode == "always")
        self._set_status(self.source(), "pending", text)
        return self._deliver_comment(stamp, compose)

    def publish(self, report: Report, rendered: Mapping[str, str], *, key: str) -> str | None:
        """Deliver a report to the comment, annotations and the job summary.

        Nothing here raises: what cannot be delivered one way is in the others, and said.
        """
        return self._publish([report], [rendered], rendered, key)

    def publish_together(
        self, reports: Sequence[Report], rendered: Sequence[Mapping[str, str]], comment: str, *, key: str
    ) -> str | None:
        """Deliver several reports, the gravest first, with one comment."""
        return self._publish(reports, rendered, {"comment": comment}, key)

    def _publish(
        self,
        reports: Sequence[Report],
        rendered: Sequence[Mapping[str, str]],
        comment: Mapping[str, str],
        key: str,
    ) -> str | None:
        first = reports[0]
        stamp = sticky.Stamp.of(first.source, key)
        body = sticky.choose(first, comment, COMMENT_LIMIT - len(stamp.marker()))
        create = sticky.creates(self._mode, *reports)
        url = self._deliver_comment(stamp, lambda present: body if create or present else None)
        for report, forms in zip(reports, rendered, strict=True):
            self._page.annotate(report)
            self._page.summarise(forms.get("markdown") or body, body)
        return url

    def retire(self, keys: Collection[str]) -> None:
        """Delete comments that this run's reports replaced, if the token may write comments."""
        if not keys or self._board is None or self._refused:
            return
        with suppress(ServiceError):
            sticky.retire(self._board, sticky.Stamp.of(self.source(), ""), keys)

    def conclude(self, code: int, text: str) -> None:
        """Set the commit status once, from the gravest of all reports."""
        self._set_status(self.source(), {0: "success", 1: "failure", 3: "failure"}.get(code, "error"), text)

    def reference(self, number: int) -> str | None:
        """Return the ref under which GitHub keeps a pull request's head, a fork's too."""
        return f"refs/pull/{number}/head"

    def issue(self, key: str, title: str, body: str | None) -> str | None:
        """Open, update or close the one issue of a key; a failure is logged, not raised."""
        if not self._token:
            self._page.note("no token: no issue was opened or closed")
            return None
        tracker = issues.GitHubIssues(self._client, self._repository, graphql_url=self._graphql)
        try:
            found = issues.keep_one(tracker, key, title, body)
        except RefusedError as error:
            self._page.explain_refusal(error, "opening an issue", "issues: write")
            return None
        except ServiceError as error:
            self._page.note(f"the issue could not be written: {error}")
            return None
        return found.url if found else None

    def dispatch(self, event: str, values: Mapping[str, str]) -> str:
        """Start a workflow by its file name (``retrain.yml``), or send a repository_dispatch event.

        Raises
        ------
        ServiceError
            If GitHub fails or refuses.
        """
        try:
            return dispatch(self._client, self._repository, event, values, self._env.get("GITHUB_REF_NAME"))
        except RefusedError as error:
            missing = "actions: write" if event.endswith((".yml", ".yaml")) else "contents: write"
            self._page.explain_refusal(error, f"starting '{event}'", missing)
            raise

    def propose(self, branch: str, title: str, body: str) -> str | None:
        """Open or update the pull request of a pushed branch; return its address.

        Raises
        ------
        ServiceError
            If GitHub fails or refuses.
        """
        target = self.source().target or self._env.get("GITHUB_REF_NAME", "main")
        try:
            return propose(self._client, self._repository, branch, target, (title, body))
        except RefusedError as error:
            self._page.explain_refusal(error, "opening a pull request", "pull-requests: write")
            raise

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set outputs for later steps of the same job."""
        github_actions.set_outputs(self._env, values)

    def _deliver_comment(self, stamp: sticky.Stamp, compose: sticky.Compose) -> str | None:
        number = self.source().pull_request
        if number is None or self._mode == "off" or self._refused:
            return None
        if not self._token:
            self._page.note("no token: the report is in the job summary, not in a comment")
            return None
        if self._board is None:
            where = (self._client, self._repository, number)
            self._board = PullRequestComments(*where, graphql_url=self._graphql)
        try:
            note = sticky.upsert(self._board, stamp, compose)
        except RefusedError as error:
            self._refused = error.status in {401, 403, 404}
            self._page.explain_refusal(error, "commenting on the pull request", "pull-requests: write")
            return None
        except ServiceError as error:
            self._page.note(f"the comment could not be written, the report is in the job summary: {error}")
            return None
        return note.url if note else None

    def _own_context(self, source: Source) -> str | None:
        """Return the status context to set for a run whose own check is not shown on the change.

        The check of a workflow that another one started is not on the pull request. A status is one of a
        commit, which may be the head of several pull requests: the target branch is in its name, so that
        what passed against another branch's policy does not count here.
        """
        return f"mlops-ci/{source.target}" if self._change.from_run and source.target else None

    def _set_status(self, source: Source, state: str, description: str) -> None:
        context = self._status_context or self._own_context(source)
        if context is None or not self._token or not source.head:
            return
        try:
            set_status(self._client, self._repository, source, context, (state, description))
        except RefusedError as error:
            self._page.explain_refusal(error, "setting the commit status", "statuses: write")
        except ServiceError as error:
            self._page.note(f"the commit status could not be set: {error}")
