"""The DVC remote: fetches objects and finds missing ones, with a configuration that the change cannot edit.

A pull request's ``.dvc/config`` may name a program that hands out credentials, or another remote; its
.dvc files may import from a repository with a config of its own. So the process that holds the remote's
credential never sees the pull request's project. It works in a scratch project that we write: the trusted
config, and one .dvc file that lists checksums. It shares the project's cache directory, which is all that
changes; the work tree stays whole even if we are killed meanwhile.
"""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from mlops_ci.adapters import process
from mlops_ci.adapters.dvc.cache import total_size
from mlops_ci.adapters.dvc.config import DvcConfig
from mlops_ci.adapters.dvc.graph import Tracked
from mlops_ci.adapters.dvc.run import Command, Dvc, failure
from mlops_ci.adapters.ports import Console
from mlops_ci.errors import MlopsCiError, ServiceError, UsageError

_KEPT = ("md5", "size", "nfiles", "hash", "remote", "cloud", "files", "etag", "version_id")
FORGE = ("GITHUB_", "ACTIONS_", "RUNNER_TOKEN", "INPUT_", "CI_JOB_TOKEN", "MLFLOW_", "MLOPS_CI_")
_TRANSFER = re.compile(r"failed to transfer '\S+' - (.*)")
# Of a file that an HTTP server does not have, DVC says only the address.
_MISSING = re.compile(
    r"No such file|Not Found|NoSuchKey|\b404\b|does not exist|^https?://\S+$", re.IGNORECASE
)
PATIENCE = 300.0
"""Seconds that one call of DVC on the remote may take, with two more for each MB that is fetched.

DVC's storage libraries try many times, a minute each: without this a store that hangs holds a check for
`pipeline.timeout`, an hour.
"""
_PER_MB = 2.0
_REMEDY = "Check the remote's address and credential with `dvc fetch`, then run this again."


class Remote:
    """The remote of one project.

    Parameters
    ----------
    root
        The project's directory.
    cache
        Its cache directory, where objects are fetched to.
    config
        The text of the config in force: the target branch's, or the project's own where that is trusted.
    local
        True to add the user's ``.dvc/config.local``.
    command, environment
        How DVC is called, with the remote's credential.
    timeout
        Seconds that a call may take at the most, whatever its size.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        root: Path,
        cache: Path,
        config: str,
        local: bool,
        command: Command,
        environment: Mapping[str, str],
        console: Console,
        timeout: float,
    ) -> None:
        self.root = root
        self.cache = cache
        self.command = command
        self.environment = {name: value for name, value in environment.items() if not name.startswith(FORGE)}
        self.console = console
        self.timeout = timeout
        folder = root / ".dvc"
        path = folder / "config.local"
        self._levels = [DvcConfig(config, folder)]
        if local and path.is_file():
            self._levels.append(DvcConfig(path.read_text(encoding="utf-8"), folder))

    def configured(self) -> bool:
        """Return whether there is a remote at all, in the project or in the user's own settings."""
        home = Path(self.environment.get("HOME", "/nonexistent"))
        folder = Path(self.environment.get("XDG_CONFIG_HOME") or home / ".config") / "dvc"
        own = Path(self.environment.get("DVC_GLOBAL_CONFIG_DIR") or folder) / "config"
        return any(level.remotes() for level in self._levels) or own.is_file()

    def fetch(self, wanted: Sequence[Tracked]) -> None:
        """Download objects into the cache; those that the remote does not have are left out.

        Raises
        ------
        ServiceError
            If the remote does not answer.
        UsageError
            If its plugin is not installed.
        """
        with self._scratch(wanted) as dvc:
            try:
                done = dvc.call("fetch", "objects.dvc")
            except process.TimedOutError as error:
                raise ServiceError(
                    "DVC remote", f"the fetch did not end within {dvc.timeout:.0f} s", remedy=_REMEDY
                ) from error
        if done.returncode != 0 and not _only_missing(done.tail):
            raise _answer(failure(done), done.tail)

    def lacks(self, wanted: Sequence[Tracked]) -> list[str]:
        """Return the paths that the remote lacks, or has incompletely; only listings are downloaded.

        Raises
        ------
        ServiceError
            If the remote does not answer.
        """
        with self._scratch(wanted) as dvc:
            try:
                # Without --granular a directory counts as there when only its listing is.
                said = dvc.json("data", "status", "--not-in-remote", "--granular")
            except process.TimedOutError as error:
                raise ServiceError(
                    "DVC remote", f"no answer in {dvc.timeout:.0f} s", remedy=_REMEDY
                ) from error
            except MlopsCiError as error:
                raise _answer(error, [error.problem]) from error
        missing: dict[str, None] = {}
        for path in said.get("not_in_remote", ()) if isinstance(said, dict) else ():
            folder, index, *inner = path.rstrip("/").split("/")
            known = wanted[int(index)].path if folder == "o" else path.rstrip("/")
            missing["/".join([known, *inner])] = None
        if missing:
            self.check_reachable()
        return list(missing)

    def listings(self, folders: Sequence[Tracked]) -> list[dict[str, str]]:
        """Return the MD5 of each folder's files by path; empty where the remote has no listing."""
        found: list[dict[str, str]] = [{} for _ in folders]
        with self._scratch(folders) as dvc:
            try:
                said = dvc.json("ls", ".", "-R", "--dvc-only", "--show-hash")
            except (process.TimedOutError, MlopsCiError):
                return found  # what is not known is fetched, and says then why it cannot be
        for one in said if isinstance(said, list) else ():
            top, index, *inner = one["path"].split("/")
            if top == "o" and inner and one.get("md5"):
                found[int(index)]["/".join(inner)] = one["md5"]
        return found

    def check_reachable(self) -> None:
        """Distinguish "unreachable" from "missing": DVC reports both as files that do not exist.

        Raises
        ------
        ServiceError
            If a remote's directory does not exist, or its host takes no connection.
        """
        for level in self._levels:
            for endpoint in level.endpoints():
                _reach(endpoint)

    @contextmanager
    def _scratch(self, wanted: Sequence[Tracked]) -> Iterator[Dvc]:
        with tempfile.TemporaryDirectory(prefix="mlops-ci-fetch-") as name:
            scratch = Path(name)
            (scratch / ".dvc").mkdir()
            overrides = {
                ("core", "no_scm"): "true",
                ("core", "analytics"): "false",
                ("core", "site_cache_dir"): str(scratch / "site"),
                ("cache", "dir"): str(self.cache),
            }
            for level, file in zip(self._levels, ("config", "config.local"), strict=False):
                (scratch / ".dvc" / file).write_text(level.relocated(overrides), encoding="utf-8")
            outs = [_entry(index, one) for index, one in enumerate(wanted)]
            (scratch / "objects.dvc").write_text(yaml.safe_dump({"outs": outs}), encoding="utf-8")
            patience = min(self.timeout, PATIENCE + _PER_MB * total_size(wanted) / 1e6)
            yield Dvc(self.command, scratch, self.environment, self.console, patience)


def _entry(index: int, tracked: Tracked) -> dict[str, object]:
    """Describe one object for the scratch project: by checksum, under a name of ours."""
    kept = {key: tracked.entry[key] for key in _KEPT if key in tracked.entry}
    # A cloud-versioned remote stores files under their own names.
    versioned = "cloud" in kept or "files" in kept
    return {**kept, "path": tracked.path if versioned else f"o/{index}"}


def _only_missing(lines: Sequence[str]) -> bool:
    """Return whether the only failures are missing objects, such as a file of a directory."""
    reasons = [match[1] for line in lines if (match := _TRANSFER.search(line))]
    return bool(reasons) and all(_MISSING.search(reason) for reason in reasons)


def _answer(error: MlopsCiError, lines: Sequence[str]) -> MlopsCiError:
    """Return DVC's failure as a ServiceError, unless it is for the user to fix."""
    if isinstance(error, (UsageError, ServiceError)):
        return error
    said = [line for line in lines if line.startswith("ERROR")] or [line for line in lines if line.strip()]
    problem = said[-1].removeprefix("ERROR: ") if said else "it does not answer"
    return ServiceError("DVC remote", problem, remedy=_REMEDY)


def _reach(endpoint: str) -> None:
    if "://" not in endpoint:
        if not Path(endpoint).is_dir():
            raise ServiceError("DVC remote", f"the directory {endpoint} does not exist", remedy=_REMEDY)
        return
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=10).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError("DVC remote", f"{parts.hostname}:{port}: {reason}", remedy=_REMEDY) from error
