"""A GitLab that holds one merge request: notes, pages of them, members, and outages."""

from __future__ import annotations

import json
import threading
from itertools import count
from pathlib import Path
from typing import Any, Self

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

HEAD, BASE = "a" * 40, "b" * 40
BOT, AUTHOR, MAINTAINER, GUEST, OTHER_BOT = 1, 2, 3, 4, 6
NAMES = {
    BOT: "project_bot",
    AUTHOR: "ann",
    MAINTAINER: "max",
    GUEST: "guy",
    OTHER_BOT: "project_5_bot_4ffca2",
}
ACCESS = {AUTHOR: 40, MAINTAINER: 40, GUEST: 10, BOT: 30, OTHER_BOT: 30}
PROJECT = "/api/v4/projects/5"
NOTES = f"{PROJECT}/merge_requests/7/notes"


class GitLab:
    """Serves the API on a port of this machine while it is entered."""

    def __init__(self) -> None:
        self.notes: dict[int, dict[str, Any]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.pipelines: list[dict[str, Any]] = []
        self.proposals: dict[int, dict[str, Any]] = {}
        self.refusals: dict[str, Any] = {}
        self.broken = False
        self.readonly = False
        self._ids = count(1)
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            "GITLAB_CI": "true", "CI_API_V4_URL": f"http://127.0.0.1:{self._server.server_port}/api/v4", "CI_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": HEAD, "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_PIPELINE_ID": "90", "CI_JOB_ID": "91", "CI_JOB_URL": "http://gitlab.example/acme/shop/-/jobs/91", "CI_PROJECT_URL": "http://gitlab.example/acme/shop",
            "CI_PROJECT_DIR": str(folder),
        }  # fmt: skip

    def write(self, author: int, body: str, *, edited: bool = False) -> int:
        number = next(self._ids)
        created = "2026-11-23T05:00:00.000Z"
        self.notes[number] = {
            "id": number, "body": body, "system": False, "author": {"id": author, "username": NAMES[author]},
            "created_at": created, "updated_at": created if not edited else "2026-11-23T05:01:00.000Z",
        }  # fmt: skip
        return number

    def bodies(self, author: int = BOT) -> list[str]:
        return [note["body"] for note in self.notes.values() if note["author"]["id"] == author]

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if self.broken:
            return _json({"message": "502 Bad Gateway"}, 502)
        if request.headers.get("Authorization") != "Bearer t":
            return _json({"message": "401 Unauthorized"}, 401)
        if self.readonly and request.method != "GET":
            return _json({"message": "403 Forbidden"}, 403)
        path = request.path
        if path == "/api/v4/user":
            return _json({"id": BOT, "username": NAMES[BOT]})
        if path.startswith("/api/v4/projects/5/members/all/"):
            who = int(path.rsplit("/", 1)[1])
            return (
                _json({"id": who, "state": "active", "access_level": ACCESS[who]})
                if who in ACCESS
                else _json({}, 404)
            )
        if path == "/api/v4/projects/5/merge_requests/7":
            return _json({
                "iid": 7, "sha": HEAD, "author": {"username": NAMES[AUTHOR]}, "diff_refs": {"base_sha": BASE}, "target_branch": "main",
                "source_project_id": 5, "target_project_id": 5,
            })  # fmt: skip
        for kind, kept, key in (
            ("issues", self.issues, "description"),
            ("merge_requests", self.proposals, "source_branch"),
        ):
            if path.startswith(f"{PROJECT}/{kind}") and not path.startswith(NOTES):
                return self._kept(request, kept, kind, key)
        if path == f"{PROJECT}/pipeline" and "pipeline" in self.refusals:
            return _json({"message": self.refusals["pipeline"]}, 400)
        if path == f"{PROJECT}/pipeline":
            self.pipelines.append(request.get_json())
            return _json(
                {
                    "id": 900 + len(self.pipelines),
                    "web_url": "http://gitlab.example/acme/shop/-/pipelines/901",
                },
                201,
            )
        if path == NOTES:
            return (
                self._list(request)
                if request.method == "GET"
                else _json(self.notes[self.write(BOT, request.get_json()["body"])], 201)
            )
        return (
            self._one(request, int(path.rsplit("/", 1)[1]))
            if path.startswith(NOTES)
            else _json({"message": "404 Not found"}, 404)
        )

    def _kept(self, request: Request, kept: dict[int, dict[str, Any]], kind: str, needed: str) -> Response:
        """Serve a list of things that are opened, changed and closed."""
        tail = request.path.removeprefix(f"{PROJECT}/{kind}").strip("/")
        body = request.get_json(silent=True) or {}
        if request.method == "GET":
            branch = request.args.get("source_branch")
            return _json(
                [
                    one
                    for one in kept.values()
                    if one["state"] == "opened" and branch in (None, one.get("source_branch"))
                ]
            )
        if request.method == "POST":
            if needed not in body:
                return _json({"message": f"{needed} is missing"}, 400)
            number = len(kept) + 1
            kept[number] = {
                "iid": number,
                "state": "opened",
                "web_url": f"http://gitlab.example/acme/shop/-/{kind}/{number}",
                "author": {"id": BOT},
                **body,
            }
            return _json(kept[number], 201)
        state = {"close": "closed", "reopen": "opened"}.get(
            body.pop("state_event", ""), kept[int(tail)]["state"]
        )
        kept[int(tail)] |= {**body, "state": state}
        return _json(kept[int(tail)])

    def _list(self, request: Request) -> Response:
        per, page = int(request.args.get("per_page", 20)), int(request.args.get("page", 1))
        shown = list(self.notes.values())
        response = _json(shown[(page - 1) * per : page * per])
        if page * per < len(shown):
            response.headers["Link"] = f'<{request.base_url}?page={page + 1}&per_page={per}>; rel="next"'
        return response

    def _one(self, request: Request, number: int) -> Response:
        if number not in self.notes:
            return _json({"message": "404 Not found"}, 404)
        if request.method == "DELETE":
            del self.notes[number]
            return Response(status=204)
        if request.method == "PUT":
            self.notes[number]["body"] = request.get_json()["body"]
        return _json(self.notes[number])


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, mimetype="application/json")
