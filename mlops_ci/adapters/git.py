"""Read-only access to the git repository of the change; its hooks and configured commands are never run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from mlops_ci.errors import UsageError

_TIMEOUT = 120
_FETCH_ALL = "Check out the whole history: `fetch-depth: 0` in actions/checkout, or `git fetch --unshallow`."


class GitRepository:
    """A work tree, by its top directory; implements the port `Repository`.

    Stages of the pipeline may write to ``.git/config``, so hooks, the file system monitor, every transport
    (a partial clone would fetch lazily), the user's and the system's settings are off, replaced objects are
    not followed, and the absolute path of git is fixed before a stage runs.

    Parameters
    ----------
    path
        A directory in the work tree.
    environ
        Where git is looked up (PATH).

    Raises
    ------
    UsageError
        If there is no git, or `path` is not in a work tree.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        git = shutil.which("git", path=environ.get("PATH"))
        if git is None:
            raise UsageError("git is not installed", remedy="Install git, or put it on PATH.")
        start = path.resolve()
        root = next((one for one in (start, *start.parents) if (one / ".git").exists()), None)
        if root is None:
            raise UsageError(
                f"{path} is not in a git repository",
                remedy="Run mlops-ci in the repository's checkout (actions/checkout before it).",
            )
        self.root = root
        self._command = [
            str(Path(git).absolute()),
            *("-c", "core.hooksPath=/dev/null"),
            *("-c", "core.fsmonitor=false"),
            *("-c", "protocol.allow=never"),
            # In a container the checkout may belong to another user; only this directory is trusted.
            *("-c", f"safe.directory={root}"),
        ]
        self._environment = {
            "PATH": environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_LAZY_FETCH": "1",
        }

    def head(self) -> str:
        """Return the full SHA of HEAD; a UsageError if there is no commit yet."""
        sha = self.resolve("HEAD")
        if sha is None and (self.root / ".git").stat().st_uid != os.geteuid():
            raise UsageError(
                f"git does not read {self.root}: it belongs to another user",
                # Before 2.38 git takes safe.directory from files alone, which a stage could write to.
                remedy="Use git 2.38 or later in this container, or give the checkout to the user of the job:"
                " `chown -R $(id -u) .`",
            )
        if sha is None:
            raise UsageError("the repository has no commit yet", remedy="Commit, then run mlops-ci again.")
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the full SHA of the commit that a revision names, or None if there is none."""
        if not revision or revision.startswith("-"):
            return None
        done = self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def target_tip(self, branch: str | None) -> tuple[str, str] | None:
        """Return name and SHA of the target branch's tip: the remote's where there is one.

        With None the default branch is looked for. None if no such branch exists.

        Raises
        ------
        UsageError
            If it is missing from a shallow clone.
        """
        candidates = [branch] if branch is not None else self._default_branches()
        for name in candidates:
            for reference in (f"refs/remotes/origin/{name}", f"refs/heads/{name}"):
                sha = self.resolve(reference)
                if sha is not None:
                    return name, sha
        if self.is_shallow():
            wanted = f"the target branch '{branch}'" if branch else "the target branch"
            raise UsageError(f"{wanted} is not in this shallow clone", remedy=_FETCH_ALL)
        return None

    def read(self, revision: str, path: str) -> bytes | None:
        """Return a file at a revision, or None if it does not exist there.

        Raises
        ------
        UsageError
            If the path is a symbolic link there (it could point at anything), or its content is missing.
        """
        sha = self._known(revision)
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise UsageError(f"'{path}' is not a path in the repository", remedy="Give a relative path.")
        listed = self._text("ls-tree", "-z", "--full-tree", sha, "--", str(PurePosixPath(path)))
        if not listed:
            return None
        mode, kind, blob = listed.split("\t", 1)[0].split()
        if mode == "120000":
            raise UsageError(
                f"{path} is a symbolic link in {revision[:12]}", remedy="Commit the file itself, not a link."
            )
        if kind != "blob":
            return None
        done = self._run("cat-file", "blob", blob)
        if done.returncode != 0:
            raise UsageError(
                f"git has no content of {path} at {revision[:12]}",
                remedy="Check out without `filter:` (a partial clone lacks files).",
            )
        return done.stdout

    def export(self, revision: str, paths: Sequence[str], into: Path) -> None:
        """Write some of the files at a revision below a directory; links and what is not there are left out.

        Parameters
        ----------
        paths
            Relative to the repository, as of `paths`.
        """
        wanted = set(paths)
        listed = self._text("ls-tree", "-r", "-z", "--full-tree", self._known(revision))
        found: list[tuple[str, str]] = []
        for line in listed.split("\0"):
            about, _, path = line.partition("\t")
            if path in wanted and about.split()[0] in ("100644", "100755"):
                found.append((path, about.split()[2]))
        blobs = self._run("cat-file", "--batch", sent="".join(f"{blob}\n" for _, blob in found)).stdout
        for path, _ in found:
            header, _, rest = blobs.partition(b"\n")
            if header.endswith(b" missing"):
                blobs = rest
                continue
            size = int(header.split()[2])
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(rest[:size])
            blobs = rest[size + 1 :]

    def paths(self, revision: str) -> list[str]:
        """List all files at a revision, sorted."""
        listed = self._text("ls-tree", "-r", "-z", "--full-tree", "--name-only", self._known(revision))
        return sorted(path for path in listed.split("\0") if path)

    def changed(self, base: str, head: str) -> list[str]:
        """Return the paths that differ between the merge base of the two and head, sorted."""
        start = self.merge_base(base, head)
        options = ("-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
        listed = self._text("diff-tree", *options, start, head)
        return sorted(path for path in listed.split("\0") if path)

    def message(self, revision: str) -> str:
        """Return the message of a commit."""
        return self._text("show", "--no-patch", "--no-show-signature", "--format=%B", self._known(revision))

    def merge_base(self, one: str, other: str) -> str:
        """Return the SHA of the best common ancestor of two revisions.

        Raises
        ------
        UsageError
            If a revision is unknown, or there is none (as in a shallow clone).
        """
        shas = [self.resolve(revision) for revision in (one, other)]
        if None not in shas:
            done = self._run("merge-base", *(sha for sha in shas if sha))
            if done.returncode == 0:
                return done.stdout.decode().split()[0]
        if None in shas or self.is_shallow():
            raise UsageError(
                f"git cannot find where {other[:12]} left {one[:12]}: the history is not here",
                remedy=_FETCH_ALL,
            )
        raise UsageError(
            f"{other[:12]} and {one[:12]} have no common history", remedy="Rebase the change onto its target."
        )

    def remote_url(self, name: str = "origin") -> str | None:
        """Return the address of a remote as it is set up, or None if there is none."""
        done = self._run("config", "--get", f"remote.{name}.url")
        return done.stdout.decode().strip() or None if done.returncode == 0 else None

    def is_shallow(self) -> bool:
        """Return whether the clone lacks history."""
        return self._text("rev-parse", "--is-shallow-repository").strip() == "true"

    def files(self, *, below: Path | None = None) -> list[str]:
        """List tracked files and new ones that are not ignored, relative to `below` (or the root), sorted."""
        listed = self._text(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=below or self.root
        )
        return sorted({path for path in listed.split("\0") if path})

    def _known(self, revision: str) -> str:
        sha = self.resolve(revision)
        if sha is None:
            raise UsageError(f"git does not know the revision '{revision}'", remedy=_FETCH_ALL)
        return sha

    def _default_branches(self) -> list[str]:
        done = self._run("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
        named = done.stdout.decode().strip().removeprefix("refs/remotes/origin/")
        return [*([named] if done.returncode == 0 else []), "main", "master"]

    def _text(self, *arguments: str, cwd: Path | None = None) -> str:
        done = self._run(*arguments, cwd=cwd)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise UsageError(f"git {arguments[0]} failed: {said[-500:]}", remedy="Run `git fsck`.")
        return done.stdout.decode(errors="surrogateescape")

    def _run(
        self, *arguments: str, cwd: Path | None = None, sent: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        command: Sequence[str] = [*self._command, *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self._environment,
            input=sent.encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
