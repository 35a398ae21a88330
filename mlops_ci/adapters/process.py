"""Runs other programs: as argument lists, each in its own session, which is cleaned up when it ends."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

GRACE = 4.0
"""Seconds between TERM and KILL: a cancelled GitHub job gives 7.5 s before it gets rough itself."""

_DRAIN = 0.5
_TICK = 0.2
_TAIL = 200
_CHUNK = 1 << 16


class TimedOutError(Exception):
    """The program did not end in time and was killed, with all that it had started."""

    def __init__(self, seconds: float, tail: Sequence[str]) -> None:
        super().__init__(f"timed out after {seconds:g} s")
        self.seconds = seconds
        self.tail = tuple(tail)


@dataclass(frozen=True, kw_only=True)
class Completed:
    """Result of a program that has ended.

    Attributes
    ----------
    returncode
        Its exit status; negative for a signal.
    stdout
        Its standard output where that was kept apart, else empty.
    tail
        The last lines that were streamed.
    wall, cpu
        Seconds; `cpu` counts the program and its children that have ended.
    """

    returncode: int
    stdout: bytes
    tail: tuple[str, ...]
    wall: float
    cpu: float


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    keep_stdout: bool = False,
) -> Completed:
    """Run a program to its end in its own session.

    SIGINT and SIGTERM that reach us meanwhile are passed on to all that the program started, which is
    killed `GRACE` seconds later; then they take effect here. What the program left running in the
    background is ended too: it would outlive the step that it belongs to.

    Parameters
    ----------
    environment
        The whole environment; nothing is inherited.
    timeout
        In seconds; None waits for ever.
    on_line
        Called with each line of output (standard output and error as they come), without its end.
    keep_stdout
        Keep standard output apart as bytes, and stream only standard error.

    Raises
    ------
    TimedOutError
        If it took longer than `timeout`.
    OSError
        If the program cannot be started.
    """
    started, cpu = time.monotonic(), _children_cpu()
    with _signals() as signals:
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keep_stdout else subprocess.STDOUT,
            start_new_session=True,
        )
        signals.group = child.pid
        output = _Output(child, on_line)
        try:
            deadline = None if timeout is None else started + timeout
            late = output.pump(lambda: signals.received is not None, deadline)
        finally:
            _end_group(child)
            output.close()
    if late and timeout is not None and signals.received is None:
        raise TimedOutError(timeout, output.tail)
    return Completed(
        returncode=child.returncode,
        stdout=b"".join(output.kept),
        tail=tuple(output.tail),
        wall=time.monotonic() - started,
        cpu=_children_cpu() - cpu,
    )


class _Output:
    """The pipes of one program: splits what comes into lines, keeps the last ones."""

    def __init__(self, child: subprocess.Popen[bytes], on_line: Callable[[str], None] | None) -> None:
        self.child = child
        self.on_line = on_line
        self.kept: list[bytes] = []
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        lines = child.stderr or child.stdout
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                self._selector.register(
                    pipe, selectors.EVENT_READ, self._split if pipe is lines else self._keep
                )

    def pump(self, stop: Callable[[], bool], deadline: float | None) -> bool:
        """Read until the program has ended (False), or until told to stop or the deadline (True)."""
        ended: float | None = None
        while self._selector.get_map():
            now = time.monotonic()
            if stop() or (deadline is not None and now >= deadline):
                return True
            if ended is None and self.child.poll() is not None:
                ended = now
            if ended is not None and now - ended > _DRAIN:
                break  # something in the background holds the pipe open
            wait = _TICK if deadline is None else min(_TICK, max(deadline - now, 0.0))
            self._read(wait)
        while self.child.poll() is None:
            if stop() or (deadline is not None and time.monotonic() >= deadline):
                return True
            time.sleep(0.005)
        return False

    def close(self) -> None:
        """Read what is left without waiting, and close the pipes."""
        while self._read(0.0):
            pass
        self._line(self._rest)
        self._rest = b""
        for key in list(self._selector.get_map().values()):
            self._drop(key.fileobj)
        self._selector.close()

    def _read(self, wait: float) -> bool:
        ready = self._selector.select(wait)
        for key, _ in ready:
            data = os.read(key.fd, _CHUNK)
            if data:
                key.data(data)
            else:
                self._drop(key.fileobj)
        return bool(ready)

    def _drop(self, pipe: Any) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    def _keep(self, data: bytes) -> None:
        self.kept.append(data)

    def _split(self, data: bytes) -> None:
        # Progress bars end their lines with a carriage return.
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line, empty=True)
        if len(self._rest) > _CHUNK:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes, *, empty: bool = False) -> None:
        if line or empty:
            text = line.decode("utf-8", errors="replace")
            self.tail.append(text[:2000])
            if self.on_line is not None:
                self.on_line(text)


class _Signals:
    """The SIGINT or SIGTERM that came while a program ran, and the group it is passed on to."""

    group: int | None = None
    received: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        if self.group is not None:
            _kill(self.group, number)


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Catch the signals that ask us to end while a program runs; let them take effect afterwards."""
    signals = _Signals()
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for caught, former in previous.items():
            signal.signal(caught, former)
        if signals.received is not None:
            handler = previous[signals.received]
            if callable(handler):
                handler(signals.received, None)
            elif handler is not signal.SIG_IGN:
                # The default of SIGTERM would end us without cleaning up.
                raise SystemExit(128 + signals.received)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End all that is left of the program's session's group: TERM, then KILL; and reap the program."""
    if _kill(child.pid, signal.SIGTERM):
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            child.poll()
            if not _kill(child.pid, 0):
                break
            time.sleep(0.02)
        _kill(child.pid, signal.SIGKILL)
    child.wait()


def _kill(group: int, number: int) -> bool:
    """Send a signal to a process group; False if nothing of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
