"""Keeps one issue per key on a forge: opens, updates and closes it, also under concurrent writers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

from mlops_ci.adapters.forges.github_comments import Identity
from mlops_ci.adapters.http import Client
from mlops_ci.errors import ServiceError, UncertainError

BODY_LIMIT = 65_536
_MARKER = re.compile(r"\A<!-- mlops-ci issue=(?P<key>\S*) -->\r?\n?")
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An open issue as a forge has it now."""

    number: int
    title: str
    body: str
    url: str = ""

    @property
    def key(self) -> str | None:
        """Key in the marker at its start; None if the issue is not ours."""
        found = _MARKER.match(self.body)
        return unquote(found["key"]) if found else None


class Tracker(Protocol):
    """The issues of one repository, with the forge's own identity applied."""

    def mine(self) -> Sequence[Issue]:
        """Return all open issues that this token's identity wrote, over all pages."""

    def create(self, title: str, body: str) -> Issue:
        """Open an issue."""

    def update(self, number: int, title: str, body: str) -> None:
        """Replace title and body."""

    def close(self, number: int) -> None:
        """Close an issue."""


def marker(key: str) -> str:
    """Return the HTML comment that makes an issue ours."""
    return f"<!-- mlops-ci issue={quote(key, safe='').replace('-', '%2D')} -->\n"


def keep_one(tracker: Tracker, key: str, title: str, body: str | None) -> Issue | None:
    """Create or update the one open issue of a key; a body of None closes it.

    Forges have no compare-and-set: after creating, the list is read again, and of several the lowest
    number stays. All jobs that race do the same and so end with the same issue.

    Raises
    ------
    ServiceError
        If the forge fails, or the issue does not settle.
    """
    for _ in range(_ROUNDS):
        ours = sorted((one for one in tracker.mine() if one.key == key), key=lambda one: one.number)
        for extra in ours if body is None else ours[1:]:
            tracker.close(extra.number)
        if body is None:
            return None
        text = marker(key) + _fitted(body, BODY_LIMIT - len(marker(key)))
        if not ours:
            with suppress(UncertainError):  # it may be there all the same: look
                tracker.create(title, text)
            continue
        if (ours[0].title, ours[0].body) != (title, text):
            tracker.update(ours[0].number, title, text)
        return ours[0]
    raise ServiceError("the forge", f"the issue '{title}' does not settle", remedy="run this again")


def _fitted(body: str, limit: int) -> str:
    if len(body.encode()) <= limit:
        return body
    return body.encode()[: limit - 8].decode("utf-8", "ignore") + "\n…\n"


class GitHubIssues:
    """The issues of one repository on GitHub."""

    def __init__(self, client: Client, repository: str, *, graphql_url: str) -> None:
        self._client = client
        self._list = f"/repos/{repository}/issues"
        self._identity = Identity(client, graphql_url)

    def mine(self) -> list[Issue]:
        """Return our open issues, without the pull requests that GitHub lists among them."""
        found = self._client.pages(self._list, state="open")
        return [
            _issue(item, "number", "body", "html_url")
            for item in found
            if not item.get("pull_request") and self._identity.wrote(item)
        ]

    def create(self, title: str, body: str) -> Issue:
        """Open an issue."""
        item = self._client.send("POST", self._list, {"title": title, "body": body})
        self._identity.settle(item)
        return _issue(item, "number", "body", "html_url")

    def update(self, number: int, title: str, body: str) -> None:
        """Replace title and body."""
        self._client.send("PATCH", f"{self._list}/{number}", {"title": title, "body": body})

    def close(self, number: int) -> None:
        """Close an issue."""
        self._client.send("PATCH", f"{self._list}/{number}", {"state": "closed"})


class GitLabIssues:
    """The issues of one project on GitLab."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._list = f"{project}/issues"

    def mine(self) -> list[Issue]:
        """Return the open issues that our token's identity wrote."""
        me = int(self._client.get("/user")["id"])
        found = self._client.pages(self._list, state="opened", author_id=me)
        return [_issue(item, "iid", "description", "web_url") for item in found]

    def create(self, title: str, body: str) -> Issue:
        """Open an issue."""
        item = self._client.send("POST", self._list, {"title": title, "description": body})
        return _issue(item, "iid", "description", "web_url")

    def update(self, number: int, title: str, body: str) -> None:
        """Replace title and body."""
        self._client.send("PUT", f"{self._list}/{number}", {"title": title, "description": body})

    def close(self, number: int) -> None:
        """Close an issue."""
        self._client.send("PUT", f"{self._list}/{number}", {"state_event": "close"})


def _issue(item: Mapping[str, Any], number: str, body: str, url: str) -> Issue:
    return Issue(
        number=int(item[number]),
        title=item.get("title") or "",
        body=item.get(body) or "",
        url=item.get(url) or "",
    )
