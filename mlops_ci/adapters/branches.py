"""Writes commits and branches without touching the user's work tree or index, and pushes them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlops_ci.adapters.git_remote import GitCommand, last_words, remote_environment, without_login
from mlops_ci.errors import ServiceError


class GitBranches:
    """Implements the port `Branches` on the repository at `root`.

    Parameters
    ----------
    root
        The repository's top directory.
    url
        Where branches are published; None keeps them in this repository, as on a laptop.
    token
        Sent as the password to an https remote; it stands in no argument list and in no file.
    """

    def __init__(
        self,
        root: Path,
        *,
        url: str | None = None,
        token: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        plain, token = without_login(url, token) if url else (None, token)
        self.url = plain
        self._git = GitCommand(
            root,
            remote_environment(plain or "", token, environ),
            path=environ.get("PATH"),
            options=(f"safe.directory={root}",),
        )

    def commit(self, base: str, files: Mapping[str, bytes], message: str) -> str:
        """Return the SHA of a commit on a base that changes only these files; nothing points at it yet.

        It has its base's date: the same change is the same commit, and publishing it again changes nothing.
        """
        with tempfile.TemporaryDirectory(prefix="mlops-ci-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git.checked("read-tree", base, more=index)
            for path, content in files.items():
                blob = self._git.checked("hash-object", "-w", "--stdin", stdin=content)
                self._git.checked("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", more=index)
            tree = self._git.checked("write-tree", more=index)
        who = {"NAME": "mlops-ci", "EMAIL": "mlops-ci@localhost"}
        who["DATE"] = self._git.checked("show", "--no-patch", "--format=%cI", f"{base}^{{commit}}")
        named = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        return self._git.checked("commit-tree", tree, "-p", base, "-m", message, more=named)

    def publish(self, branch: str, commit: str) -> bool:
        """Point a branch at a commit and push it, replacing an earlier branch of that name, which is ours.

        Return whether the branch is new.
        """
        name = f"refs/heads/{branch}"
        if self.url is None:
            new = self._git.run("show-ref", "--verify", "--quiet", name).returncode != 0
            self._git.checked("update-ref", name, commit)
            return new
        new = not self._git.run("ls-remote", "--", self.url, name).stdout.strip()
        self._push(f"+{commit}:{name}")
        return new

    def drop(self, branch: str) -> None:
        """Remove a branch that we published."""
        if self.url is None:
            self._git.checked("update-ref", "-d", f"refs/heads/{branch}")
            return
        self._push(f":refs/heads/{branch}")

    def _push(self, what: str) -> None:
        done = self._git.run("push", "--porcelain", "--quiet", "--", self.url or "", what)
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise ServiceError(
                "git",
                f"the branch could not be pushed: {last_words(said)}",
                remedy="Let this job push branches (GitHub: `contents: write`).",
            )
