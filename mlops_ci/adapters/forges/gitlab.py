"""GitLab as a forge: a merge request's note, sections of the job's log, and outputs as a dotenv file."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_ci.adapters.forges import issues, sticky
from mlops_ci.adapters.forges.gitlab_notes import MergeRequestNotes, SectionConsole, unless_gone
from mlops_ci.adapters.http import Client, RefusedError
from mlops_ci.adapters.ports import Console, PullRequest
from mlops_ci.core.report import Approval, Report, Source
from mlops_ci.errors import ServiceError, UsageError

NOTE_LIMIT = 65_536  # GitLab holds a million characters; what reads well on one forge reads well on both
COMMAND = "/mlops-ci accept"
DEVELOPER = 30  # the lowest access level that may push
_FULL_SHA = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
OUTPUTS = "mlops-ci.env"
# Users that GitLab makes for access tokens and service accounts: a job that has the token speaks as them.
_MACHINE = re.compile(r"(?:project|group)_\d+_bot(?:\d+|_\w+)?|service_account_\w+", re.IGNORECASE)

_PIPELINE_RIGHTS = (
    "Give the token a role that is allowed to merge into the branch, and set 'Minimum role to use pipeline"
    " variables' (Settings > CI/CD > Variables) to that role or a lower one."
)


class GitLabForge:
    """One job of a GitLab pipeline.

    Parameters
    ----------
    token
        A project access token with the scope `api`: a job's own token may not write notes.
    comment
        When to comment; see `mlops_ci.adapters.forges.github.GitHubForge`.
    env
        The job's environment.
    """

    def __init__(
        self,
        *,
        token: str = "",
        comment: sticky.CommentMode = "always",
        env: Mapping[str, str] = os.environ,
        console: Console | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._env = env
        self._token = token
        self._mode = comment
        self._console = console if console is not None else SectionConsole()
        self._time = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._number = int(env["CI_MERGE_REQUEST_IID"]) if env.get("CI_MERGE_REQUEST_IID") else None
        self._project = f"/projects/{env.get('CI_PROJECT_ID', '')}"
        self._client = Client(
            env.get("CI_API_V4_URL", "https://gitlab.com/api/v4"),
            service="GitLab",
            headers={"User-Agent": "mlops-ci"},
            # Not PRIVATE-TOKEN: that header goes along where a portal leads to another host.
            authorization=("Authorization", f"Bearer {token}") if token else None,
            sleep=sleep,
        )

    def source(self) -> Source:
        """Return the job, and the merge request as its variables describe it."""
        env = self._env
        # A merged results pipeline runs on a merge commit: the head is in a variable of its own.
        head = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or env.get("CI_COMMIT_SHA", "")
        base = env.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA") or env.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        return Source(
            head=head,
            base=base,
            target=env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
            pull_request=self._number,
            run_id=int(env.get("CI_PIPELINE_ID") or 0),
            run_attempt=int(env.get("CI_JOB_ID") or 0),
            run_url=env.get("CI_JOB_URL", ""),
            time=self._time,
        )

    def pull_request(self) -> PullRequest | None:
        """Return the merge request as it is now; None outside one, and where no token may read it.

        Raises
        ------
        ServiceError
            If GitLab fails.
        """
        if self._number is None or not self._token:
            return None
        now = self._client.get(self._merge_request())
        return PullRequest(
            number=self._number,
            author=str((now.get("author") or {}).get("username", "")),
            head=now["sha"],
            base=(now.get("diff_refs") or {}).get("base_sha") or "",
            target=now["target_branch"],
            from_fork=now.get("source_project_id") != now.get("target_project_id"),
        )

    def approvals(self, change: PullRequest) -> list[Approval]:
        """Return valid approvals of exactly `change.head`; log why others do not count.

        Raises
        ------
        ServiceError
            If GitLab fails: it is not known then whether someone approved.
        """
        valid = []
        for item in self._client.pages(f"{self._merge_request()}/notes"):
            words = (item.get("body") or "").strip().split("\n", 1)[0].strip()
            if not words.startswith(f"{COMMAND} ") or item.get("system"):
                continue
            commit, _, reason = words.removeprefix(COMMAND).strip().partition(" ")
            author = item.get("author") or {}
            problem = self._problem(item, commit, reason.strip(), change)
            if problem:
                self._console.info(f"'{COMMAND}' by {author.get('username')} does not count: {problem}")
                continue
            url = f"{self._address()}#note_{item['id']}"
            valid.append(
                Approval(actor=author["username"], commit=commit.lower(), reason=reason.strip(), url=url)
            )
        still = not valid or self._client.get(self._merge_request())["sha"] == change.head
        return valid if still else []

    def _problem(self, item: Mapping[str, Any], commit: str, reason: str, change: PullRequest) -> str:
        """Return why an approval does not count, or an empty string."""
        author = item.get("author") or {}
        if not _FULL_SHA.fullmatch(commit) or commit.lower() != change.head.lower():
            return f"it must name the full head, '{COMMAND} {change.head} REASON'"
        if not reason:
            return "it gives no reason"
        if _MACHINE.fullmatch(author.get("username", "")) or author.get("id") == self._own_id():
            return "only people can accept"
        if author.get("username", "") == change.author:
            return "the author of a change cannot accept it"
        if item.get("updated_at") != item.get("created_at"):
            return "it was edited; write a new comment"
        member = unless_gone(lambda: self._client.get(f"{self._project}/members/all/{author.get('id')}"))
        if not member or member.get("state") != "active" or int(member.get("access_level") or 0) < DEVELOPER:
            return "it takes the role Developer or more in the project"
        return ""

    def _own_id(self) -> int:
        """Return the user that our token speaks as; jobs that run a change's code may have the same token."""
        return int(self._client.get("/user")["id"])

    def announce(self, text: str, *, key: str) -> str | None:
        """Announce that a check is running, above the merge request's last report; return the address."""
        stamp = sticky.Stamp.of(self.source(), key)
        return self._deliver(stamp, sticky.running(text, stamp, NOTE_LIMIT, create=self._mode == "always"))

    def publish(self, report: Report, rendered: Mapping[str, str], *, key: str) -> str | None:
        """Deliver a report to the log and the merge request; a failure is logged, not raised."""
        return self._publish([report], [rendered], rendered, key)

    def publish_together(
        self, reports: Sequence[Report], rendered: Sequence[Mapping[str, str]], comment: str, *, key: str
    ) -> str | None:
        """Deliver several reports to the log, and one note with all to the merge request."""
        return self._publish(reports, rendered, {"comment": comment}, key)

    def _publish(
        self,
        reports: Sequence[Report],
        rendered: Sequence[Mapping[str, str]],
        comment: Mapping[str, str],
        key: str,
    ) -> str | None:
        for report, forms in zip(reports, rendered, strict=True):
            with self._console.group(f"Report: {report.model or report.command}"):
                self._console.info(forms.get("text") or report.headline)
            (self._console.error if report.exit_code else self._console.info)(report.headline)
        stamp = sticky.Stamp.of(reports[0].source, key)
        body = sticky.choose(reports[0], comment, NOTE_LIMIT - len(stamp.marker()))
        create = sticky.creates(self._mode, *reports)
        return self._deliver(stamp, lambda present: body if create or present else None)

    def retire(self, keys: Collection[str]) -> None:
        """Delete comments that this run's reports replaced, if the token may write comments."""
        if not keys or not self._token or self._number is None or self._mode == "off":
            return
        with suppress(ServiceError):
            sticky.retire(self._board(), sticky.Stamp.of(self.source(), ""), keys)

    def conclude(self, code: int, text: str) -> None:
        """Do nothing: the exit code says it."""

    def reference(self, number: int) -> str | None:
        """Return None: the checkout has the change."""
        return None

    def issue(self, key: str, title: str, body: str | None) -> str | None:
        """Open, update or close the one issue of a key; a failure is logged, not raised."""
        if not self._token:
            self._console.warn("no issue: set MLOPS_CI_GITLAB_TOKEN to a token with the scope api")
            return None
        try:
            found = issues.keep_one(issues.GitLabIssues(self._client, self._project), key, title, body)
        except ServiceError as error:
            self._console.warn(f"the issue could not be written: {error}")
            return None
        return found.url if found else None

    def dispatch(self, event: str, values: Mapping[str, str]) -> str:
        """Start a pipeline of the project, with the event and its values as variables.

        Raises
        ------
        ServiceError
            If GitLab fails or refuses.
        UsageError
            If there is no token.
        """
        self._with_token("to start a pipeline")
        given = {"MLOPS_CI_EVENT": event} | {f"MLOPS_CI_{k.upper()}": v for k, v in values.items()}
        branch = self._env.get("CI_DEFAULT_BRANCH") or self._env.get("CI_COMMIT_REF_NAME") or "main"
        variables = [{"key": key, "value": value} for key, value in given.items()]
        request = {"ref": branch, "variables": variables}
        try:
            made = self._client.send("POST", f"{self._project}/pipeline", request)
        except RefusedError as error:
            if error.status in {400, 403}:
                error.remedy = _PIPELINE_RIGHTS
            raise
        return f"pipeline {made.get('web_url') or made['id']}"

    def propose(self, branch: str, title: str, body: str) -> str | None:
        """Open or update the merge request of a pushed branch; return its address.

        Raises
        ------
        ServiceError
            If GitLab fails or refuses.
        UsageError
            If there is no token.
        """
        self._with_token("to open a merge request")
        place = f"{self._project}/merge_requests"
        for open_one in self._client.pages(place, state="opened", source_branch=branch):
            given = {"title": title, "description": body}
            return str(self._client.send("PUT", f"{place}/{open_one['iid']}", given)["web_url"])
        target = self._env.get("CI_DEFAULT_BRANCH") or "main"
        request = {"source_branch": branch, "target_branch": target, "title": title, "description": body}
        return str(self._client.send("POST", place, request)["web_url"])

    def _with_token(self, doing: str) -> None:
        if not self._token:
            raise UsageError(
                f"a token is needed {doing}",
                remedy="set MLOPS_CI_GITLAB_TOKEN to a project access token with the scope api",
            )

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set outputs for later jobs, as a dotenv report: names in capitals, values on one line."""
        lines = [
            f"MLOPS_CI_{name.upper().replace('-', '_')}={' '.join(value.split())}"
            for name, value in values.items()
        ]
        folder = Path(self._env.get("CI_PROJECT_DIR") or ".")
        place = (folder if folder.is_dir() else Path()) / OUTPUTS
        try:
            place.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            self._console.warn(f"{place}: outputs for later jobs could not be written: {error}")

    def _deliver(self, stamp: sticky.Stamp, compose: sticky.Compose) -> str | None:
        if self._number is None or self._mode == "off":
            return None
        if not self._token:
            self._console.warn(
                "no comment: set MLOPS_CI_GITLAB_TOKEN to a project access token with the scope api"
            )
            return None
        try:
            note = sticky.upsert(self._board(), stamp, compose)
        except RefusedError as error:
            needed = "the token needs the scope api, and the role Reporter in the project"
            self._console.warn(f"the comment was refused: {error}; {needed}")
            return None
        except ServiceError as error:
            self._console.warn(f"the comment could not be written: {error}")
            return None
        return note.url if note else None

    def _board(self) -> MergeRequestNotes:
        return MergeRequestNotes(self._client, self._merge_request(), self._address())

    def _merge_request(self) -> str:
        return f"{self._project}/merge_requests/{self._number}"

    def _address(self) -> str:
        return f"{self._env.get('CI_PROJECT_URL', '')}/-/merge_requests/{self._number}"
