"""GitLab: the notes of a merge request, and the sections of a job's log."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from mlops_ci.adapters.forges import sticky
from mlops_ci.adapters.forges.terminal import TerminalConsole
from mlops_ci.adapters.http import Client, RefusedError


class SectionConsole(TerminalConsole):
    """Progress in a job's log, with groups as sections that GitLab folds."""

    def __init__(self, stream: TextIO | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(stream if stream is not None else sys.stderr, env={"NO_COLOR": "1"})
        self._now = now
        self._sections = 0

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Group the output inside the block under a title."""
        self._sections += 1
        name = f"mlops_ci_{self._sections}"
        plain = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", title)
        self._stream.write(
            f"\x1b[0Ksection_start:{int(self._now())}:{name}[collapsed=true]\r\x1b[0K{plain}\n"
        )
        self._stream.flush()
        try:
            yield
        finally:
            self._stream.write(f"\x1b[0Ksection_end:{int(self._now())}:{name}\r\x1b[0K\n")
            self._stream.flush()


class MergeRequestNotes:
    """The notes of one merge request; implements `sticky.Board`."""

    def __init__(self, client: Client, merge_request: str, address: str) -> None:
        self._client = client
        self._notes = f"{merge_request}/notes"
        self._address = address
        self._me: int | None = None

    def mine(self) -> list[sticky.Note]:
        """Return the notes that our token's identity wrote, over all pages."""
        if self._me is None:
            self._me = int(self._client.get("/user")["id"])
        found = self._client.pages(self._notes, sort="asc", order_by="created_at")
        return [self._note(item) for item in found if (item.get("author") or {}).get("id") == self._me]

    def read(self, note: int) -> sticky.Note | None:
        """Return a note, or None if it is gone."""
        item = unless_gone(lambda: self._client.get(f"{self._notes}/{note}"))
        return self._note(item) if item else None

    def create(self, body: str) -> sticky.Note:
        """Write a note."""
        return self._note(self._client.send("POST", self._notes, {"body": body}))

    def update(self, note: int, body: str) -> bool:
        """Update a note; return False if it is gone."""
        return bool(unless_gone(lambda: self._client.send("PUT", f"{self._notes}/{note}", {"body": body})))

    def delete(self, note: int) -> None:
        """Delete a note, if it is still there."""
        unless_gone(lambda: self._client.send("DELETE", f"{self._notes}/{note}"))

    def _note(self, item: Mapping[str, Any]) -> sticky.Note:
        number = int(item["id"])
        return sticky.Note(id=number, body=item.get("body") or "", url=f"{self._address}#note_{number}")


def unless_gone(call: Callable[[], Any]) -> Any:
    """Return the answer, or None if the resource does not exist (any more)."""
    try:
        return call()
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
