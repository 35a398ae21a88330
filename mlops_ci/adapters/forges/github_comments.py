"""Comments of one GitHub pull request: our report comment, and approvals by others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mlops_ci.adapters.forges.sticky import Note
from mlops_ci.adapters.http import Client, RefusedError
from mlops_ci.adapters.ports import PullRequest
from mlops_ci.core.report import Approval

JOB_TOKEN_LOGIN = "github-actions[bot]"  # noqa: S105
COMMAND = "/mlops-ci accept"
MAY_WRITE = frozenset({"write", "maintain", "admin"})
_FULL_SHA = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


class Identity:
    """The account that our token acts for, looked up once."""

    def __init__(self, client: Client, graphql_url: str) -> None:
        self._client = client
        self._graphql = graphql_url
        self._me: tuple[str, int | None] | None = None

    def wrote(self, item: Mapping[str, Any]) -> bool:
        """Return whether a comment or an issue is ours."""
        login, number = self.known()
        user = item.get("user") or {}
        # A login can be renamed and taken by another; the number cannot.
        return bool(user.get("id") == number if number is not None else user.get("login") == login)

    def settle(self, item: Mapping[str, Any]) -> None:
        """Learn our account from something that we just wrote."""
        user = item.get("user") or {}
        self._me = (user.get("login", ""), user.get("id"))

    def known(self) -> tuple[str, int | None]:
        """Return our login and number.

        REST refuses ``/user`` to the job's token; GraphQL's viewer needs no permission and knows
        every kind of token. Where that fails, the job's token is the likely one, and the answer to
        our first comment corrects us.
        """
        if self._me is None:
            self._me = (JOB_TOKEN_LOGIN, None)
            query = {"query": "query { viewer { login databaseId } }"}
            try:
                answer = self._client.send("POST", self._graphql, query, repeatable=True)
                viewer = answer["data"]["viewer"]
                self._me = (str(viewer["login"]), viewer.get("databaseId"))
            except (RefusedError, KeyError, TypeError):
                pass
        return self._me


class PullRequestComments:
    """The comments of one pull request; implements `sticky.Board`.

    Parameters
    ----------
    client
        A client of GitHub's REST API.
    repository
        ``owner/name``.
    number
        Of the pull request.
    graphql_url
        Where to ask who we are.
    """

    def __init__(self, client: Client, repository: str, number: int, *, graphql_url: str) -> None:
        self._client = client
        self._list = f"/repos/{repository}/issues/{number}/comments"
        self._one = f"/repos/{repository}/issues/comments"
        self._identity = Identity(client, graphql_url)

    def mine(self) -> list[Note]:
        """Return the comments that our token's identity wrote, over all pages."""
        self._identity.known()  # before the list: a failure here is tried again without it
        return [_note(item) for item in self._client.pages(self._list) if self._identity.wrote(item)]

    def read(self, note: int) -> Note | None:
        """Return a comment, or None if it is gone."""
        item = _unless_gone(lambda: self._client.get(f"{self._one}/{note}"))
        return _note(item) if item else None

    def create(self, body: str) -> Note:
        """Create a comment; the answer tells which account we are."""
        item = self._client.send("POST", self._list, {"body": _sound(body)})
        self._identity.settle(item)
        return _note(item)

    def update(self, note: int, body: str) -> bool:
        """Update a comment; return False if it is gone."""
        body = _sound(body)
        return bool(_unless_gone(lambda: self._client.send("PATCH", f"{self._one}/{note}", {"body": body})))

    def delete(self, note: int) -> None:
        """Delete a comment, if it is still there."""
        _unless_gone(lambda: self._client.send("DELETE", f"{self._one}/{note}"))


class Approvals:
    """Finds the comments that accept a held change.

    Parameters
    ----------
    explain
        Is told why a comment that looks like an approval does not count.
    """

    def __init__(self, client: Client, repository: str, *, explain: Callable[[str], None]) -> None:
        self._client = client
        self._repository = repository
        self._explain = explain

    def find(self, change: PullRequest) -> list[Approval]:
        """Return the approvals of exactly `change.head`, with permission and head read now."""
        valid = []
        path = f"/repos/{self._repository}/issues/{change.number}/comments"
        for item in self._client.pages(path):
            words = (item.get("body") or "").strip().split("\n", 1)[0].strip()
            if words != COMMAND and not words.startswith(COMMAND + " "):
                continue
            commit, _, reason = words.removeprefix(COMMAND).strip().partition(" ")
            problem = self._problem(item, commit, reason.strip(), change)
            login = (item.get("user") or {}).get("login", "ghost")
            if problem:
                self._explain(f"'{COMMAND}' by {login} does not count: {problem} ({item['html_url']})")
                continue
            valid.append(
                Approval(actor=login, commit=commit.lower(), reason=reason.strip(), url=item["html_url"])
            )
        return valid if not valid or self._still_there(change) else []

    def _problem(self, item: Mapping[str, Any], commit: str, reason: str, change: PullRequest) -> str:
        """Return why an approval does not count, or an empty string."""
        user = item.get("user") or {}
        login = user.get("login", "")
        if not login or user.get("type") != "User":
            return "only people can accept"
        if not _FULL_SHA.fullmatch(commit):
            return f"it must name the full commit, '{COMMAND} {change.head} REASON'"
        if commit.lower() != change.head.lower():
            return f"it names commit {commit[:7]}, and the head is now {change.head[:7]}"
        if not reason:
            return f"it gives no reason, '{COMMAND} {change.head} REASON'"
        if login.casefold() == change.author.casefold():
            return "the author of a change cannot accept it"
        # Everyone who may write can edit others' comments, and so could put words into their mouths.
        if item.get("updated_at") != item.get("created_at"):
            return "it was edited; write a new comment"
        if not self._may_write(login):
            return "it takes write access to the repository"
        return ""

    def _may_write(self, login: str) -> bool:
        path = f"/repos/{self._repository}/collaborators/{login}/permission"
        answer = _unless_gone(lambda: self._client.get(path))
        return bool(answer) and answer.get("permission") in MAY_WRITE

    def _still_there(self, change: PullRequest) -> bool:
        """Return whether the head is still what the approvals name; a push meanwhile drops them."""
        now = self._client.get(f"/repos/{self._repository}/pulls/{change.number}")["head"]["sha"]
        if now != change.head:
            self._explain(f"approvals of {change.head[:7]} do not count: the head is now {now[:7]}")
        return bool(now == change.head)


def _sound(body: str) -> str:
    """Replace lone surrogates (as in some file names), which JSON allows and GitHub rejects."""
    return body.encode("utf-8", "replace").decode("utf-8")


def _note(item: Mapping[str, Any]) -> Note:
    return Note(id=int(item["id"]), body=item.get("body") or "", url=item.get("html_url") or "")


def _unless_gone(call: Callable[[], Any]) -> Any:
    """Return the answer, or None if the resource does not exist (any more)."""
    try:
        return call()
    except RefusedError as error:
        if error.status in {404, 410}:
            return None
        raise
