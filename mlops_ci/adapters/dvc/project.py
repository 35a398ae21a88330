"""A DVC project as its files describe it: dvc.lock, dvc.yaml and the .dvc files, read without DVC."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci.adapters.dvc.yaml import DeclaredStage, declared_stages, load_yaml
from mlops_ci.core.lineage import DataFile, Stage
from mlops_ci.errors import PipelineError


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A file or directory that dvc.lock or a .dvc file records; its path is relative to the project.

    Attributes
    ----------
    checksum
        As DVC names it (a directory's ends in ``.dir``), or empty where none is recorded.
    entry
        The record as it stands.
    cached
        False where git keeps it (``cache: false``).
    imported
        True for data that `dvc import` brought from another repository.
    """

    path: str
    checksum: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    cached: bool = True
    imported: bool = False

    @property
    def size(self) -> int | None:
        """Its bytes, or None where they are not recorded."""
        size = self.entry.get("size")
        return size if isinstance(size, int) else None


@dataclass(frozen=True, kw_only=True)
class LockedStage:
    """A stage by the address that DVC prints: what dvc.lock and dvc.yaml say of it.

    `declared_deps` are those of dvc.yaml, which may be newer than those of dvc.lock (`deps`); likewise
    `declared_command` and `declared_params`, (file, key) each.
    """

    address: str
    command: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    deps: Sequence[Tracked] = ()
    outs: Sequence[Tracked] = ()
    declared_deps: Sequence[str] = ()
    declared_outs: Mapping[str, bool] = field(default_factory=dict)
    declared_command: str = ""
    declared_params: Sequence[tuple[str, str]] = ()
    frozen: bool = False
    always_changed: bool = False
    locked: bool = False

    def reads(self) -> set[str]:
        """Return all paths whose change would run it; a frozen stage follows none."""
        return set() if self.frozen else {dep.path for dep in self.deps} | set(self.declared_deps)


@dataclass(frozen=True, kw_only=True)
class Project:
    """All stages by address, all data of .dvc files, and the text of every dvc.lock by its path.

    `complete` is False where a template of dvc.yaml could not be resolved: then its graph is not known.
    """

    root: Path
    stages: Mapping[str, LockedStage]
    data: Sequence[Tracked]
    locks: Mapping[str, str]
    complete: bool = True

    def lock_text(self) -> str:
        """Return dvc.lock; with several, each under a line that names it."""
        if len(self.locks) == 1:
            return next(iter(self.locks.values()))
        return "".join(f"--- # {path}\n{text}" for path, text in sorted(self.locks.items()))

    def outputs(self) -> dict[str, str]:
        """Return which stage makes each output, by path."""
        return {
            path: address
            for address, stage in self.stages.items()
            for path in {*(out.path for out in stage.outs), *stage.declared_outs}
        }

    def select(self, targets: Sequence[str]) -> list[str]:
        """Return the addresses that targets name; all stages of the top dvc.yaml where there are none."""
        chosen: dict[str, None] = {}
        for target in [_normal(target) for target in targets] or ["dvc.yaml"]:
            for address in self.stages:
                file, _, name = address.rpartition(":")
                whole = (file or "dvc.yaml") == target
                if whole or target in (
                    address,
                    address.split("@")[0],
                    f"dvc.yaml:{name}" if not file else "",
                ):
                    chosen[address] = None
        return list(chosen)

    def upstream(self, addresses: Iterable[str]) -> list[str]:
        """Return these stages and all that they need, producers first."""
        makers = self.outputs()
        ordered: dict[str, None] = {}
        waiting: list[tuple[str, bool]] = [(address, False) for address in reversed(list(addresses))]
        open_: set[str] = set()
        while waiting:
            address, done = waiting.pop()
            if done:
                ordered[address] = None
            elif address not in open_:
                open_.add(address)
                waiting.append((address, True))
                reads = sorted(self.stages[address].reads(), reverse=True)
                waiting += [(maker, False) for path in reads for maker in _makers(path, makers)]
        return list(ordered)

    def tracked(self, addresses: Iterable[str]) -> list[Tracked]:
        """Return what these stages made, and the .dvc data that they read, each once."""
        found: dict[str, Tracked] = {}
        for stage in (self.stages[address] for address in addresses):
            found |= {out.path: out for out in stage.outs}
            reads = stage.reads()
            found |= {one.path: one for one in self.data if any(overlap(one.path, path) for path in reads)}
        return list(found.values())

    def described(self, address: str) -> Stage:
        """Return a stage as lineage keeps it, with what it reads from outside the pipeline apart."""
        stage = self.stages[address]
        makers = self.outputs()
        outside = [dep for dep in stage.deps if not _makers(dep.path, makers)]
        return Stage(
            name=address,
            command=stage.command,
            params=stage.params,
            deps=[
                DataFile(path=dep.path, checksum=dep.checksum, size=dep.size, kind=self._kind(dep.path))
                for dep in outside
            ],
            inputs=sorted(dep.path for dep in stage.deps if dep not in outside),
            outs={out.path: out.checksum for out in stage.outs},
        )

    def _kind(self, path: str) -> Any:
        """Tell data from code: what a .dvc file tracks or an address names is data, the rest is in git."""
        return "data" if "://" in path or any(overlap(path, one.path) for one in self.data) else "code"


def read_project(root: Path, files: Iterable[str]) -> Project:
    """Read a DVC project.

    Parameters
    ----------
    root
        Its directory (the one that holds ``.dvc``).
    files
        Paths in it, relative: tracked by git, or new and not ignored.

    Raises
    ------
    PipelineError
        If one of its files is broken.
    """
    stages: dict[str, LockedStage] = {}
    data: list[Tracked] = []
    locks: dict[str, str] = {}
    complete = True
    names = [
        name for name in files if name.endswith((".dvc", "dvc.yaml", "dvc.lock")) and _inside(root, name)
    ]
    for name in names:
        pure = PurePosixPath(name)
        if pure.name in ("dvc.yaml", "dvc.yml"):
            declared, resolved = declared_stages(root / name)
            complete = complete and resolved
            locked = _locked(root, str(pure.with_name("dvc.lock")), locks)
            stages |= _combine(pure, declared, locked, resolved=resolved)
        elif pure.suffix == ".dvc" and ".dvc" not in pure.parts[:-1]:
            data += _data(root / name, pure)
    return Project(root=root, stages=stages, data=data, locks=locks, complete=complete)


def overlap(one: str, other: str) -> bool:
    """Return whether one path is the other, or lies in it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _makers(path: str, makers: Mapping[str, str]) -> set[str]:
    """Return the stages that make a path, something in it, or a directory around it."""
    if path in makers:
        return {makers[path]}
    return {maker for made, maker in makers.items() if overlap(path, made)}


def _combine(
    file: PurePosixPath,
    declared: Sequence[DeclaredStage],
    locked: Mapping[str, Any],
    *,
    resolved: bool,
) -> dict[str, LockedStage]:
    """Join dvc.yaml and dvc.lock; what only dvc.lock knows is an old stage, unless templates hide it."""
    combined: dict[str, LockedStage] = {}
    known = {stage.name: stage for stage in declared}
    names = [*known, *(name for name in locked if name not in known and not resolved)]
    for name in names:
        stage = known.get(name) or DeclaredStage(name=name, outs={})
        record = locked.get(name) or {}
        base = file.parent / stage.wdir
        git_kept = {_join(base, path) for path, cached in stage.outs.items() if not cached}
        outs = [_tracked(entry, base) for entry in record.get("outs") or ()]
        address = name if file.parent == PurePosixPath(".") else f"{file}:{name}"
        combined[address] = LockedStage(
            address=address,
            command=_command(record.get("cmd")),
            params=_params(record.get("params"), base),
            deps=[_tracked(entry, base) for entry in record.get("deps") or ()],
            outs=[_tracked(out.entry, base, cached=out.path not in git_kept) for out in outs],
            declared_deps=[_join(base, dep) for dep in stage.deps],
            declared_outs={_join(base, path): cached for path, cached in stage.outs.items()},
            declared_command=stage.command,
            declared_params=[(_join(base, file), key) for file, key in stage.params],
            frozen=stage.frozen,
            always_changed=stage.always_changed or not (stage.deps or record.get("deps") or stage.frozen),
            locked=bool(record),
        )
    return combined


def _locked(root: Path, name: str, locks: dict[str, str]) -> Mapping[str, Any]:
    path = root / name
    if not path.is_file():
        return {}
    content = load_yaml(path)
    locks[name] = path.read_text(encoding="utf-8")
    # Before schema 2.0 the stages stood at the top.
    stages = content.get("stages", {}) if isinstance(content, dict) and "schema" in content else content
    if not isinstance(stages, dict) or not all(isinstance(one, dict) for one in stages.values()):
        raise PipelineError(f"{name} does not describe stages", remedy="Write it anew with `dvc repro`.")
    return stages


def _data(path: Path, pure: PurePosixPath) -> list[Tracked]:
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise PipelineError(f"{pure} is not a .dvc file", remedy="Write it anew with `dvc add`.")
    base = pure.parent / str(content.get("wdir", "."))
    outs = [entry for entry in content.get("outs") or () if isinstance(entry, dict)]
    # What `dvc import-url` made is pushed like other data; what `dvc import` made stays in its repository.
    imported = any(isinstance(dep, dict) and "repo" in dep for dep in content.get("deps") or ())
    return [_tracked(entry, base, imported=imported) for entry in outs]


def _tracked(
    entry: Mapping[str, Any], base: PurePosixPath, *, cached: bool = True, imported: bool = False
) -> Tracked:
    checksum = next((str(entry[key]) for key in ("md5", "etag", "checksum") if entry.get(key)), "")
    if not checksum and isinstance(entry.get("files"), list):  # a cloud-versioned directory
        checksum = json.dumps(plain(entry["files"]), sort_keys=True)
    path = str(entry.get("path", ""))
    return Tracked(
        path=_join(base, path), checksum=checksum, entry=dict(entry), cached=cached, imported=imported
    )


def _params(params: Any, base: PurePosixPath) -> dict[str, Any]:
    if not isinstance(params, dict):
        return {}
    return {
        f"{_join(base, str(file))}:{key}": plain(value)
        for file, values in params.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


def plain(value: Any) -> Any:
    """Turn what YAML knows and JSON does not (dates, NaN, keys that are no texts) into texts."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _command(value: Any) -> str:
    return "\n".join(str(one) for one in value) if isinstance(value, list) else str(value or "")


def _join(base: PurePosixPath, path: str) -> str:
    return path if "://" in path else _normal(str(base / path))


def _normal(path: str) -> str:
    return os.path.normpath(path).replace(os.sep, "/")


def _inside(root: Path, name: str) -> bool:
    """Refuse links: a .dvc file that is one could be anything on this machine."""
    path = root / name
    return path.is_file() and not path.is_symlink()
