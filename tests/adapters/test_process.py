"""Running programs: output, time limits, signals, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_ci.adapters import process

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def shell(script: str, folder: Path, **options: object) -> process.Completed:
    return process.run(["sh", "-c", script], cwd=folder, environment=ENVIRONMENT, **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


def gone(pid: int, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def test_lines_are_streamed_in_order_and_kept(tmp_path: Path) -> None:
    seen: list[str] = []
    done = shell(
        "echo one; echo two >&2; printf 'a\\rb\\r\\n\\377 last'; exit 3", tmp_path, on_line=seen.append
    )
    assert seen == ["one", "two", "a", "b", "\ufffd last"]
    assert done.tail == tuple(seen)
    assert done.returncode == 3
    assert done.stdout == b""
    assert done.wall > 0


def test_standard_output_can_be_kept_apart(tmp_path: Path) -> None:
    done = shell("head -c 300000 /dev/zero; echo problem >&2", tmp_path, keep_stdout=True)
    assert len(done.stdout) == 300_000
    assert done.tail == ("problem",)


def test_only_the_last_lines_are_kept_and_a_line_without_end_is_cut(tmp_path: Path) -> None:
    assert shell("seq 1000", tmp_path).tail == tuple(str(n) for n in range(801, 1001))
    seen: list[str] = []
    shell("head -c 1000000 /dev/zero | tr '\\0' x", tmp_path, on_line=seen.append)
    assert sum(map(len, seen)) == 1_000_000
    assert max(map(len, seen)) <= 200_000


def test_the_environment_is_only_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    assert "A_SECRET" not in "\n".join(shell("env", tmp_path).tail)


def test_cpu_time_counts_children(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    done = process.run(
        ["sh", "-c", f'"{sys.executable}" -c "{burn}"; true'], cwd=tmp_path, environment=ENVIRONMENT
    )
    assert 0.25 < done.cpu < 3


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(process.TimedOutError, match=r"0\.5 s") as caught:
        shell("sleep 60 & echo $! > pid; echo waiting; wait", tmp_path, timeout=0.5)
    assert caught.value.tail == ("waiting",)
    assert time.monotonic() - started < 5
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_ignores_term_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.3)
    with pytest.raises(process.TimedOutError):
        shell("trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done", tmp_path, timeout=0.5)
    assert gone(int((tmp_path / "pid").read_text()))


def test_background_processes_do_not_outlive_the_program(tmp_path: Path) -> None:
    started = time.monotonic()
    done = shell("sleep 60 & echo $! > pid; echo done", tmp_path)
    assert done.returncode == 0
    assert done.tail == ("done",)
    assert time.monotonic() - started < 5
    assert gone(int((tmp_path / "pid").read_text()))


def test_no_zombie_is_left(tmp_path: Path) -> None:
    shell("true", tmp_path)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["no-such-program"], cwd=tmp_path, environment=ENVIRONMENT)


PARENT = """\
import os, pathlib, signal, sys
from mlops_ci.adapters import process
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
try:
    process.run(["sh", "-c", {script!r}], cwd=pathlib.Path("."), environment=dict(os.environ))
except KeyboardInterrupt:
    print("interrupted", flush=True); sys.exit(7)
finally:
    print("cleaned", flush=True)
"""
SLEEPER = "trap 'echo got-signal > note; exit 1' INT TERM; echo $$ > pid; sleep 60 & wait"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 7)])
def test_signals_are_passed_on_and_then_take_effect(tmp_path: Path, number: int, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(script=SLEEPER)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        until = time.monotonic() + 20
        while (
            not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until
        ):
            time.sleep(0.02)
        child = int((tmp_path / "pid").read_text())
        parent.send_signal(number)
        output, _ = parent.communicate(timeout=20)
    assert parent.returncode == status
    assert "cleaned" in output
    assert (tmp_path / "note").read_text() == "got-signal\n"
    assert gone(child)
