"""Finds the files of a repository that a program may reach, by its command, imports and path literals."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

MOST = 2_000
"""Files that are looked into at most."""

ALWAYS = ("sitecustomize.py", "usercustomize.py")
"""What Python runs at its start, whoever imports it."""

PROGRAMS = (".py", ".sh", ".bash", ".ipynb", ".R", ".jl")
_WORD = re.compile(r"[\w./-]+")


def reachable(
    commands: Sequence[str],
    start: Sequence[str],
    paths: Sequence[str],
    read: Callable[[str], str | None],
) -> set[str]:
    """Return the files that commands may run: a static over-approximation.

    An import reaches every file whose path ends as the module's would: where a program looks for
    modules is not known, and a file beside it comes before an installed package of the same name.
    What is put together at run time is not seen.

    Parameters
    ----------
    commands
        Shell commands; words in them may name files, or modules (``python -m package.module``).
    start
        Files that are known to be run; a folder stands for all of its files.
    paths
        All files of the repository.
    read
        Returns the text of one of them, or None.
    """
    index = _index(paths)
    waiting = [path for path in paths if any(path == one or path.startswith(f"{one}/") for one in start)]
    waiting += [path for path in paths if PurePosixPath(path).name in ALWAYS]
    for command in commands:
        waiting += _named(command, index)
        waiting += [path for word in _modules_run(command) for path in _module(word, index)]
    found: set[str] = set()
    while waiting and len(found) < MOST:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        if path.endswith(PROGRAMS):
            waiting += _reached_from(path, read(path) or "", index)
    return found


def _index(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return the paths by their last part."""
    index: dict[str, list[str]] = {}
    for path in paths:
        index.setdefault(PurePosixPath(path).name, []).append(path)
    return index


def _reached_from(path: str, text: str, index: dict[str, list[str]]) -> Iterator[str]:
    if not path.endswith(".py"):
        yield from _named(text, index)
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # it does not run either
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _module(name.name, index)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(path, node, index)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 4096:
            yield from _named(node.value, index)
            yield from _module(node.value, index)


def _from(path: str, node: ast.ImportFrom, index: dict[str, list[str]]) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        folder = PurePosixPath(path).parents[min(node.level, len(PurePosixPath(path).parents)) - 1]
        base = ".".join([*folder.parts, *base.split(".")] if base else folder.parts)
    if base:
        yield from _module(base, index)
    for name in node.names:
        yield from _module(f"{base}.{name.name}" if base else name.name, index)


def _module(name: str, index: dict[str, list[str]]) -> Iterator[str]:
    """Yield the files that a module may be in, and the packages around it."""
    if not all(part.isidentifier() for part in name.split(".")):
        return
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        inner = parts[:length]
        for wanted in (
            "/".join(inner) + ".py",
            "/".join([*inner, "__init__.py"]),
            "/".join([*inner, "__main__.py"]),
        ):
            last = wanted.rpartition("/")[2]
            yield from (path for path in index.get(last, ()) if _ends(path, wanted))


def _modules_run(command: str) -> list[str]:
    return re.findall(r"(?:^|\s)-m\s+([\w.]+)", command)


def _named(text: str, index: dict[str, list[str]]) -> Iterator[str]:
    """Yield the programs that a text names by path."""
    for word in _WORD.findall(text):
        plain = word.removeprefix("./").lstrip("/")
        last = plain.rpartition("/")[2]
        if last.endswith(PROGRAMS):
            yield from (path for path in index.get(last, ()) if _ends(path, plain) or _ends(plain, path))


def _ends(path: str, wanted: str) -> bool:
    return path == wanted or path.endswith(f"/{wanted}")
