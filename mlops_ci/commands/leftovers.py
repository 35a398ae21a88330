"""Refuses evidence that is left over from another run: no stage makes it, and this run did not write it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from mlops_ci.adapters.ports import PipelineRun
from mlops_ci.commands.tools import Tools
from mlops_ci.core.report import Source
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings

Stamp = tuple[int, int, int]


def stamps(settings: Settings, tools: Tools) -> dict[str, Stamp | None]:
    """Return what tells whether a path was written, for each that is judged: None where there is nothing."""
    return {path: _stamp(tools.root / path) for path in _judged(settings).values()}


def refuse_leftovers(
    settings: Settings, tools: Tools, run: PipelineRun, source: Source, before: Mapping[str, Stamp | None]
) -> None:
    """Refuse predictions, scalars and a model that this change's pipeline cannot have made.

    What a stage writes beside its declared outputs is in no dvc.lock: where the stage does not run (it is
    current, or restored by DVC), the file is that of whichever run was here last, or that git had.

    Parameters
    ----------
    before
        `stamps` of before the run.

    Raises
    ------
    EvidenceError
        If the pipeline made other things than on the target branch, and such a file was neither written nor
        committed with the change.
    """
    changed = _changed(tools, source)
    if not run.lock_changed and not any(path.name == "dvc.lock" for path in changed):
        return
    project = tools.root / settings.pipeline.directory
    made = [PurePosixPath(path) for stage in run.stages for path in stage.outs]
    ran = any(stage.state == "ran" for stage in run.stages)
    for key, path in _judged(settings).items():
        place = tools.root / path
        now = _stamp(place)
        if now is None or (ran and now != before.get(path)):
            continue
        if _about(_relative(place, project), made) or _about(
            _relative(place, tools.repository.root), changed
        ):
            continue
        raise EvidenceError(
            f"{path}: no stage of dvc.yaml makes it, and this run did not write it: it is of an earlier"
            f" model ({key})",
            remedy="make it an output of the stage that writes it: `outs` in dvc.yaml",
        )


def _about(path: PurePosixPath, named: Iterable[PurePosixPath]) -> bool:
    """Return whether one of these paths is this one, lies in it, or around it."""
    return any(path.is_relative_to(one) or one.is_relative_to(path) for one in named)


def _relative(place: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(Path(os.path.relpath(place.absolute(), root.absolute())).as_posix())


def _judged(settings: Settings) -> dict[str, str]:
    """Return the paths that a verdict rests on, by their keys in the settings."""
    named = {
        "evaluation.predictions": settings.evaluation.predictions,
        "candidate.model": settings.candidate.model,
        **{
            f"metrics.{name}.from": metric.from_.partition(":")[0]
            for name, metric in settings.metrics.items()
            if metric.from_ and metric.gate
        },
    }
    return {key: path for key, path in named.items() if path}


def _stamp(place: Path) -> Stamp | None:
    """Return the newest change of a file, or of all in a folder."""
    if not place.exists():
        return None
    found = [place, *(place.rglob("*") if place.is_dir() else ())]
    about = [one.stat() for one in found if one.exists()]
    newest = max(one.st_mtime_ns for one in about)
    return newest, sum(one.st_ino for one in about), sum(one.st_size for one in about)


def _changed(tools: Tools, source: Source) -> list[PurePosixPath]:
    """Return what the change commits; for a .dvc file, the data that it tracks."""
    repository = tools.repository
    if not source.base or not source.head or repository.resolve(source.head) is None:
        return []
    changed = repository.changed(source.base, source.head)
    return [PurePosixPath(path.removesuffix(".dvc")) for path in changed]
