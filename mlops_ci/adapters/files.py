"""Digests of files and folders, and atomic writes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlops_ci.errors import EvidenceError

_LOCKS = (
    *("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "pylock.*.toml", "pixi.lock"),
    *("requirements*.txt", "conda-lock.yml", "environment.yml", "environment.yaml", "renv.lock"),
)


def path_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of a directory's files: sorted paths, lengths and contents.

    Raises
    ------
    EvidenceError
        If there is nothing at `path`, a directory holds no file, or a symbolic link leaves it.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        raise EvidenceError(
            f"{path} does not exist", remedy="Set `candidate.model` to what the pipeline writes."
        )
    root = path.resolve()
    digest = hashlib.sha256(b"mlops-ci directory 1\n")
    found = False
    for one in sorted(_files(path), key=lambda one: one.relative_to(path).as_posix()):
        found = True
        if not one.resolve().is_relative_to(root):
            raise EvidenceError(
                f"{one} is a symbolic link that leaves {path}", remedy="Let the pipeline write a plain file."
            )
        if not one.is_file():
            raise EvidenceError(f"{one} is not a regular file", remedy="Let the pipeline write a plain file.")
        # Lengths and whole digests keep two different trees from giving the same bytes.
        name = one.relative_to(path).as_posix().encode()
        digest.update(len(name).to_bytes(8, "big") + name + bytes.fromhex(file_digest(one)))
    if not found:
        raise EvidenceError(f"{path} is an empty directory", remedy="See that the pipeline wrote its model.")
    return digest.hexdigest()


class LocalFiles:
    """Files of the working tree (implements `ports.Files`)."""

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file's bytes, or of a folder's paths and bytes."""
        return path_digest(path)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file atomically: a reader, or a crash, sees the old content or the new one, never a part."""
    data = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _files(path: Path) -> list[Path]:
    """List everything below a path except directories; a link to a directory counts as a link."""
    found = []
    for folder, folders, names in os.walk(path):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in [*names, *links]]
    return found


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def environment_locks(folders: Sequence[Path], root: Path) -> dict[str, str]:
    """Return the SHA-256 of the lock files of the user's environment, by path relative to `root`.

    Parameters
    ----------
    folders
        Where they are looked for, not below: the repository's top, and the project's directory.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for pattern in _LOCKS:
            for path in folder.glob(pattern):
                if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                    found[path.relative_to(root).as_posix()] = file_digest(path)
    return dict(sorted(found.items()))
