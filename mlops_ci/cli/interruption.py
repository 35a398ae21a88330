"""Ends a run in order when it is interrupted: a cancelled job, a full disk."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from mlops_ci.errors import MlopsCiError, ServiceError

if TYPE_CHECKING:
    from mlops_ci.core.report import Report, Source

_MACHINE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than is allowed here",
    errno.EROFS: "the file system is read-only",
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Cancelled(SystemExit):
    """The job was cancelled; the exit code is the shell's, 128 plus the signal."""


@contextmanager
def cancellable() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block in order, once.

    GitHub's runner sends INT, 7.5 s later TERM, 2.5 s later KILL. What comes second must not break the
    report of what came first.
    """

    def handle(number: int, _: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise Cancelled(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, handle) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, former in before.items():
            signal.signal(one, former)


def cancelled(model: str, source: Source) -> Report:
    """Return the report of a cancelled check: no verdict, and never a pass."""
    from mlops_ci.core.report import Report  # noqa: PLC0415 (`--help` needs no reports)
    from mlops_ci.core.verdict import Result  # noqa: PLC0415

    return Report(
        command="check",
        model=model,
        verdict=Result.ERROR,
        exit_code=ServiceError.exit_code,
        headline=f"{model}: cancelled before there was a verdict",
        summary="The job was cancelled, so this says nothing about the model.",
        next_step="Run the job again.",
        source=source,
    )


def machine_problem(error: OSError) -> MlopsCiError | None:
    """Return the problem of this machine (such as a full disk) as our error; None for any other error."""
    said = _MACHINE.get(error.errno or 0)
    if said is None:
        return None
    where = f", at {error.filename}" if error.filename else ""
    return ServiceError("this machine", f"{said}{where}", remedy="Make room, then run this again.")
