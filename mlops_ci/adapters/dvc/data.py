"""Data versioned by DVC: updates the pointer in git, pushes the data, and verifies that the remote has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlops_ci.adapters import process
from mlops_ci.adapters.dvc.remote import FORGE
from mlops_ci.adapters.dvc.run import Dvc, find_dvc
from mlops_ci.adapters.ports import Console
from mlops_ci.errors import EvidenceError, ServiceError, UsageError

_REMEDY = "Check the remote's address and credential with `dvc push`, then run this again."


class DvcData:
    """Implements the port `DataVersions` in one DVC project.

    Parameters
    ----------
    root
        The repository's top directory, which paths are relative to.
    folder
        The project's directory (that of ``.dvc``).
    timeout
        Of one call, in seconds.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        console: Console,
        *,
        timeout: float = 3600,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._root = root
        self._folder = folder
        # The forge's and the registry's tokens are none of DVC's business.
        environment = {name: value for name, value in environ.items() if not name.startswith(FORGE)}
        self._environment = {**environment, "DVC_NO_ANALYTICS": "1"}
        self._console = console
        self._timeout = timeout

    def pointer(self, path: str) -> str:
        """Return the pointer file of a path; see `DataVersions.pointer`."""
        name = path if path.endswith(".dvc") else f"{path}.dvc"
        if (self._root / name).is_file():
            return name
        lock = self._folder / "dvc.lock"
        made = yaml.safe_load(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
        stages = made.get("stages", {}) if isinstance(made, dict) else {}
        inner = os.path.relpath(self._root / path, self._folder)
        for stage, one in stages.items():
            if any(out.get("path") == inner for out in one.get("outs", ())):
                raise UsageError(
                    f"{path} is made by the stage '{stage}'", remedy="update what the stage reads instead"
                )
        raise UsageError(
            f"{path} is not tracked by DVC: there is no {name}",
            remedy=f"track it once: dvc add {path}, and commit {name}",
        )

    def imported(self, path: str) -> bool:
        """Return whether it was brought by ``dvc import`` or ``dvc import-url``."""
        return bool(self._read(path).get("deps"))

    def update(self, path: str) -> None:
        """Update the pointer: fetch an import anew, or add a file as it is."""
        pointer = self._relative(self.pointer(path))
        words = ("update", pointer) if self.imported(path) else ("add", self._relative(self._data(path)))
        done = self._call(*words)
        if done.returncode:
            raise EvidenceError(
                f"`dvc {words[0]} {words[1]}` failed: {_last(done)}", remedy="run it by hand to see why"
            )

    def push(self, path: str) -> None:
        """Push the data to the remote, and verify that it is there."""
        pointer = self._relative(self.pointer(path))
        done = self._call("push", pointer)
        if done.returncode:
            raise ServiceError("DVC remote", f"`dvc push {pointer}` failed: {_last(done)}", remedy=_REMEDY)
        # `dvc push` ends well with "Everything is up to date" where it has nothing to push from.
        said = self._dvc().json("data", "status", "--not-in-remote", "--granular")
        lacking = [name.rstrip("/") for name in said.get("not_in_remote", ())]
        data = self._relative(self._data(path))
        missing = [name for name in lacking if name == data or name.startswith(f"{data}/")]
        if missing:
            raise EvidenceError(
                f"the remote does not have {', '.join(missing[:5])} after `dvc push`", remedy=_REMEDY
            )

    def restore(self, path: str) -> None:
        """Check out the data that the pointer names, from the cache."""
        self._call("checkout", "--force", self._relative(self.pointer(path)))

    def _data(self, path: str) -> str:
        """Return the path of the data that a pointer is about."""
        pointer = self.pointer(path)
        outs = self._read(path).get("outs") or [{}]
        return (Path(pointer).parent / str(outs[0].get("path", ""))).as_posix()

    def _read(self, path: str) -> dict[str, Any]:
        place = self._root / self.pointer(path)
        try:
            read = yaml.safe_load(place.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise EvidenceError(f"{place.name} cannot be read: {error}") from None
        return read if isinstance(read, dict) else {}

    def _relative(self, path: str) -> str:
        return Path(os.path.relpath(self._root / path, self._folder)).as_posix()

    def _dvc(self) -> Dvc:
        command = find_dvc(self._environment)
        return Dvc(command, self._folder, self._environment, self._console, self._timeout)

    def _call(self, *arguments: str) -> process.Completed:
        try:
            return self._dvc().call(*arguments)
        except process.TimedOutError as error:
            raise ServiceError("DVC", f"`dvc {arguments[0]}`: {error}", remedy="try again later") from None


def _last(done: process.Completed) -> str:
    said = [line for line in done.tail if line.startswith("ERROR")] or [line for line in done.tail if line]
    return " ".join(said[-2:]).removeprefix("ERROR: ")[:300]
