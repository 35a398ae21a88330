"""Inspects a repository's files (DVC projects, metrics, predictions, code) without running anything."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.dvc.config import DvcConfig
from mlops_ci.adapters.dvc.graph import Project
from mlops_ci.adapters.dvc.project import read_project
from mlops_ci.adapters.dvc.yaml import load_values
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.onboarding.source_code import Code, read_code
from mlops_ci.core.onboarding.facts import Facts, Forge, ProjectFact, StageFact, Table
from mlops_ci.core.table_files import is_table
from mlops_ci.errors import MlopsCiError

_LARGEST = 200 * 2**20
# A column of more distinct values holds no classes.
_MOST_VALUES = 200
_INSTALLS = (
    ("uv.lock", 'pip install uv && uv sync --locked && echo "$PWD/.venv/bin" >> "$GITHUB_PATH"'),
    (
        "poetry.lock",
        "pip install poetry && poetry config virtualenvs.create false && poetry install --no-root",
    ),
    ("requirements.txt", "python -m pip install -r requirements.txt"),
    ("src/requirements.txt", "python -m pip install -r src/requirements.txt"),
    ("requirements.lock", "python -m pip install -r requirements.lock"),
    ("pyproject.toml", "python -m pip install ."),
    ("setup.py", "python -m pip install ."),
)


def inspect(repository: GitRepository, environ: Mapping[str, str] = os.environ) -> Facts:
    """Return the facts of a repository, from its files and its git remotes.

    Raises
    ------
    PipelineError
        If a file of DVC is broken.
    """
    files = repository.files()
    projects = [_project(repository, folder) for folder in _project_folders(files)]
    outs = {out for project in projects for stage in project.stages for out in stage.outs}
    scalars, texts = _metrics(repository.root, outs | _declared_metrics(repository.root, files), files)
    code = read_code(repository.root, files)
    uri, where = _tracking(environ, code)
    commands = " ".join(_evaluating(projects))
    return Facts(
        name=repository.root.name,
        projects=tuple(projects),
        scalars=scalars,
        texts=texts,
        tables=tuple(_table(repository.root, out) for out in sorted(outs) if is_table(out)),
        tracked=tuple(name.removesuffix(".dvc") for name in files if re.search(r"[^/]\.dvc$", name)),
        registered=code.registered,
        tracking_uri=uri,
        tracking_from=where,
        frameworks=code.frameworks,
        evaluation_code=next(
            (path for path in code.scripts if path in commands or Path(path).name in commands), ""
        ),
        install=next((command for name, command in _INSTALLS if name in files), ""),
        python=_python(repository.root),
        forge=forge_of(repository, files),
        branch=_branch(repository),
    )


def forge_of(repository: GitRepository, files: list[str]) -> Forge:
    """Return the forge by the git remote, else by its configuration files."""
    url = (repository.remote_url() or "").lower()
    if "gitlab" in url:
        return "gitlab"
    if "github" in url:
        return "github"
    if ".gitlab-ci.yml" in files:
        return "gitlab"
    return "github" if any(name.startswith(".github/") for name in files) else ""


def _branch(repository: GitRepository) -> str:
    try:
        tip = repository.target_tip(None)
    except MlopsCiError:
        return "main"
    return tip[0] if tip else "main"


def _project_folders(files: list[str]) -> list[str]:
    """Return the folders that hold `.dvc/config`, those with a pipeline first."""
    folders = [name.removesuffix("/.dvc/config") for name in files if name.endswith("/.dvc/config")]
    return (["."] if ".dvc/config" in files else []) + folders


def _project(repository: GitRepository, folder: str) -> ProjectFact:
    root = repository.root / folder
    project = read_project(root, repository.files(below=root))
    return ProjectFact(
        directory=folder,
        stages=tuple(_stage(project, address, folder) for address in project.stages),
        remotes=remotes_of(root),
        complete=project.complete,
    )


def remotes_of(root: Path) -> dict[str, str]:
    """Return the address of each DVC remote of a project by name."""
    found: dict[str, str] = {}
    for name in ("config", "config.local"):
        path = root / ".dvc" / name
        if path.is_file():
            urls = DvcConfig(path.read_text(encoding="utf-8"), root / ".dvc").remotes()
            found |= {remote: url for remote, url in urls.items() if url}
    return found


def _stage(project: Project, address: str, folder: str) -> StageFact:
    stage = project.stages[address]
    base = PurePosixPath(folder)

    def here(path: str) -> str:
        return path if "://" in path else os.path.normpath(base / path)

    return StageFact(
        address=address,
        command=stage.declared_command or stage.command,
        deps=tuple(here(dep) for dep in stage.declared_deps),
        outs=tuple(here(out) for out in stage.declared_outs),
    )


def _declared_metrics(root: Path, files: list[str]) -> set[str]:
    """Return the metrics that stand at the top of a dvc.yaml, outside of any stage."""
    found = set()
    for name in files:
        if PurePosixPath(name).name == "dvc.yaml":
            content = load_values(root / name)
            listed = content.get("metrics") if isinstance(content, dict) else None
            paths = [entry for entry in listed or [] if isinstance(entry, str)]
            found |= {os.path.normpath(PurePosixPath(name).parent / path) for path in paths}
    return found


def _metrics(root: Path, outs: set[str], files: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the numbers and texts of metrics files, by file and dotted key."""
    names = {out for out in outs if Path(out).suffix in {".json", ".yaml", ".yml"}}
    for out in outs:
        if (root / out).is_dir():
            inside = sorted((root / out).rglob("*metrics*.json"))[:5]
            names |= {path.relative_to(root).as_posix() for path in inside}
    scalars: dict[str, dict[str, float]] = {}
    texts: dict[str, dict[str, str]] = {}
    for name in sorted(names, key=lambda name: ("metric" not in name, name)):
        path = root / name
        if not path.is_file() or path.stat().st_size > 2**20:
            continue
        flat = dict(_flat(load_values(path)))
        numbers = {key: float(value) for key, value in flat.items() if _is_number(value)}
        words = {key: value for key, value in flat.items() if isinstance(value, str)}
        if numbers and len(numbers) < 200:
            scalars[name] = numbers
        if words and len(words) < 200:
            texts[name] = words
    return scalars, texts


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}{key}.")
    elif prefix:
        yield prefix.removesuffix("."), value


def _table(root: Path, name: str) -> Table:
    """Read a table's columns and rows; of one that is missing or too large, only the name is known."""
    path = root / name
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return Table(path=name)
    import numpy as np  # noqa: PLC0415

    try:
        columns = TableReader().read(path)
    except MlopsCiError:
        return Table(path=name)
    plain = {column: values for column, values in columns.items() if values.ndim == 1}
    rows = len(next(iter(plain.values()), ()))
    fractions = {
        column
        for column, values in plain.items()
        if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values), equal_nan=True)
    }
    unlike = {
        column: set(map(str, values.tolist() if values.dtype.kind == "O" else np.unique(values).tolist()))
        for column, values in plain.items()
    }
    return Table(
        path=name,
        columns=tuple(columns),
        rows=rows,
        distinct={column: len(values) for column, values in unlike.items()},
        numbers=frozenset(fractions),
        values={column: frozenset(some) for column, some in unlike.items() if len(some) <= _MOST_VALUES},
    )


def _evaluating(projects: list[ProjectFact]) -> Iterator[str]:
    """Yield the commands of stages that evaluate, by their names."""
    for project in projects:
        for stage in project.stages:
            if re.search(r"eval|score|validat|test|metric", stage.address, re.IGNORECASE):
                yield stage.command


def _tracking(environ: Mapping[str, str], code: Code) -> tuple[str, str]:
    if environ.get("MLFLOW_TRACKING_URI"):
        return environ["MLFLOW_TRACKING_URI"], "the variable MLFLOW_TRACKING_URI"
    return code.tracking_uri, code.tracking_from


def _python(root: Path) -> str:
    """Return the Python that the project asks for, as `3.12`, or nothing."""
    pinned = root / ".python-version"
    text = pinned.read_text(encoding="utf-8", errors="replace") if pinned.is_file() else ""
    if not text and (root / "pyproject.toml").is_file():
        try:
            loaded = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        except (ValueError, OSError):
            loaded = {}
        text = str((loaded.get("project") or {}).get("requires-python", ""))
    found = re.search(r"3\.\d+", text)
    return found[0] if found else ""
