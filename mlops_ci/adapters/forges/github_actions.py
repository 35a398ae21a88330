"""GitHub Actions' runner: the event, outputs, the job summary, and commands in the log."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mlops_ci.errors import UsageError

SUMMARY_LIMIT = 1024 * 1024  # bytes a step


class ActionsConsole:
    """Progress in the log of a GitHub Actions job.

    Our own lines can carry foreign text (a branch's name, a metric's), so a command in them is
    broken; foreign output is passed on with commands stopped by a token that it cannot know.

    Parameters
    ----------
    stream
        The runner reads commands from both; stderr by default, so that stdout stays the report's.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._stopped: str | None = None

    def info(self, text: str) -> None:
        """Print one or more lines."""
        self._resume()
        for line in text.splitlines() or [""]:
            self._write(harmless(line))

    def warn(self, text: str, *, title: str = "") -> None:
        """Print a warning, as an annotation of the run."""
        self._command("warning", text, title=title)

    def error(self, text: str, *, title: str = "") -> None:
        """Print why the check fails, as an annotation of the run."""
        self._command("error", text, title=title)

    def mask(self, value: str) -> None:
        """Have the runner hide a value in the log, line by line."""
        for line in value.splitlines():
            if line.strip():
                self._command("add-mask", line)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Group the output inside the block under a title."""
        self._command("group", title)
        try:
            yield
        finally:
            self._command("endgroup", "")

    def untrusted(self, line: str) -> None:
        """Print untrusted output with workflow commands disarmed."""
        if self._stopped is None:
            token = secrets.token_hex(16)
            self._write(f"::stop-commands::{token}")
            self._stopped = token
        self._write(line.rstrip("\r\n"))

    def _resume(self) -> None:
        if self._stopped is not None:
            self._write(f"::{self._stopped}::")
            self._stopped = None

    def _command(self, name: str, message: str, **properties: str) -> None:
        self._resume()
        given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        self._write(f"::{name}{' ' if given else ''}{given}::{_data(message)}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def harmless(line: str) -> str:
    """Disarm what the runner would take for a command: ``::`` at the start, ``##[`` anywhere."""
    line = line.replace("##[", "## [")
    return re.sub(r"^(\s*):(?=:)", r"\1: ", line)


def inert(text: str, form: str, env: Mapping[str, str]) -> str:
    """Return what is for standard output so that the runner, which reads it too, sees no command in it.

    A long sentence is folded, so that foreign words (a slice's name, a failed stage's) may begin a line.
    """
    if env.get("GITHUB_ACTIONS") != "true":
        return text
    if form == "json":
        return text.replace("##[", "#\\u0023[")  # the same text to whoever reads the JSON
    return re.sub(r"[^\r\n]+", lambda line: harmless(line[0]), text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def event(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the event that started the workflow; empty if there is none.

    Raises
    ------
    UsageError
        If GITHUB_EVENT_PATH names a file that is not a JSON object.
    """
    path = env.get("GITHUB_EVENT_PATH", "")
    if not path or not Path(path).exists():
        return {}
    try:
        payload = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error})", remedy="unset GITHUB_EVENT_PATH") from error
    if not isinstance(payload, dict):
        raise UsageError(f"{path}: not a JSON object", remedy="unset GITHUB_EVENT_PATH")
    return payload


def set_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Set outputs for later steps, by file; each value has a random delimiter, since it may hold anything.

    Raises
    ------
    ValueError
        If a name could not be an output's.
    """
    path = env.get("GITHUB_OUTPUT", "")
    if not path:
        return
    lines = []
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
            raise ValueError(f"{name!r} is not a valid name of an output")
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        lines.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    with Path(path).open("a", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write("".join(lines))


def write_summary(env: Mapping[str, str], *bodies: str) -> int | None:
    """Append the first body that fits to the job summary; return its path, or None if none fits."""
    path = env.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        return None
    file = Path(path)
    left = SUMMARY_LIMIT - (file.stat().st_size if file.exists() else 0)
    for place, body in enumerate(bodies):
        # Invalid surrogates (from a file name) cannot be written as UTF-8.
        data = body.encode("utf-8", "replace") + b"\n\n"
        if len(data) <= left:
            with file.open("ab") as summary:
                summary.write(data)
            return place
    return None
