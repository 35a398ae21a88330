"""Reads scalars from the change's metrics files: finite numbers, or an error that names file and key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_ci.core.yaml_expansion import expands_beyond
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings


def read_structured(root: Path, name: str) -> Any:
    """Read a JSON or YAML file of the change, as plain values only."""
    import yaml  # noqa: PLC0415

    try:
        text = (root / name).read_text(encoding="utf-8")
        value = yaml.safe_load(text) if name.endswith((".yaml", ".yml")) else json.loads(text)
        if expands_beyond(value):
            raise ValueError("its anchors unfold to more than a million values")
        return value
    except FileNotFoundError:
        raise EvidenceError(f"{name}: there is no such file", remedy="let a stage write it") from None
    except (ValueError, OSError, RecursionError, TypeError, AttributeError, yaml.YAMLError) as error:
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


def scalars_of(settings: Settings, root: Path) -> dict[str, float]:
    """Return the scalars that the change reports: all are logged, those in the policy are compared."""
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


def run_id_of(root: Path, reference: str) -> str:
    """Return the MLflow run that ``file:key`` names: the pipeline's own."""
    value = scalar(root, reference)
    if not isinstance(value, str) or not value.isalnum() or len(value) > 64:
        raise EvidenceError(f"{reference}: {value!r:.60} is not an MLflow run id")
    return value
