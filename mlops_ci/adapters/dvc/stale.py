"""Finds stages of dvc.lock that are out of date without downloading data, from `dvc status` and the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_ci.adapters.dvc.cache import listing_md5
from mlops_ci.adapters.dvc.graph import LockedStage, Project, Tracked, overlap
from mlops_ci.errors import PipelineError

_ABSENT = frozenset({"deleted", "not in cache"})


def check_code_is_there(project: Project, addresses: Sequence[str]) -> None:
    """Refuse a pipeline that depends on code files that do not exist.

    With ``--allow-missing`` DVC takes any missing file for data that was not downloaded, a deleted script
    too, and calls its stage current.

    Raises
    ------
    PipelineError
        If a dependency is neither here, nor data, nor made by a stage.
    """
    makers = project.outputs()
    for address in addresses:
        stage = project.stages[address]
        for path in sorted(set(stage.declared_deps) or stage.reads()):
            known = [*makers, *(one.path for one in project.data)]
            if "://" in path or any(overlap(path, one) for one in known):
                continue
            if not (project.root / path).exists():
                raise PipelineError(
                    f"stage '{address}' reads {path}, which is neither in git nor in DVC",
                    remedy=f"Add {path}, or take it out of the stage's `deps`.",
                )


def stale_stages(project: Project, addresses: Sequence[str], status: Mapping[str, Any]) -> dict[str, str]:
    """Return the reason why each stale stage is stale, by address; producers first.

    `dvc status` in a fresh clone calls everything deleted: that alone says nothing. `dvc repro --dry` does
    not follow a change downstream: the graph does.

    Parameters
    ----------
    addresses
        The stages to judge, producers first.
    status
        As of `dvc status --json`.
    """
    makers = project.outputs()
    stale: dict[str, str] = {}
    for address in addresses:
        stage = project.stages[address]
        reasons = _own_reasons(stage, status.get(address))
        reasons += [] if stage.frozen else [*_inconsistent(project, stage), *_untold(project, stage)]
        for path in sorted(stage.reads()):
            reasons += [
                f"follows stage '{maker}'"
                for made, maker in makers.items()
                if maker in stale and maker != address and overlap(path, made)
            ]
        if reasons:
            stale[address] = ", ".join(dict.fromkeys(reasons))
    return stale


def check_frozen(project: Project, addresses: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return a notice for each frozen stage, and refuse one whose outputs come from older inputs.

    DVC does not run a frozen stage again: its predictions would be those of another model.

    Parameters
    ----------
    wanted
        Paths that a decision rests on.

    Raises
    ------
    PipelineError
        If a frozen stage made one of them from inputs that have changed since.
    """
    notices = []
    for address in addresses:
        stage = project.stages[address]
        if not stage.frozen:
            continue
        changed = _inconsistent(project, stage)
        if changed and any(overlap(out.path, path) for out in stage.outs for path in wanted):
            raise PipelineError(
                f"stage '{address}' is frozen, and what it read has changed since: {', '.join(changed)}",
                remedy=f"Run `dvc unfreeze {address}` and commit dvc.yaml.",
            )
        notices.append(f"stage '{address}' is frozen: it does not follow changes of what it reads")
    return notices


def _own_reasons(stage: LockedStage, entries: Any) -> list[str]:
    reasons = [] if stage.locked else ["not in dvc.lock"]
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            reasons.append(entry)
            continue
        for kind, changes in entry.items():
            for path, change in changes.items() if isinstance(changes, dict) else ():
                if change not in _ABSENT if isinstance(change, str) else True:
                    word = change if isinstance(change, str) else f"changed: {', '.join(change)}"
                    reasons.append(f"{path} {word}" if kind else str(path))
    return reasons


def _inconsistent(project: Project, stage: LockedStage) -> list[str]:
    """Find inputs whose checksum in dvc.lock differs from that of the stage or .dvc file they come from."""
    made = {out.path: out.checksum for one in project.stages.values() for out in one.outs}
    made |= {one.path: one.checksum for one in project.data}
    return [
        f"{dep.path} modified"
        for dep in stage.deps
        if dep.checksum and (made.get(dep.path) or _listed(project, dep) or dep.checksum) != dep.checksum
    ]


def _untold(project: Project, stage: LockedStage) -> list[str]:
    """Find inputs in a .dvc file's folder of which nothing is known: neither they nor a listing are here."""
    return [
        f"{dep.path} may have changed: the listing of its folder is neither here nor in the DVC remote"
        for dep in stage.deps
        if project.data_around(dep.path)
        and _listed(project, dep) is None
        and not (project.root / dep.path).exists()
    ]


def unlisted(project: Project, addresses: Sequence[str]) -> list[Tracked]:
    """Return the tracked folders whose listing would tell whether stages are current.

    DVC takes a missing file of a folder that was not downloaded for unchanged, whatever the folder's own
    checksum says now.
    """
    absent = {
        dep.path
        for address in addresses
        for dep in project.stages[address].deps
        if not (project.root / dep.path).exists()
    }
    folders = {one.path: one for path in absent if (one := project.folder_of(path)) is not None}
    return [one for _, one in sorted(folders.items()) if one.checksum not in project.listings]


def _listed(project: Project, dep: Tracked) -> str | None:
    """Return the checksum of a path in a tracked folder by the folder's listing; None if it is not known."""
    folder = project.folder_of(dep.path)
    if folder is None or folder.checksum not in project.listings:
        return None
    if folder.entry.get("hash") != dep.entry.get("hash"):
        return None  # Before DVC 3 text was hashed with its line ends made equal.
    listed, name = project.listings[folder.checksum], dep.path.removeprefix(f"{folder.path}/")
    inner = {
        path.removeprefix(f"{name}/"): md5 for path, md5 in listed.items() if path.startswith(f"{name}/")
    }
    return listed.get(name) or (listing_md5(inner) if inner else "deleted")
