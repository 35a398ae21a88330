"""DVC's local cache: checks that tracked paths are complete in it, and copies them to the work tree.

Done here rather than by `dvc checkout` for the few paths that a gate reads: a call of DVC costs half a
second, and what is put in place is checked on its way.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from mlops_ci.adapters.dvc.graph import Tracked
from mlops_ci.errors import PipelineError


class Cache:
    """The cache directory of a project.

    Parameters
    ----------
    folder
        As `dvc_config.cache_directory` finds it.
    root
        The project's directory.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root

    def whole(self, tracked: Tracked) -> bool:
        """Return whether a tracked path (with all its files, if a directory) is in the cache."""
        if not self._object(tracked, tracked.checksum).is_file():
            return False
        if not tracked.checksum.endswith(".dir"):
            return True
        return not self._spoiled(tracked, tracked.checksum) and all(
            self._object(tracked, md5).is_file() for _, md5 in self._listing(tracked)
        )

    def files(self, tracked: Tracked) -> dict[str, str] | None:
        """Return the MD5 of a tracked folder's files by path; None if its listing is not here."""
        if not tracked.checksum.endswith(".dir") or not self._object(tracked, tracked.checksum).is_file():
            return None
        if self._spoiled(tracked, tracked.checksum):
            return None
        return {relative.as_posix(): md5 for relative, md5 in self._listing(tracked)}

    def drop_spoiled(self, tracked: Sequence[Tracked]) -> list[Tracked]:
        """Remove corrupt objects, whose content does not match their name; return the paths that need them.

        DVC believes what a remote hands out: a portal's page with status 200 becomes an object.
        """
        return [one for one in tracked if self._drop_spoiled(one)]

    def _drop_spoiled(self, tracked: Tracked) -> bool:
        names = [tracked.checksum]
        if tracked.checksum.endswith(".dir") and self._object(tracked, tracked.checksum).is_file():
            whole = not self._spoiled(tracked, tracked.checksum)
            names += [md5 for _, md5 in self._listing(tracked)] if whole else []
        spoiled = [self._object(tracked, name) for name in names if self._spoiled(tracked, name)]
        for path in spoiled:
            path.unlink(missing_ok=True)
        return bool(spoiled)

    def _spoiled(self, tracked: Tracked, checksum: str) -> bool:
        path = self._object(tracked, checksum)
        known = tracked.entry.get("hash") == "md5" and path.is_file()
        return known and md5_of(path) != checksum.removesuffix(".dir")

    def place(self, tracked: Tracked) -> None:
        """Copy a tracked path from the cache to its place in the work tree.

        Raises
        ------
        PipelineError
            If the cached bytes are not those of the checksum, or the path would leave the project.
        """
        target = self.root / tracked.path
        if not target.parent.resolve().is_relative_to(self.root.resolve()) or target.is_symlink():
            raise PipelineError(
                f"{tracked.path} of dvc.lock leads out of the repository",
                remedy="Keep outputs in the repository, and no links on the way to them.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        if not tracked.checksum.endswith(".dir"):
            self._copy(tracked, tracked.checksum, target)
            return
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            for relative, md5 in self._listing(tracked):
                one = temporary / relative
                one.parent.mkdir(parents=True, exist_ok=True)
                self._copy(tracked, md5, one)
            temporary.chmod(0o777 & ~_umask())
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def matches(self, tracked: Tracked) -> bool:
        """Return whether a path in the work tree has the checksum that dvc.lock records."""
        path = self.root / tracked.path
        if not tracked.cached:
            # Git keeps it: there is no listing, and before DVC 3 line ends were made equal in text.
            return not tracked.checksum or (
                path.exists() and tracked.checksum in (dvc_checksum(path), _unix_md5(path, tracked))
            )
        if not tracked.checksum.endswith(".dir"):
            return path.is_file() and md5_of(path) == tracked.checksum
        if not path.is_dir() or not self._object(tracked, tracked.checksum).is_file():
            return False
        expected = {relative.as_posix(): md5 for relative, md5 in self._listing(tracked)}
        present = {one.relative_to(path).as_posix() for one in path.rglob("*") if not one.is_dir()}
        return present == set(expected) and all(md5_of(path / one) == md5 for one, md5 in expected.items())

    def _listing(self, tracked: Tracked) -> Iterator[tuple[PurePosixPath, str]]:
        listed = json.loads(self._object(tracked, tracked.checksum).read_bytes())
        for entry in listed:
            relative = PurePosixPath(str(entry["relpath"]))
            if relative.is_absolute() or ".." in relative.parts:
                raise PipelineError(
                    f"the cached directory {tracked.path} names a file outside of itself: {relative}",
                    remedy="Write it anew with `dvc repro`, and push it.",
                )
            yield relative, str(entry["md5"])

    def _object(self, tracked: Tracked, checksum: str) -> Path:
        # Before DVC 3 the cache had no `files/md5`, and text was hashed with its line ends made equal.
        base = self.folder / "files" / "md5" if tracked.entry.get("hash") == "md5" else self.folder
        return base / checksum[:2] / checksum[2:]

    def _copy(self, tracked: Tracked, md5: str, target: Path) -> None:
        source = self._object(tracked, md5)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        temporary = Path(name)
        try:
            shutil.copyfile(source, temporary)
            if tracked.entry.get("hash") == "md5" and md5_of(temporary) != md5.removesuffix(".dir"):
                raise PipelineError(
                    f"the DVC cache holds other bytes for {tracked.path} than its checksum says",
                    remedy=f"Remove {source} and try again.",
                )
            executable = 0o111 if tracked.entry.get("isexec") else 0
            temporary.chmod((0o666 | executable) & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def total_size(tracked: Sequence[Tracked]) -> int:
    """Return the bytes of several tracked paths, as far as they are recorded."""
    return sum(one.size or 0 for one in tracked)


def md5_of(path: Path) -> str:
    """Return the MD5 of a file's bytes, by which DVC names it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def listing(folder: Path, *, without: str | None = None) -> bytes:
    """Return a folder's listing as DVC writes it: the MD5 of these bytes is its checksum in dvc.lock.

    Parameters
    ----------
    without
        Name of folders that do not count.
    """
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and without not in path.relative_to(folder).parts
    }
    return _written({name: md5_of(path) for name, path in files.items()})


def listing_md5(files: Mapping[str, str]) -> str:
    """Return DVC's name for a folder of these files: MD5 by path."""
    return _named(_written(files))


def directory_md5(folder: Path, *, without: str | None = None) -> str:
    """Return DVC's name for a folder: the MD5 of its listing, with ``.dir``."""
    return _named(listing(folder, without=without))


def _written(files: Mapping[str, str]) -> bytes:
    entries = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return json.dumps(entries, sort_keys=True).encode()


def _named(listed: bytes) -> str:
    return f"{hashlib.md5(listed, usedforsecurity=False).hexdigest()}.dir"


def dvc_checksum(path: Path) -> str:
    """Return DVC's checksum of a file or folder on disk."""
    return directory_md5(path) if path.is_dir() else md5_of(path)


def _unix_md5(path: Path, tracked: Tracked) -> str | None:
    if tracked.entry.get("hash") == "md5" or not path.is_file():
        return None
    return hashlib.md5(path.read_bytes().replace(b"\r\n", b"\n"), usedforsecurity=False).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
