"""Ends from outside: the runner's cancel schedule, a full or read-only disk, no home, two checks at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo, search_path
from fakes.github import GitHub
from fakes.runner import Runner

SLOW = """\
import time
from pathlib import Path

Path("models").mkdir(exist_ok=True)
(Path("models") / "half.json").write_text("{")
print("training for long", flush=True)
{before}
time.sleep(120)
"""


@pytest.fixture
def repo(tmp_path: Path, champion_template: DvcRepo) -> DvcRepo:
    """A repository with a champion, on a branch that makes a model as good."""
    made = copy_dvc_repo(champion_template, tmp_path / "guarded")
    made.git("switch", "-qc", "change")
    made.write("README.md", "A change.\n")
    made.commit()
    return made


def environment(repo: DvcRepo, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "MLFLOW_", "MLOPS_CI_"))}
    return {
        **kept,
        "PATH": search_path(),
        "MLFLOW_TRACKING_URI": f"sqlite:///{repo.root.parent / 'mlflow.db'}",
        **more,
    }


def command(verb: str = "check") -> list[str]:
    return [sys.executable, "-m", "mlops_ci", verb]


def run(repo: DvcRepo, env: Mapping[str, str], *, before: str = "", verb: str = "check") -> Any:
    """Run a verb as its own process; `before` is shell that sets the stage in a mount namespace of its own."""
    line = command(verb)
    if before:
        line = ["unshare", "-m", "sh", "-c", f'{before} && exec "$@"', "sh", *line]
    return subprocess.run(
        line, cwd=repo.root, env=env, capture_output=True, text=True, timeout=120, check=False
    )


can_mount = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs the right to mount",
)


@contextmanager
def checking(
    repo: DvcRepo, github: GitHub, tmp_path: Path, stage: str
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a check on pull request 7 whose training takes long; yield it once the stage runs, and its log."""
    repo.write("src/train.py", SLOW.replace("{before}", stage))
    repo.commit("train for long")
    pull = github.pulls[7]
    pull.head, pull.base = repo.git("rev-parse", "HEAD"), repo.git("rev-parse", "origin/main")
    runner = Runner(github, tmp_path / "runner")
    env = environment(repo, TMPDIR=str(tmp_path / "tmp"), **runner.env, MLOPS_CI_GITHUB_TOKEN="job-token")
    (tmp_path / "tmp").mkdir()
    log = tmp_path / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(), cwd=repo.root, env=env, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while "training for long" not in log.read_text() and time.monotonic() < end:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield process, log
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def schedule(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Cancel as GitHub's runner does: INT, TERM after 7.5 s, KILL 2.5 s later; return exit code and seconds."""
    start = time.monotonic()
    for number, patience in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5)):
        process.send_signal(number)
        try:
            return process.wait(patience), time.monotonic() - start
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait(10), time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", ["", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"], ids=["willing", "deaf"]
)
def test_a_cancelled_check_says_so_and_leaves_nothing_half_done(
    repo: DvcRepo, github: GitHub, tmp_path: Path, stage: str
) -> None:
    lock = (repo.root / "dvc.lock").read_bytes()
    with checking(repo, github, tmp_path, stage) as (process, log):
        code, took = schedule(process)
    assert (code, took < 10.0) == (130, True), log.read_text()[-2000:]
    (body,) = github.bodies(7)
    assert "cancelled before there was a verdict" in body
    assert "mlops_ci/" not in log.read_text(), "a traceback of ours"  # the stage's own is its business
    assert (repo.root / "dvc.lock").read_bytes() == lock
    assert list((tmp_path / "tmp").iterdir()) == []
    # The locks are free: the next check in the same place works.
    repo.git("checkout", "-q", "HEAD~1")
    repo.git("checkout", "-q", "-B", "change")
    again = run(repo, environment(repo))
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.slow
@can_mount
def test_a_full_disk_is_said_and_nothing_is_half_written(repo: DvcRepo, tmp_path: Path) -> None:
    # Room for the probe by which Python chooses its temporary folder, and for no more.
    small = tmp_path / "small"
    small.mkdir()
    full = f"mount -t tmpfs -o size=64k tmpfs {small} && head -c 57344 /dev/zero > {small}/full"
    done = run(repo, environment(repo, TMPDIR=str(small)), before=full)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the disk is full" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert run(repo, environment(repo)).returncode == 0


@pytest.mark.slow
@can_mount
def test_a_checkout_on_a_full_disk_is_said(repo: DvcRepo, tmp_path: Path) -> None:
    repo.write("params.yaml", "train:\n  threshold: 0.51\n")
    repo.commit("something to run")
    team, place = repo.root.parent, tmp_path / "disk"
    place.mkdir()
    size = sum(path.stat().st_size + 4096 for path in team.rglob("*") if path.is_file()) // 1024 + 4096
    full = f"mount -t tmpfs -o size={size}k tmpfs {place} && cp -a {team}/. {place} && cd {place}/work"
    full += f" && (head -c 999999999 /dev/zero > {place}/full 2>/dev/null || true)"
    done = run(repo, environment(repo), before=full)
    assert done.returncode in (4, 5), done.stdout + done.stderr
    assert "No space left on device" in done.stdout + done.stderr or "is full" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@can_mount
def test_a_read_only_checkout_is_said(repo: DvcRepo) -> None:
    read_only = (
        f"mount --bind {repo.root} {repo.root} && mount -o remount,ro,bind {repo.root} && cd {repo.root}"
    )
    repo.write("params.yaml", "train:\n  threshold: 0.51\n")
    repo.commit("something to run")
    done = run(repo, environment(repo), before=read_only)
    assert done.returncode in (4, 5), done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())  # a terminal's lines are wrapped
    assert "ead-only file system" in said, said
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_no_home_directory_is_needed(repo: DvcRepo) -> None:
    env = environment(repo)
    env.pop("HOME", None)
    done = run(repo, env)
    assert done.returncode == 0, done.stdout + done.stderr
    nowhere = run(repo, {**env, "HOME": "/nonexistent/home"})
    assert nowhere.returncode == 0, nowhere.stdout + nowhere.stderr


@pytest.mark.slow
def test_two_checks_in_one_workspace_never_mix(repo: DvcRepo) -> None:
    repo.write("params.yaml", "train:\n  threshold: 0.51\n")
    repo.commit("something to run")
    both = [
        subprocess.Popen(
            command(),
            cwd=repo.root,
            env=environment(repo),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    assert set(codes) <= {0, 4, 5}, said
    for code, text in zip(codes, said, strict=True):
        assert "Traceback" not in text
        assert code == 0 or "another DVC process" in text, text
    assert run(repo, environment(repo)).returncode == 0
