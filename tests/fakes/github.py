"""GitHub as a server on this machine: it keeps state, misbehaves on request, and obeys GitHub's description.

As a pytest fixture (`github` in conftest), or by itself for workflows that run through act::

    python tests/fakes/github.py --port 8080

Every request and every answer is checked with `github_openapi.json`, a slice of GitHub's own
OpenAPI description; what breaks it is answered with 400 and kept in `violations`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from werkzeug import Request, Response

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.openapi import Contract
from fakes.server import FakeServer, RefusalError, answer, page

CONTRACT = Contract(Path(__file__).parent / "github_openapi.json")
BOT = "github-actions[bot]"
BODY_LIMIT = 65_536
REPO = "/repos/<owner>/<repo>"
ROUTES = {
    "viewer": ("POST", "/graphql"),
    "user": ("GET", "/user"),
    "repository": ("GET", REPO),
    "list_issues": ("GET", f"{REPO}/issues"),
    "create_issue": ("POST", f"{REPO}/issues"),
    "get_issue": ("GET", f"{REPO}/issues/<int:number>"),
    "update_issue": ("PATCH", f"{REPO}/issues/<int:number>"),
    "list_comments": ("GET", f"{REPO}/issues/<int:number>/comments"),
    "create_comment": ("POST", f"{REPO}/issues/<int:number>/comments"),
    "get_comment": ("GET", f"{REPO}/issues/comments/<int:id>"),
    "update_comment": ("PATCH", f"{REPO}/issues/comments/<int:id>"),
    "delete_comment": ("DELETE", f"{REPO}/issues/comments/<int:id>"),
    "list_pulls": ("GET", f"{REPO}/pulls"),
    "create_pull": ("POST", f"{REPO}/pulls"),
    "get_pull": ("GET", f"{REPO}/pulls/<int:number>"),
    "permission": ("GET", f"{REPO}/collaborators/<username>/permission"),
    "create_status": ("POST", f"{REPO}/statuses/<sha>"),
    "list_artifacts": ("GET", f"{REPO}/actions/runs/<int:run>/artifacts"),
    "download_artifact": ("GET", f"{REPO}/actions/artifacts/<int:id>/zip"),
    "stored_artifact": ("GET", "/storage/<int:id>"),
    "dispatch": ("POST", f"{REPO}/dispatches"),
    "dispatch_workflow": ("POST", f"{REPO}/actions/workflows/<workflow>/dispatches"),
}
# What the job's token must have been given (`permissions:`) for an endpoint that changes something.
NEEDS = {
    "create_comment": ("issues", "pull-requests"),
    "update_comment": ("issues", "pull-requests"),
    "delete_comment": ("issues", "pull-requests"),
    "create_issue": ("issues",),
    "update_issue": ("issues", "pull-requests"),
    "create_status": ("statuses",),
    "create_pull": ("pull-requests",),
    "dispatch": ("contents",),
    "dispatch_workflow": ("actions",),
}


@dataclass
class Pull:
    """A pull request."""

    number: int
    head: str
    author: str = "ada"
    branch: str = "change"
    base: str = "b" * 40
    target: str = "main"
    head_repository: str = ""
    state: str = "open"


class GitHub(FakeServer):
    """The state of one repository and the server that shows it."""

    def __init__(self, repository: str = "octo/models", *, token: str = "job-token", port: int = 0) -> None:
        super().__init__(
            CONTRACT,
            ROUTES,
            port=port,
            prefixes=("/api/v3", "/api"),
            unchecked=frozenset({"viewer", "stored_artifact"}),
        )
        self.repository = repository
        self.token = token
        self.tokens = {token: BOT}
        self.grants = {"issues", "pull-requests", "statuses", "contents", "actions"}
        self.users = {BOT: (41898282, "Bot")}
        self.roles: dict[str, str] = {}
        self.pulls: dict[int, Pull] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.artifacts: list[tuple[int, str, bytes]] = []
        self.statuses: list[dict[str, Any]] = []
        self.dispatches: list[dict[str, Any]] = []
        self._ids = itertools.count(1001)
        self._ticks = itertools.count()

    # Set-up and inspection, as a person would do it on the web page.

    def add_user(self, login: str, role: str = "read", *, kind: str = "User") -> str:
        """Add a user with a role in the repository (``none`` for an outsider)."""
        self.users.setdefault(login, (len(self.users) + 1, kind))
        self.roles[login] = role
        return login

    def add_pull(self, number: int, head: str, **values: Any) -> Pull:
        """Open a pull request."""
        self.pulls[number] = Pull(number, head, **{"head_repository": self.repository, **values})
        self.users.setdefault(self.pulls[number].author, (len(self.users) + 1, "User"))
        return self.pulls[number]

    def comment(self, number: int, login: str, body: str, *, edited: bool = False) -> dict[str, Any]:
        """Write a comment as someone."""
        self.users.setdefault(login, (len(self.users) + 1, "User"))
        with self.lock:
            made, now = next(self._ids), self._now()
            self.comments[made] = {
                "id": made,
                "number": number,
                "login": login,
                "body": body,
                "created_at": now,
                "updated_at": self._now() if edited else now,
            }
            return self.comments[made]

    def bodies(self, number: int, login: str = BOT) -> list[str]:
        """Return the comments that someone wrote on a pull request."""
        with self.lock:
            found = [item for item in self.comments.values() if item["number"] == number]
        return [item["body"] for item in found if item["login"] == login]

    # The endpoints.

    def admit(self, request: Request, route: str, values: dict[str, Any]) -> str:
        """Return the login of the token, if it has the permission that the endpoint needs."""
        if route == "stored_artifact":
            return ""  # the address itself is the key, as of a signed one
        login = self.tokens.get(request.headers.get("Authorization", "").rpartition(" ")[2], "")
        if not login:
            raise RefusalError(401, "Bad credentials")
        if f"{values.pop('owner', '')}/{values.pop('repo', '')}" not in {self.repository, "/"}:
            raise RefusalError(404, "Not Found")
        needed = NEEDS.get(route, ())
        if needed and not self.grants.intersection(needed):
            accepted = "; ".join(f"{name.replace('-', '_')}=write" for name in needed)
            message = "Resource not accessible by integration"
            raise RefusalError(403, message, {"X-Accepted-GitHub-Permissions": accepted})
        return login

    def _viewer(self, request: Request, login: str, body: Any) -> Response:
        if body != {"query": "query { viewer { login databaseId } }"}:
            self.violations.append(f"GraphQL query that the fake does not know: {body}")
        return answer({"data": {"viewer": {"login": login, "databaseId": self.users[login][0]}}})

    def _user(self, request: Request, login: str, body: Any) -> Response:
        if self.users[login][1] == "Bot":
            raise RefusalError(403, "Resource not accessible by integration")
        return answer(self._person(login))

    def _repository(self, request: Request, login: str, body: Any) -> Response:
        return answer(CONTRACT.complete("full-repository", {"full_name": self.repository}))

    def _list_comments(self, request: Request, login: str, body: Any, number: int) -> Response:
        self._exists(number)
        found = [item for item in self.comments.values() if item["number"] == number]
        return page(request, found, self._comment)

    def _create_comment(self, request: Request, login: str, body: Any, number: int) -> Response:
        self._exists(number)
        self._check_length(body)
        return answer(self._comment(self.comment(number, login, body["body"])), 201)

    def _get_comment(self, request: Request, login: str, body: Any, id: int) -> Response:  # noqa: A002
        return answer(self._comment(self._found(id)))

    def _update_comment(self, request: Request, login: str, body: Any, id: int) -> Response:  # noqa: A002
        item = self._found(id)
        self._check_length(body)
        if item["login"] != login:
            self.violations.append(f"{login} overwrote the comment {id} of {item['login']}")
        item.update(body=body["body"], updated_at=self._now())
        return answer(self._comment(item))

    def _delete_comment(self, request: Request, login: str, body: Any, id: int) -> Response:  # noqa: A002
        item = self._found(id)
        if item["login"] != login:
            self.violations.append(f"{login} deleted the comment {id} of {item['login']}")
        del self.comments[id]
        return Response(status=204)

    def _list_pulls(self, request: Request, login: str, body: Any) -> Response:
        state, head = request.args.get("state", "open"), request.args.get("head", "")
        found = [
            pull
            for pull in self.pulls.values()
            if state in {"all", pull.state}
            and head in {"", f"{pull.head_repository.split('/')[0]}:{pull.branch}"}
        ]
        return page(request, found, lambda pull: self._pull(pull, "pull-request-simple"))

    def _create_pull(self, request: Request, login: str, body: Any) -> Response:
        number = max([0, *self.issues, *self.pulls]) + 1
        self.add_pull(number, "d" * 40, author=login, branch=body["head"], target=body["base"])
        # A pull request is an issue too, as far as its title and body go.
        self.issues[number] = {"number": number, "state": "open", "labels": [], "user": self._person(login), **{key: body[key] for key in ("title", "body")}, "pull_request": {"url": "https://api.github.example/pull", "html_url": "https://github.example/pull", "diff_url": "https://github.example/pull.diff", "patch_url": "https://github.example/pull.patch"}}  # fmt: skip
        return answer(self._pull(self.pulls[number], "pull-request"), 201)

    def _get_pull(self, request: Request, login: str, body: Any, number: int) -> Response:
        if number not in self.pulls:
            raise RefusalError(404, "Not Found")
        return answer(self._pull(self.pulls[number], "pull-request"))

    def _permission(self, request: Request, login: str, body: Any, username: str) -> Response:
        if username not in self.users:
            raise RefusalError(404, f"{username} is not a user")
        role = self.roles.get(username, "none")
        legacy = {"maintain": "write", "triage": "read"}.get(role, role)
        shown = {
            "permission": legacy,
            "role_name": role,
            "user": self._person(username, "nullable-collaborator"),
        }
        return answer(CONTRACT.complete("repository-collaborator-permission", shown))

    def _create_status(self, request: Request, login: str, body: Any, sha: str) -> Response:
        if len(body.get("description") or "") > 140:
            raise RefusalError(422, "description is too long (maximum is 140 characters)")
        self.statuses.append({"sha": sha, **body})
        made = {**body, "creator": self._person(login), "created_at": self._now(), "updated_at": self._now()}
        return answer(CONTRACT.complete("status", made), 201)

    def _list_artifacts(self, request: Request, login: str, body: Any, run: int) -> Response:
        name = request.args.get("name")
        found = [
            CONTRACT.complete(
                "artifact",
                {"id": id_, "name": kept, "size_in_bytes": len(data), "workflow_run": {"id": run}},
            )
            for id_, (of, kept, data) in enumerate(self.artifacts, 1)
            if of == run and name in {None, kept}
        ]
        return answer({"total_count": len(found), "artifacts": found})

    def _download_artifact(self, request: Request, login: str, body: Any, id: int) -> Response:  # noqa: A002
        return Response(status=302, headers={"Location": f"{self.url}/storage/{id}"})

    def _stored_artifact(self, request: Request, login: str, body: Any, id: int) -> Response:  # noqa: A002
        headers = {"Content-Disposition": f'attachment; filename="{self.artifacts[id - 1][1]}.zip"'}
        return Response(self.artifacts[id - 1][2], content_type="application/zip", headers=headers)

    def _list_issues(self, request: Request, login: str, body: Any) -> Response:
        state = request.args.get("state", "open")
        found = [issue for issue in self.issues.values() if state in {"all", issue["state"]}]
        return page(request, found, lambda issue: CONTRACT.complete("issue", issue))

    def _create_issue(self, request: Request, login: str, body: Any) -> Response:
        number = max([0, *self.issues, *self.pulls]) + 1
        labels = [{"name": str(label)} for label in body.get("labels", [])]
        self.issues[number] = {
            **{key: body[key] for key in ("title", "body") if key in body},
            "number": number,
            "html_url": f"https://github.example/{self.repository}/issues/{number}",
            "state": "open",
            "labels": labels,
            "user": self._person(login),
        }
        return answer(CONTRACT.complete("issue", self.issues[number]), 201)

    def _get_issue(self, request: Request, login: str, body: Any, number: int) -> Response:
        if number not in self.issues:
            raise RefusalError(404, "Not Found")
        return answer(CONTRACT.complete("issue", self.issues[number]))

    def _update_issue(self, request: Request, login: str, body: Any, number: int) -> Response:
        self._get_issue(request, login, body, number)
        self.issues[number].update({key: body[key] for key in ("title", "body", "state") if key in body})
        return self._get_issue(request, login, body, number)

    def _dispatch(self, request: Request, login: str, body: Any) -> Response:
        self.dispatches.append(body)
        return Response(status=204)

    def _dispatch_workflow(self, request: Request, login: str, body: Any, workflow: str) -> Response:
        self.dispatches.append({"workflow": workflow, **body})
        return Response(status=204)

    # Shapes.

    def _exists(self, number: int) -> None:
        if number not in self.pulls and number not in self.issues:
            raise RefusalError(404, "Not Found")

    def _found(self, id: int) -> dict[str, Any]:  # noqa: A002
        if id not in self.comments:
            raise RefusalError(404, "Not Found")
        return self.comments[id]

    def _check_length(self, body: Any) -> None:
        if len(body["body"]) > BODY_LIMIT:
            raise RefusalError(422, f"Body is too long (maximum is {BODY_LIMIT} characters)")

    def _now(self) -> str:
        return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._ticks))).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )

    def _person(self, login: str, schema: str = "simple-user") -> Any:
        number, kind = self.users[login]
        return CONTRACT.complete(schema, {"login": login, "id": number, "type": kind})

    def _comment(self, item: dict[str, Any]) -> Any:
        link = f"https://github.example/{self.repository}/pull/{item['number']}#issuecomment-{item['id']}"
        shown = {key: item[key] for key in ("id", "body", "created_at", "updated_at")}
        # The account of a comment may be deleted since.
        user = self._person(item["login"]) if item["login"] else None
        return CONTRACT.complete("issue-comment", {**shown, "html_url": link, "user": user})

    def _pull(self, pull: Pull, schema: str) -> Any:
        def side(repository: str, branch: str, sha: str) -> dict[str, Any]:
            owner = self._person(self.add_owner(repository))
            named = {"full_name": repository, "name": repository.rsplit("/", 1)[-1], "owner": owner}
            return {
                "label": f"{owner['login']}:{branch}",
                "ref": branch,
                "sha": sha,
                "repo": named,
                "user": owner,
            }

        return CONTRACT.complete(
            schema,
            {
                "number": pull.number,
                "html_url": f"https://github.example/{self.repository}/pull/{pull.number}",
                "state": pull.state,
                "user": self._person(pull.author),
                "head": side(pull.head_repository, pull.branch, pull.head),
                "base": side(self.repository, pull.target, pull.base),
            },
        )

    def add_owner(self, repository: str) -> str:
        """Return the login of a repository's owner, who exists from now on."""
        owner = repository.split("/", maxsplit=1)[0]
        self.users.setdefault(owner, (len(self.users) + 1, "User"))
        return owner


def main() -> None:
    """Serve until interrupted, with one pull request."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--repository", default="octo/models")
    parser.add_argument("--pull", type=int, default=1)
    parser.add_argument("--head", default="a" * 40)
    options = parser.parse_args()
    with GitHub(options.repository, port=options.port) as github:
        github.add_pull(options.pull, options.head)
        print(github.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
