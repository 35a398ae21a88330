"""A DVC project as a graph of stages, their inputs and outputs, and the data tracked by .dvc files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_ci.core.lineage import DataFile, Stage


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A file or directory that dvc.lock or a .dvc file records; its path is relative to the project.

    Attributes
    ----------
    checksum
        As DVC names it (a directory's ends in ``.dir``), or empty if none is recorded.
    entry
        The record as it stands.
    cached
        False if git keeps it (``cache: false``).
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
        """Its bytes, or None if they are not recorded."""
        size = self.entry.get("size")
        return size if isinstance(size, int) else None


@dataclass(frozen=True, kw_only=True)
class LockedStage:
    """A stage, by the address that DVC prints, as dvc.lock and dvc.yaml describe it.

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
        """Return all paths whose change would make the stage run; none for a frozen stage."""
        return set() if self.frozen else {dep.path for dep in self.deps} | set(self.declared_deps)


@dataclass(frozen=True, kw_only=True)
class Project:
    """All stages by address, all data of .dvc files, and the text of every dvc.lock by its path.

    `complete` is False if a template of dvc.yaml could not be resolved: then its graph is not known.
    `listings` are the files of tracked folders, as far as they were looked up: by the folder's checksum, the
    MD5 of each by its path.
    """

    root: Path
    stages: Mapping[str, LockedStage]
    data: Sequence[Tracked]
    locks: Mapping[str, str]
    complete: bool = True
    listings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def lock_text(self) -> str:
        """Return the text of dvc.lock; if there are several, each under a line that names it."""
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
        """Return the addresses that targets name; all stages of the top dvc.yaml if there are none."""
        chosen: dict[str, None] = {}
        for target in [normal(target) for target in targets] or ["dvc.yaml"]:
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
        """Return these stages and all stages that they depend on, producers first."""
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
        """Return the outputs of these stages, and the .dvc data that they read, without duplicates."""
        found: dict[str, Tracked] = {}
        for stage in (self.stages[address] for address in addresses):
            found |= {out.path: out for out in stage.outs}
            reads = stage.reads()
            found |= {one.path: one for one in self.data if any(overlap(one.path, path) for path in reads)}
        return list(found.values())

    def folder_of(self, path: str) -> Tracked | None:
        """Return the tracked folder that a path lies in: of a .dvc file, or the output of a stage."""
        outs = (out for stage in self.stages.values() for out in stage.outs)
        return _around(path, (*self.data, *outs))

    def data_around(self, path: str) -> str | None:
        """Return the checksum of the .dvc file's folder that a path lies in, or None if it lies in none."""
        folder = _around(path, self.data)
        return (folder.checksum or None) if folder else None

    def described(self, address: str) -> Stage:
        """Return a stage for the lineage, with its inputs from outside the pipeline listed separately."""
        stage = self.stages[address]
        makers = self.outputs()
        outside = [dep for dep in stage.deps if not _makers(dep.path, makers)]
        return Stage(
            name=address,
            command=stage.command,
            params=stage.params,
            deps=[
                DataFile(
                    path=dep.path,
                    checksum=dep.checksum,
                    size=dep.size,
                    kind=self._kind(dep.path),
                    folder=self.data_around(dep.path),
                )
                for dep in outside
            ],
            inputs=sorted(dep.path for dep in stage.deps if dep not in outside),
            outs={out.path: out.checksum for out in stage.outs},
        )

    def _kind(self, path: str) -> Any:
        """Classify an input: data if a .dvc file tracks it or it is an address, else code in git."""
        return "data" if "://" in path or any(overlap(path, one.path) for one in self.data) else "code"


def overlap(one: str, other: str) -> bool:
    """Return whether one path is the other, or lies in it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _around(path: str, tracked: Iterable[Tracked]) -> Tracked | None:
    return next((one for one in tracked if path.startswith(f"{one.path}/")), None)


def _makers(path: str, makers: Mapping[str, str]) -> set[str]:
    """Return the stages that make a path, something in it, or a directory around it."""
    if path in makers:
        return {makers[path]}
    return {maker for made, maker in makers.items() if overlap(path, made)}


def normal(path: str) -> str:
    """Return a normalised path, as the graph names it."""
    return os.path.normpath(path).replace(os.sep, "/")
