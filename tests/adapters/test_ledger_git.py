"""The ledger on real git remotes: one winner, nothing lost, and every fault said clearly."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fakes.fault_proxy import Fault, FaultProxy, make_certificates
from fakes.git_server import GitServer
from ledger_parts import MODEL, bare_remote, git, intent, ledger

from mlops_ci.adapters.git_remote import GitCommand
from mlops_ci.adapters.ledger import BRANCH, GitLedger
from mlops_ci.core.ledger_state import state_of
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_remote(tmp_path)


def test_a_history_grows_on_its_own_branch(remote: Path) -> None:
    one, other = ledger(remote), ledger(remote)
    empty = one.read(MODEL)
    assert (empty.entries, empty.head) == ((), "")
    first = one.append(empty, intent("1"))
    second = other.append(other.read(MODEL), intent("2"))
    assert second.digests[:1] == first.digests
    assert state_of(one.read(MODEL)).champion == "2"
    assert git(remote, "branch", "--list", "--format=%(refname:short)") == BRANCH
    assert git(remote, "rev-list", "--count", BRANCH) == "2"


def test_of_two_that_read_the_same_history_the_first_wins(remote: Path) -> None:
    one, other = ledger(remote), ledger(remote)
    seen = one.append(one.read(MODEL), intent("1"))
    one.append(seen, intent("2"))
    with pytest.raises(ConflictError, match="changed at the same time"):
        other.append(seen, intent("3"))
    assert [entry.to_version for entry in other.read(MODEL).entries] == ["1", "2"]


def test_two_that_begin_a_history_at_once_do_not_both_win(remote: Path) -> None:
    one, other = ledger(remote), ledger(remote)
    empty = one.read(MODEL)
    one.append(empty, intent("1"))
    with pytest.raises(ConflictError):
        other.append(empty, intent("1"))


def test_another_models_entry_is_no_conflict(remote: Path) -> None:
    one, other = ledger(remote), ledger(remote)
    mine, theirs = one.read(MODEL), other.read("fraud/ranker")
    one.append(mine, intent("1"))
    assert state_of(other.append(theirs, intent("5", model="fraud/ranker"))).champion == "5"
    assert state_of(one.read(MODEL)).champion == "1"
    assert len(git(remote, "ls-tree", "--name-only", BRANCH).splitlines()) == 2


def test_a_push_whose_answer_was_lost_is_found_and_not_repeated(
    remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ledger(remote)
    push = GitLedger._push
    lost: list[str] = []

    def losing(self: GitLedger, commit: str) -> str:
        said = push(self, commit)
        if not lost:
            lost.append(commit)
            return "fatal: the remote end hung up unexpectedly"
        return said

    monkeypatch.setattr(GitLedger, "_push", losing)
    history = writer.append(writer.read(MODEL), intent("1", nonce="mine"))
    assert lost
    assert [entry.nonce for entry in history.entries] == ["mine"]
    assert git(remote, "rev-list", "--count", BRANCH) == "1"


def test_with_one_identity_and_a_stopped_clock_only_one_of_eight_wins_each_round(remote: Path) -> None:
    def stopped() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    writers = [ledger(remote, now=stopped) for _ in range(8)]

    def attempt(writer: GitLedger, seen: object, number: int) -> str | None:
        entry = intent(str(number), actor="bot")
        try:
            writer.append(seen, entry)  # type: ignore[arg-type]
        except ConflictError:
            return None
        return entry.nonce

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(3):
            seen = writers[0].read(MODEL)
            futures = [pool.submit(attempt, writer, seen, round_) for writer in writers]
            winners = [future.result() for future in futures if future.result()]
            now = writers[0].read(MODEL)
            assert len(winners) == 1
            assert [entry.nonce for entry in now.entries][-1:] == winners
            assert len(now.entries) == round_ + 1


# Faults


def test_a_protected_branch_is_said_to_be_one(remote: Path) -> None:
    writer = ledger(remote)
    history = writer.append(writer.read(MODEL), intent("1"))
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ServiceError, match=r"refuses the push.*(?s:.*)contents: write") as refused:
        writer.append(history, intent("2"))
    assert "GH006" in str(refused.value)
    assert len(writer.read(MODEL).entries) == 1


def test_a_history_that_git_fails_to_read_is_not_an_empty_one(
    remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ledger(remote)
    one.append(one.read(MODEL), intent("1"))
    run = GitCommand.run

    def killed(self: GitCommand, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        if arguments[:2] == ("cat-file", "blob"):
            return subprocess.CompletedProcess(arguments, -9, b"", b"")
        return run(self, *arguments, **more)

    monkeypatch.setattr(GitCommand, "run", killed)
    with pytest.raises(ServiceError, match="cannot read"):
        one.read(MODEL)


def test_a_rewritten_line_is_an_error_that_names_it(remote: Path, tmp_path: Path) -> None:
    writer = ledger(remote)
    writer.append(writer.append(writer.read(MODEL), intent("1")), intent("2"))
    git(tmp_path, "clone", "-q", "-b", BRANCH, str(remote), "forger")
    forger = tmp_path / "forger"
    file = next(forger.glob("*.jsonl"))
    file.write_text(file.read_text().replace('"to_version":"1"', '"to_version":"8"'))
    git(forger, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qam", "forged")
    git(forger, "push", "-q", "origin", BRANCH)
    with pytest.raises(EvidenceError, match="line 2 does not follow the line before it"):
        writer.read(MODEL)


def test_a_history_that_was_pushed_back_is_seen_by_who_has_read_it(remote: Path) -> None:
    writer = ledger(remote)
    first = writer.append(writer.read(MODEL), intent("1"))
    second = writer.append(first, intent("2"))
    git(remote, "update-ref", f"refs/heads/{BRANCH}", git(remote, "rev-parse", f"{BRANCH}~1"))
    assert writer.read(MODEL).digests == first.digests
    with pytest.raises(ConflictError):
        writer.append(second, intent("3"))


def test_a_missing_remote_is_a_service_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_ci.adapters.ledger.time.sleep", lambda _: None)
    with pytest.raises(ServiceError, match=r"cannot read .*nowhere.git \(mlops-ci-ledger\)"):
        ledger(tmp_path / "nowhere.git").read(MODEL)


def test_the_users_hooks_and_settings_play_no_part(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "-q", str(remote), str(checkout))
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    for name in ("pre-push", "post-commit", "reference-transaction"):
        shutil.copy(script, checkout / ".git" / "hooks" / name)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f'[core]\n  hooksPath = {tmp_path}\n  fsmonitor = {script}\n[url "/nowhere"]\n  insteadOf = {remote}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.chdir(checkout)
    writer = ledger(remote)
    writer.append(writer.read(MODEL), intent("1"))
    assert not trap.exists()
    assert subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True).stdout == b""
    assert BRANCH not in git(checkout, "branch", "--all")


@contextmanager
def recording_server() -> Iterator[tuple[str, list[str | None]]]:
    """Serve 401 to everything, and keep the credentials that were sent."""
    seen: list[str | None] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("in_address", [False, True])
def test_a_token_is_sent_as_a_header_and_stands_nowhere_else(tmp_path: Path, *, in_address: bool) -> None:
    secret = "s3cret-t0ken"
    with recording_server() as (place, seen):
        url = f"http://bot:{secret}@{place}/a.git" if in_address else f"http://{place}/a.git"
        token = None if in_address else secret
        writer = GitLedger(url, tmp_path / "clone", token=token)
        with pytest.raises(ServiceError, match="denies access") as denied:
            writer.read(MODEL)
    login = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    assert seen[0] == f"Basic {login}"
    assert secret not in str(denied.value) + writer.url + " ".join(writer._git.command)
    written = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    assert not any(secret.encode() in path.read_bytes() for path in written)


@pytest.mark.parametrize("mode", ["html", "429"])
def test_a_portals_page_is_not_taken_for_an_empty_ledger(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("mlops_ci.adapters.ledger.time.sleep", lambda _: None)
    with GitServer(tmp_path, writers=[""]) as server, FaultProxy(server.url) as proxy:
        reader = GitLedger(f"{proxy.url}/remote.git", tmp_path / "reader")
        assert reader.read(MODEL).entries == ()
        proxy.arm(Fault(mode, 0))
        with pytest.raises(ServiceError, match="the ledger: cannot read"):
            reader.read(MODEL)
        assert len(proxy.seen) >= 3
        proxy.arm(Fault(mode, 0, 1))
        assert reader.read(MODEL).entries == ()


def test_a_forges_own_authority_is_trusted_where_the_environment_names_it(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_ci.adapters.ledger.time.sleep", lambda _: None)
    make_certificates(tmp_path)
    known = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(tmp_path / "authority.pem")}
    with (
        GitServer(tmp_path, writers=[""]) as server,
        FaultProxy(server.url, certificates=tmp_path) as proxy,
    ):
        url = f"{proxy.url}/remote.git"
        assert GitLedger(url, tmp_path / "knows", environ=known).read(MODEL).entries == ()
        with pytest.raises(ServiceError, match=r"the ledger: cannot read .*certificate"):
            GitLedger(url, tmp_path / "knows not").read(MODEL)
        proxy.arm(Fault("expired", 0))
        with pytest.raises(ServiceError, match=r"the ledger: cannot read .*certificate"):
            GitLedger(url, tmp_path / "sees", environ=known).read(MODEL)
