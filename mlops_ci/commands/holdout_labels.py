"""The trusted labels of the holdout: the target branch's, whatever copy of them the change contains."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from mlops_ci.adapters.ports import Evidence
from mlops_ci.commands.tools import Tools
from mlops_ci.core.report import Source
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings


def trusted_labels(
    settings: Settings, tools: Tools, evidence: Evidence, source: Source
) -> tuple[Path | None, list[str]]:
    """Return the file that labels are joined from, and why it needs approval if it is the change's own.

    A holdout in git is read at the target branch's tip. One in DVC is taken from the evidence if its checksum
    is the one that the target branch records.

    Raises
    ------
    EvidenceError
        If the evidence lacks it: labels of the change's own file are no substitute.
    """
    if settings.evaluation.holdout is None:
        return None, []
    inner = _in_repository(tools, settings.evaluation.holdout)
    content = tools.repository.read(source.base, inner) if source.base else None
    if content is not None:
        kept = tools.scratch / PurePosixPath(inner).name
        kept.write_bytes(content)
        return kept, []
    if evidence.manifest.holdout is None:
        raise EvidenceError(
            f"the evidence lacks the holdout {inner}, which labels are joined from",
            remedy="let `mlops-ci reproduce` of this version write it, with the target branch's settings",
        )
    place = evidence.places[evidence.manifest.holdout]
    if not source.base or source.base == source.head:
        return place, []
    if not place.is_file():
        raise EvidenceError(
            f"{inner}: the holdout must be one file", remedy="name a file in evaluation.holdout"
        )
    recorded = _recorded(settings, tools, source)
    if recorded.get(inner) == _md5(place) or _in_folder(evidence, inner, _md5(place), recorded):
        return place, []
    return place, ["the labels are this change's own copy of the holdout, not the target branch's"]


def _in_folder(evidence: Evidence, inner: str, checksum: str, recorded: Mapping[str, str]) -> bool:
    """Return whether the target branch records a folder whose listing has the holdout with this checksum."""
    if evidence.manifest.holdout_folder is None:
        return False
    listing = evidence.places[evidence.manifest.holdout_folder].read_bytes()
    folder_sum = f"{hashlib.md5(listing, usedforsecurity=False).hexdigest()}.dir"
    for folder, known in recorded.items():
        if known == folder_sum and inner.startswith(f"{folder}/"):
            entry = {"md5": checksum, "relpath": inner.removeprefix(f"{folder}/")}
            return entry in json.loads(listing)
    return False


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _in_repository(tools: Tools, path: str) -> str:
    folder = tools.root.resolve().relative_to(tools.repository.root.resolve()).as_posix()
    return posixpath.normpath(posixpath.join(folder, path))


def _recorded(settings: Settings, tools: Tools, source: Source) -> Mapping[str, str]:
    """Return the checksums that the target branch's dvc.lock and .dvc files record, by path."""
    start = posixpath.join(_in_repository(tools, "."), settings.pipeline.directory)
    found: dict[str, str] = {}
    for stage in tools.pipeline().stages_at(source.base):
        pairs = [*stage.outs.items(), *((dep.path, dep.checksum) for dep in stage.deps)]
        found |= {posixpath.normpath(posixpath.join(start, path)): checksum for path, checksum in pairs}
    return found
