"""`reproduce`: bring the pipeline's outputs up to date, and collect the evidence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_ci.adapters.ports import Evidence
from mlops_ci.commands.leftovers import refuse_leftovers, stamps
from mlops_ci.commands.scalars import run_id_of, scalars_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core.bundle import Manifest, ModelFormat
from mlops_ci.core.evidence import canonical
from mlops_ci.core.lineage import Stage
from mlops_ci.core.report import Source
from mlops_ci.errors import EvidenceError, PredictionsError, ServiceError
from mlops_ci.settings import Settings


def reproduce(settings: Settings, tools: Tools, source: Source) -> Evidence:
    """Reproduce the pipeline and return the evidence for one model.

    Raises
    ------
    PipelineError
        If the pipeline cannot be reproduced.
    EvidenceError
        If what the settings name is not there afterwards.
    """
    mode, targets = settings.pipeline.reproduce, settings.pipeline.targets
    before = stamps(settings, tools)
    run = tools.pipeline().reproduce(mode, targets, _needed(settings, tools))
    refuse_leftovers(settings, tools, run, source, before)
    places = _places(settings, tools.root, tools.repository.root)
    folder = _holdout_folder(settings, tools, run.stages, places)
    profiles, unread = _profiles(settings, tools)
    lock = tools.scratch / "dvc.lock"
    lock.write_text(run.lock_text, encoding="utf-8")
    model = places.get("model")
    candidate = settings.candidate
    manifest = Manifest(
        model=settings.registry.model,
        head=source.head,
        target_commit=source.base,
        lineage=run.lineage(source.head),
        stages=run.stages,
        predictions=_name(places, "predictions"),
        holdout=_name(places, "holdout"),
        holdout_folder="holdout-folder.json" if folder else None,
        drift_unread=unread,
        profiles={side: f"profile/{side}.json" for side in profiles},
        dvc_lock="dvc.lock",
        model_path=_name(places, "model"),
        model_digest=tools.files.digest(model) if model else None,
        model_format=model_format(model) if model else None,
        run_id=run_id_of(tools.root, candidate.run_id) if candidate.run_id else None,
        train_overlap=_overlap(settings, tools, places),
        params={key: value for stage in run.stages for key, value in stage.params.items()},
        metrics=scalars_of(settings, tools.root),
        notices=run.notices,
    )
    bundled = {_name(places, role) or role: place for role, place in places.items()}
    more = {"holdout-folder.json": folder} if folder else {}
    more |= {f"profile/{side}.json": place for side, place in profiles.items()}
    return Evidence(manifest=manifest, places=bundled | {"dvc.lock": lock} | more)


def _needed(settings: Settings, tools: Tools) -> list[str]:
    """Return the paths that are read after the run, relative to the DVC project."""
    project = tools.root / settings.pipeline.directory
    evaluation, candidate = settings.evaluation, settings.candidate
    named = [evaluation.predictions, evaluation.holdout, candidate.model, candidate.metrics, candidate.train]
    named += [metric.from_.partition(":")[0] for metric in settings.metrics.values() if metric.from_]
    named += [data for data in (settings.drift.reference, settings.drift.current) if data and _plain(data)]
    named += [candidate.run_id.partition(":")[0]] if candidate.run_id else []
    return [os.path.relpath(tools.root / path, project) for path in named if path]


def _plain(data: str) -> bool:
    """Return whether a data set is a path in this repository, which DVC may have to fetch."""
    return not any(mark in data for mark in ("://", "*", "@"))


def _profiles(settings: Settings, tools: Tools) -> tuple[dict[str, Path], str]:
    """Profile the two data sets of the drift comparison: profiles are small and contain no rows.

    Data that cannot be read here are no reason to judge nothing: why is returned, for the report.
    """
    found: dict[str, Path] = {}
    columns = settings.drift.columns.items()
    kinds = {name: one["kind"] for name, one in columns if isinstance(one, Mapping) and one.get("kind")}
    for side in ("reference", "current"):
        data = getattr(settings.drift, side)
        if data is None:
            continue
        place = data if "://" in data or "@" in data else str(tools.root / data)
        try:
            with tools.console.group(f"Profile of drift.{side}: {data}"):
                text = tools.profile(place, settings.privacy.min_count, kinds)
        except (EvidenceError, ServiceError) as problem:
            return found, f"Drift was not looked at: {problem.problem}"
        found[side] = tools.scratch / f"{side}.json"
        found[side].write_text(text, encoding="utf-8")
    return found, ""


def _holdout_folder(
    settings: Settings, tools: Tools, stages: Sequence[Stage], places: Mapping[str, Path]
) -> Path | None:
    """Write the listing of the holdout's folder, if DVC tracks that folder as a whole."""
    if "holdout" not in places:
        return None
    project = (tools.root / settings.pipeline.directory).resolve()
    tracked = {path for stage in stages for path in [*stage.outs, *(dep.path for dep in stage.deps)]}
    for parent in places["holdout"].resolve().parents:
        if parent.is_relative_to(project) and parent.relative_to(project).as_posix() in tracked:
            listing = tools.scratch / "holdout-folder.json"
            listing.write_bytes(tools.pipeline().listing(parent))
            return listing
    return None


def model_format(path: Path) -> ModelFormat:
    """Return the format of the model at a path: MLflow's if the folder holds an MLmodel file."""
    if path.is_dir():
        return "mlflow" if (path / "MLmodel").is_file() else "folder"
    return "file"


def _name(places: Mapping[str, Path], role: str) -> str | None:
    """Return the place of a part in the bundle: its role, then its own name."""
    return f"{role}/{places[role].name}" if role in places else None


def _places(settings: Settings, root: Path, repository: Path) -> dict[str, Path]:
    """Return the files that the settings name, each verified to exist inside the repository."""
    named = {
        "predictions": ("evaluation.predictions", settings.evaluation.predictions),
        "holdout": ("evaluation.holdout", settings.evaluation.holdout),
        "model": ("candidate.model", settings.candidate.model),
    }
    places = {}
    for role, (key, path) in named.items():
        if path is not None:
            places[role] = inside(root, repository, path, key)
    return places


def inside(root: Path, repository: Path, path: str, key: str) -> Path:
    """Return a path of the settings; refuse one that is missing or outside the repository."""
    place = root / path
    if not place.exists():
        raise EvidenceError(
            f"{path}: the pipeline ran, but this file is not there ({key})",
            remedy=f"make it an output of a stage in dvc.yaml, or fix {key} in mlops-ci.yaml",
        )
    if not place.resolve().is_relative_to(repository.resolve()):
        raise EvidenceError(
            f"{path}: leads out of the repository, to {place.resolve()} ({key})",
            remedy="name files of the repository; let DVC copy its outputs (`dvc config cache.type copy`)",
        )
    return place


def _overlap(settings: Settings, tools: Tools, places: Mapping[str, Path]) -> int | None:
    """Count the holdout rows that are among the training rows: by id, or by content where train has no id."""
    train, against = settings.candidate.train, places.get("holdout") or places.get("predictions")
    if train is None or against is None:
        return None
    place = inside(tools.root, tools.repository.root, train, "candidate.train")
    key = settings.evaluation.id
    names, held = tools.frames.names(place), tools.frames.names(against)
    if key in names:
        ids = [canonical(tools.frames.read(path, [key], text=[key])[key]) for path in (place, against)]
        return len(set(ids[0].tolist()) & set(ids[1].tolist()))
    shared = [name for name in held if name in names]
    if "holdout" not in places or not shared:
        raise PredictionsError(
            f"{train}: has no column '{key}', and no columns in common with the holdout to compare rows by",
            remedy="keep the id in the training file, or leave `candidate.train` out",
        )
    rows = [_row_hashes(tools.frames.read(path, shared), shared) for path in (place, against)]
    return len(rows[0] & rows[1])


def _row_hashes(table: Mapping[str, Any], names: list[str]) -> set[bytes]:
    columns = [canonical(table[name]).tolist() for name in names]
    return {
        hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in zip(*columns, strict=True)
    }
