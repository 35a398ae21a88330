"""Lineage: what a model was made from, and the pipeline version that identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

StageState = Literal["ran", "restored", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """Data or code from outside the pipeline that a stage read, by path and checksum.

    Attributes
    ----------
    folder
        Checksum of the folder that a .dvc file tracks as a whole, where the path lies in one: all that git
        knows of the present data.
    """

    path: str
    checksum: str
    size: int | None = None
    kind: Literal["data", "code"] = "data"
    folder: str | None = None

    @property
    def version(self) -> str:
        """What git alone identifies it by, without the data."""
        return self.folder or self.checksum


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the pipeline as dvc.lock describes it, and whether it ran.

    Attributes
    ----------
    name
        As in dvc.yaml.
    command
        The shell command, or commands.
    params
        Parameter values by ``file:key``.
    deps
        What it read that no stage produces.
    inputs
        Paths that it read from other stages.
    outs
        Checksum of each output, by path.
    state, seconds
        What became of it, and its wall time; None before it ran.
    """

    name: str
    command: str
    params: Mapping[str, Any] = field(default_factory=dict)
    deps: Sequence[DataFile] = ()
    inputs: Sequence[str] = ()
    outs: Mapping[str, str] = field(default_factory=dict)
    state: StageState | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The origin of a candidate.

    Attributes
    ----------
    git_commit
        The commit whose pipeline was reproduced (of the pull request's head, not of a merge commit).
    pipeline_version
        See `pipeline_version`.
    dvc_lock_digest
        SHA-256 of the dvc.lock that the run produced.
    environment
        Checksum of the environment's lock file by its path; empty if there is none.
    data
        External data of all stages.
    """

    git_commit: str
    pipeline_version: str
    dvc_lock_digest: str
    environment: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[DataFile] = ()


def canonical_json(value: Any) -> bytes:
    """Encode plain values as canonical JSON: sorted keys, no spaces, UTF-8; equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def pipeline_version(stages: Sequence[Stage], environment: Mapping[str, str]) -> str:
    """Return the SHA-256 that changes when data, code or configuration changes, and only then.

    It is taken over each stage's command, parameters, and external dependencies, and over the
    environment's lock file; outputs do not count, since training is rarely deterministic.
    """
    described = [
        {
            "name": stage.name,
            "command": stage.command,
            "params": dict(stage.params),
            "deps": sorted([dep.path, dep.version] for dep in stage.deps),
            "inputs": sorted(stage.inputs),
            "outs": sorted(stage.outs),
        }
        for stage in sorted(stages, key=lambda stage: stage.name)
    ]
    return hashlib.sha256(canonical_json({"stages": described, "environment": dict(environment)})).hexdigest()


def lineage(
    git_commit: str, stages: Sequence[Stage], lock_text: str, environment: Mapping[str, str]
) -> Lineage:
    """Return the lineage of these stages' outputs; each piece of external data is listed once."""
    data = {(dep.path, dep.checksum): dep for stage in stages for dep in stage.deps if dep.kind == "data"}
    return Lineage(
        git_commit=git_commit,
        pipeline_version=pipeline_version(stages, environment),
        dvc_lock_digest=hashlib.sha256(lock_text.encode()).hexdigest(),
        environment=dict(environment),
        data=[data[key] for key in sorted(data)],
    )
