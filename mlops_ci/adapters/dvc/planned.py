"""Predicts what dvc.lock would record after a run, from dvc.yaml, parameters and code, without the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mlops_ci.adapters.dvc.cache import directory_md5, md5_of
from mlops_ci.adapters.dvc.graph import LockedStage, Project
from mlops_ci.adapters.dvc.project import plain
from mlops_ci.adapters.dvc.stale import stale_stages
from mlops_ci.adapters.dvc.yaml import load_values
from mlops_ci.core.lineage import DataFile, Stage

_MISSING = object()


def planned_stages(project: Project, addresses: Sequence[str]) -> tuple[list[Stage], bool]:
    """Return stages as dvc.lock will describe them after a run, and whether it already does.

    After a merge dvc.lock may be older than the parameters and the code (the gate ran the stages itself):
    the pipeline version has to come from the files, as in the run that was judged.

    Parameters
    ----------
    addresses
        Stages, producers first.
    """
    found = [
        (project.described(address), _planned(project, project.stages[address])) for address in addresses
    ]
    same = all(_made_from(locked) == _made_from(now) for locked, now in found)
    current = same and not stale_stages(project, addresses, {})
    return [now if current else replace(now, outs=dict.fromkeys(now.outs, "")) for _, now in found], current


def declared(project: Project) -> list[Stage]:
    """Return all stages as dvc.yaml declares them, whatever dvc.lock recorded of earlier runs.

    Checksums are those of dvc.lock where the files are not here. A frozen stage is said to be one in its
    command: it does not run, and what dvc.lock names stands for what it would make.
    """
    stages = []
    for address, stage in project.stages.items():
        planned = _planned(project, stage)
        frozen = f"(frozen) {planned.command}" if stage.frozen else planned.command
        # The output of a stage that has not run yet is declared, and has no checksum.
        outs = {**dict.fromkeys(stage.declared_outs, ""), **planned.outs}
        stages.append(replace(planned, name=address, command=frozen, outs=outs))
    return stages


def _made_from(stage: Stage) -> Any:
    deps = sorted((dep.path, dep.checksum) for dep in stage.deps)
    return stage.command, dict(stage.params), deps, sorted(stage.inputs), sorted(stage.outs)


def _planned(project: Project, stage: LockedStage) -> Stage:
    locked = project.described(stage.address)
    if not project.complete or stage.frozen or not stage.declared_command:
        return locked
    known = {dep.path: dep for dep in locked.deps}
    data = {one.path: one for one in project.data}
    deps, inputs = [], []
    makers = project.outputs()
    for path in stage.declared_deps:
        if path in locked.inputs or (path not in known and _made(path, makers)):
            inputs.append(path)
            continue
        folder = project.data_around(path)
        kind: Literal["data", "code"] = "data" if path in data or folder else "code"
        before = known.get(path) or DataFile(path=path, checksum="", kind=kind, folder=folder)
        checksum = data[path].checksum if path in data else _checksum(project.root / path)
        deps.append(replace(before, checksum=checksum or before.checksum))
    outs = {path: locked.outs.get(path, "") for path in stage.declared_outs}
    return replace(
        locked,
        command=stage.declared_command,
        params=_params(project.root, stage),
        deps=deps,
        inputs=sorted(inputs),
        outs=outs,
    )


def _made(path: str, makers: Mapping[str, str]) -> bool:
    return any(path == made or path.startswith(f"{made}/") or made.startswith(f"{path}/") for made in makers)


def _params(root: Path, stage: LockedStage) -> dict[str, Any]:
    """Return the parameters' present values: those declared, and those that dvc.lock has from templates."""
    wanted: dict[tuple[str, str], None] = dict.fromkeys(stage.declared_params)
    for name in stage.params:
        file, _, key = name.partition(":")
        if (file, "") not in wanted:
            wanted[file, key] = None
    values: dict[str, Any] = {}
    for file, key in wanted:
        content = load_values(root / file)
        if not key and isinstance(content, dict):
            values |= {f"{file}:{name}": plain(value) for name, value in content.items()}
            continue
        value = _at(content, key)
        if value is not _MISSING:
            values[f"{file}:{key}"] = plain(value)
    return values


def _at(content: Any, key: str) -> Any:
    if isinstance(content, dict) and key in content:
        return content[key]
    for part in key.split("."):
        if isinstance(content, list) and part.isdigit() and int(part) < len(content):
            content = content[int(part)]
        elif isinstance(content, dict) and part in content:
            content = content[part]
        else:
            return _MISSING
    return content


def _checksum(path: Path) -> str:
    """Return the MD5 by which DVC knows a file or a directory; empty if there is none."""
    if path.is_file():
        return md5_of(path)
    if not path.is_dir():
        return ""
    # Python leaves these beside the code that it has run: no part of what the change is.
    return directory_md5(path, without="__pycache__")
