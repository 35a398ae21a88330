"""`reproduce`: bring the pipeline's outputs up to date, and gather what can be judged of them."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_ci.adapters.ports import Evidence
from mlops_ci.commands.labels import folder_listing
from mlops_ci.commands.tools import Tools
from mlops_ci.core.bundle import Manifest, ModelFormat
from mlops_ci.core.evidence import canonical
from mlops_ci.core.lineage import Stage
from mlops_ci.core.report import Source
from mlops_ci.errors import EvidenceError, PredictionsError
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
    run = tools.pipeline().reproduce(mode, targets, _needed(settings, tools))
    places = _places(settings, tools.root, tools.repository.root)
    folder = _holdout_folder(settings, tools, run.stages, places)
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
        dvc_lock="dvc.lock",
        model_path=_name(places, "model"),
        model_digest=tools.files.digest(model) if model else None,
        model_format=model_format(model) if model else None,
        run_id=_run_id(tools.root, candidate.run_id) if candidate.run_id else None,
        train_overlap=_overlap(settings, tools, places),
        params={key: value for stage in run.stages for key, value in stage.params.items()},
        metrics=_scalars(settings, tools.root),
        notices=run.notices,
    )
    bundled = {_name(places, role) or role: place for role, place in places.items()}
    more = {"holdout-folder.json": folder} if folder else {}
    return Evidence(manifest=manifest, places=bundled | {"dvc.lock": lock} | more)


def _needed(settings: Settings, tools: Tools) -> list[str]:
    """Return what is read afterwards, relative to the DVC project."""
    project = tools.root / settings.pipeline.directory
    evaluation, candidate = settings.evaluation, settings.candidate
    named = [evaluation.predictions, evaluation.holdout, candidate.model, candidate.metrics, candidate.train]
    named += [metric.from_.partition(":")[0] for metric in settings.metrics.values() if metric.from_]
    named += [candidate.run_id.partition(":")[0]] if candidate.run_id else []
    return [os.path.relpath(tools.root / path, project) for path in named if path]


def _holdout_folder(
    settings: Settings, tools: Tools, stages: Sequence[Stage], places: Mapping[str, Path]
) -> Path | None:
    """Write the listing of the folder that the holdout is in, where DVC tracks that folder as one."""
    if "holdout" not in places:
        return None
    project = (tools.root / settings.pipeline.directory).resolve()
    tracked = {path for stage in stages for path in [*stage.outs, *(dep.path for dep in stage.deps)]}
    for parent in places["holdout"].resolve().parents:
        if parent.is_relative_to(project) and parent.relative_to(project).as_posix() in tracked:
            listing = tools.scratch / "holdout-folder.json"
            listing.write_bytes(folder_listing(parent))
            return listing
    return None


def model_format(path: Path) -> ModelFormat:
    """Return what kind of model is at a path: a folder in MLflow's format holds an MLmodel file."""
    if path.is_dir():
        return "mlflow" if (path / "MLmodel").is_file() else "folder"
    return "file"


def _name(places: Mapping[str, Path], role: str) -> str | None:
    """Return where a part stands in the bundle: under its role, with its own name."""
    return f"{role}/{places[role].name}" if role in places else None


def _places(settings: Settings, root: Path, repository: Path) -> dict[str, Path]:
    """Return the files that the settings name, each proven to be there and inside the repository."""
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
    """Return a path of the settings, refused where it is missing or leads out of the repository."""
    place = root / path
    if not place.exists():
        raise EvidenceError(
            f"{path}: the pipeline ran, but this file is not there ({key})",
            remedy=f"make it an output of a stage in dvc.yaml, or mend {key} in mlops-ci.yaml",
        )
    if not place.resolve().is_relative_to(repository.resolve()):
        raise EvidenceError(
            f"{path}: leads out of the repository, to {place.resolve()} ({key})",
            remedy="name files of the repository; let DVC copy its outputs (`dvc config cache.type copy`)",
        )
    return place


def read_structured(root: Path, name: str) -> Any:
    """Read a JSON or YAML file that the change wrote; plain values only."""
    import yaml  # noqa: PLC0415

    try:
        text = (root / name).read_text(encoding="utf-8")
        return yaml.safe_load(text) if name.endswith((".yaml", ".yml")) else json.loads(text)
    except FileNotFoundError:
        raise EvidenceError(f"{name}: there is no such file", remedy="let a stage write it") from None
    except (ValueError, OSError, RecursionError, yaml.YAMLError) as error:
        problem = str(error).splitlines()[0]
        raise EvidenceError(
            f"{name}: cannot be read: {problem}", remedy="let a stage write it whole"
        ) from None


def scalar(root: Path, reference: str) -> Any:
    """Return the value that ``file:key.path`` names.

    Raises
    ------
    EvidenceError
        If the file, or the key in it, is not there.
    """
    name, _, keys = reference.partition(":")
    value = read_structured(root, name)
    for key in keys.split("."):
        if not isinstance(value, Mapping) or key not in value:
            known = f"; it has {', '.join(map(str, list(value)[:8]))}" if isinstance(value, Mapping) else ""
            raise EvidenceError(
                f"{name}: there is no '{keys}'{known}", remedy="let the evaluation stage write it"
            )
        value = value[key]
    return value


def _scalars(settings: Settings, root: Path) -> dict[str, float]:
    """Return the numbers that the change reports of itself: logged, and compared where a policy says so."""
    values: dict[str, Any] = {}
    if settings.candidate.metrics:
        values = dict(_flat(read_structured(root, settings.candidate.metrics)))
        for key, value in values.items():
            if value is None:
                _refuse_null(settings.candidate.metrics, key)
    for name, metric in settings.metrics.items():
        if metric.from_:
            values[name] = scalar(root, metric.from_)
            if isinstance(values[name], bool) or not isinstance(values[name], (int, float)):
                _refuse_null(metric.from_.partition(":")[0], metric.from_.partition(":")[2])
    numbers = {key: float(value) for key, value in values.items() if isinstance(value, (int, float))}
    for key, number in numbers.items():
        if not math.isfinite(number):
            raise EvidenceError(f"metric '{key}' is {number}", remedy="a metric must be a finite number")
    return numbers


def _refuse_null(name: str, key: str) -> None:
    raise EvidenceError(
        f"{name}: '{key}' is not a number", remedy="let the evaluation stage write a finite number"
    )


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _flat(item, f"{prefix}{key}.")]
    return [(prefix.removesuffix("."), value)]


def _run_id(root: Path, reference: str) -> str:
    value = scalar(root, reference)
    if not isinstance(value, str) or not value.isalnum() or len(value) > 64:
        raise EvidenceError(f"{reference}: {value!r:.60} is not an MLflow run id")
    return value


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
