"""The ledger on a git branch: compare-and-set by `git push`, from a bare repository of our own."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from mlops_ci.adapters.git_remote import GitCommand, last_words, remote_environment, without_login
from mlops_ci.adapters.mlflow.errors import public
from mlops_ci.core.bundle import folder_name
from mlops_ci.core.ledger import BrokenLedgerError, Entry, History, extended, parse
from mlops_ci.errors import ConflictError, EvidenceError, MlopsCiError, ServiceError

BRANCH = "mlops-ci-ledger"
_TIMEOUT = 60
_TRIES = 30
_ATTEMPTS = 3
_FETCHED = "refs/remotes/ledger"
# git says these when another push came first; everything else that a remote rejects is a refusal.
_RACES = (
    *("(fetch first)", "(non-fast-forward)", "(stale info)", "cannot lock ref", "failed to update ref"),
    *("incorrect old value", "reference already exists", "unable to update local ref"),
)
_DENIED = re.compile(
    r"authentication failed|could not read username|error: 40[13]\b|permission denied|denied to",
    re.IGNORECASE,
)


class GitLedger:
    """Histories of all models on one branch of a git remote; implements the port `Ledger`.

    Git runs in a bare directory that is ours, so the user's checkout, hooks, file system monitor and
    configuration play no part. The remote needs nothing but git: GitHub, GitLab or a bare repository.

    Parameters
    ----------
    url
        Address of the remote, or a path.
    folder
        A directory that does not exist yet, for our clone of the branch.
    token
        Sent as the password to an https remote; it stands in no argument list and in no file.
    now
        The clock of the commits; order never depends on it.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        branch: str = BRANCH,
        token: str | None = None,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        url, token = without_login(url, token)
        self.url = url
        self.branch = branch
        self._folder = folder
        self._now = now
        self._known: str | None = None
        self._reference = f"refs/heads/{branch}"
        self._git = GitCommand(
            folder,
            remote_environment(url, token, environ),
            path=environ.get("PATH"),
            options=("gc.auto=0",),
            timeout=_TIMEOUT,
        )

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        return f"{public(self.url)} ({self.branch})"

    def read(self, model: str) -> History:
        """Return a model's history as the remote has it now.

        Raises
        ------
        ServiceError
            If the remote does not answer, or denies access.
        EvidenceError
            If the history is broken.
        """
        return self._history(self._tip(), model)

    def append(self, history: History, entry: Entry) -> History:
        """Append an entry if the history has not changed; return the history as the remote then has it.

        The entry is in it, or nothing was written: a push whose answer was lost is found by its nonce.

        Raises
        ------
        ConflictError
            If the model's history has grown meanwhile: read it, decide again.
        ServiceError
            If the remote does not answer, or does not let us write.
        """
        trouble, broken = "", 0
        for attempt in range(_TRIES):
            # What was read last is tried first: where it is old, the push fails and the next try reads.
            tip = self._known if attempt == 0 and self._known else self._tip()
            now = self._history(tip, entry.model)
            if now.holds(entry.nonce):
                return now
            if now.head != history.head:
                raise ConflictError(
                    "the ledger",
                    f"the history of '{entry.model}' changed at the same time",
                    remedy="Run this again: it decides against the new champion.",
                )
            if attempt:
                # The other models' writers are in step with us otherwise.
                time.sleep(random.uniform(0, 0.05 * min(attempt, 10)))  # noqa: S311 (not a secret)
            trouble = self._push(self._commit(tip, entry, extended(now, entry)))
            self._known = None
            # A race is lost and run again often; a remote that breaks is asked as often as for reading.
            broken += bool(trouble) and not _raced(trouble)
            if broken == _ATTEMPTS and not self._history(self._tip(), entry.model).holds(entry.nonce):
                break
        raise ServiceError(
            "the ledger", f"{self.address} takes no entry: {trouble}", remedy="Try again later."
        )

    def _history(self, tip: str | None, model: str) -> History:
        if tip is None:
            return History()
        place = f"{folder_name(model)}.jsonl"
        # Only a file that is not there is an empty history; git that fails to read one is not.
        if not self._git.checked("ls-tree", "--name-only", tip, "--", place):
            return History()
        done = self._git.run("cat-file", "blob", f"{tip}:{place}")
        if done.returncode:
            said = last_words(done.stderr.decode(errors="replace"))
            raise ServiceError("the ledger", f"cannot read {place} of {self.address}: {said}")
        try:
            return parse(done.stdout, model)
        except BrokenLedgerError as error:
            raise EvidenceError(
                f"the ledger of '{model}' at {self.address} is broken: {error}",
                remedy=f"Restore the branch '{self.branch}' from a clone or the forge's log of pushes; "
                "see docs/ledger.md.",
            ) from None

    def _tip(self) -> str | None:
        """Return the commit that the remote's branch names now, fetched; None if there is no branch."""
        if not self._folder.exists():
            self._git.checked("init", "--quiet", "--bare", str(self._folder), cwd=self._folder.parent)
        self._known = None
        for _ in range(_TRIES):
            said = self._asked().split()
            if not said:
                return None
            tip = said[0]
            if self._git.run("cat-file", "-e", f"{tip}^{{tree}}").returncode == 0:
                self._known = tip
                return tip
            # By name: not every server hands out a commit by its SHA. It may move meanwhile, or go.
            self._git.run("update-ref", "-d", _FETCHED)
            options = ("--quiet", "--no-tags", "--depth=1", "--force", "--no-write-fetch-head")
            self._remote("fetch", *options, "--", self.url, f"+{self._reference}:{_FETCHED}")
            fetched = self._git.run("rev-parse", "--verify", "--quiet", _FETCHED).stdout.decode().strip()
            if fetched:
                self._known = fetched
                return fetched
        raise ServiceError("the ledger", f"{self.address} changes faster than it can be read")

    def _commit(self, tip: str | None, entry: Entry, text: bytes) -> str:
        """Write the commit that adds an entry to the branch; return its SHA."""
        message = f"{entry.event} {entry.phase}: {entry.model} {entry.to_version or ''}".strip().encode()
        stamp = int(self._now().timestamp())
        head = f"commit refs/heads/next\ncommitter mlops-ci <mlops-ci@localhost> {stamp} +0000\n".encode()
        head += b"data %d\n%s\n" % (len(message), message)
        head += f"from {tip}\n".encode() if tip else b""
        body = f"M 100644 inline {folder_name(entry.model)}.jsonl\n".encode() + b"data %d\n" % len(text)
        if tip is None:
            self._git.run("update-ref", "-d", "refs/heads/next")
        self._git.checked("fast-import", "--quiet", "--force", stdin=head + body + text + b"\n")
        return self._git.checked("rev-parse", "--verify", "refs/heads/next")

    def _push(self, commit: str) -> str:
        """Push a commit; return the reason if it failed, else an empty string.

        A refusal is raised; whether it did arrive is for the caller to read.
        """
        done = self._git.run("push", "--porcelain", "--quiet", "--", self.url, f"{commit}:{self._reference}")
        said = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode == 0 or _raced(said):
            return "" if done.returncode == 0 else last_words(said)
        if "[remote rejected]" in said or "[rejected]" in said:
            raise ServiceError(
                "the ledger",
                f"{self.address} refuses the push: {last_words(said)}",
                remedy=f"Let this job push to '{self.branch}' (GitHub: `contents: write`, and a ruleset that "
                "allows it); see docs/ledger.md.",
            )
        if self._denied(said):
            raise self._access(said)
        return last_words(said)

    def _asked(self) -> str:
        """Ask the remote for the branch's tip; empty text only where a git server says that there is none.

        To git a portal's page with status 200 is a server of plain files that has no branches, and exit
        status 0: so that such a page is not taken for an empty ledger, the server must have spoken git's
        protocol.
        """
        packets = self._folder.absolute() / "packets"

        def spoken() -> bool:
            return packets.exists() and b"ls-remote< " in packets.read_bytes()

        packets.unlink(missing_ok=True)
        asked = ("ls-remote", "--", self.url, self._reference)
        return self._remote(*asked, answered=spoken, more={"GIT_TRACE_PACKET": str(packets)})

    def _remote(
        self,
        *arguments: str,
        answered: Callable[[], bool] = lambda: True,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Call git on the remote, again where it does not answer."""
        said = ""
        for attempt in range(_ATTEMPTS):
            done = self._git.run(*arguments, more=more)
            if done.returncode == 0 and (done.stdout or answered()):
                return done.stdout.decode(errors="replace")
            said = done.stderr.decode(errors="replace") or "it does not answer as a git server does"
            if "couldn't find remote ref" in said:
                return ""
            if self._denied(said):
                raise self._access(said)
            if attempt + 1 < _ATTEMPTS:
                time.sleep(0.5 * 3**attempt)
        raise ServiceError(
            "the ledger",
            f"cannot read {self.address}: {last_words(said)}",
            remedy="Check the address; try again.",
        )

    def _denied(self, said: str) -> bool:
        return _DENIED.search(said) is not None

    def _access(self, said: str) -> MlopsCiError:
        return ServiceError(
            "the ledger",
            f"{self.address} denies access: {last_words(said)}",
            remedy="Give a token (GitHub: `contents: write`) or SSH key that may write, and is not expired.",
        )


def _raced(said: str) -> bool:
    return any(sign in said for sign in _RACES)
