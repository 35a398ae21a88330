"""The `--config` pattern: which settings files of a repository it means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mlops_ci.errors import UsageError


def within(root: Path, pattern: str) -> str:
    """Return a pattern, given from the present folder, relative to the repository.

    Raises
    ------
    UsageError
        If it names nothing in the repository.
    """
    top = root.resolve()
    if Path(pattern).is_absolute() and not Path(pattern).is_relative_to(top):
        pattern = str(Path(pattern).resolve())
    relative = os.path.relpath(Path.cwd().resolve() / pattern, top).replace(os.sep, "/")
    if not pattern or relative == "." or relative.split("/")[0] == "..":
        raise UsageError(
            f"--config: '{pattern:.200}' names no file in this repository",
            remedy="give the path of a settings file in it, such as mlops-ci.yaml",
        )
    return relative


def lies_above(root: Path, config: str) -> bool:
    """Return whether settings that are not in the present folder are in the repository's own."""
    return Path.cwd().resolve() != root.resolve() and (root / config).is_file()


def glob_matches(name: str, pattern: str) -> bool:
    """Return whether a path is meant by a pattern, as `Path.glob` has it: all of the path, and not its end.

    A file of the same name further down, such as that of an example, is another project's.
    """
    return _matches(name.split("/"), pattern.split("/"))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
