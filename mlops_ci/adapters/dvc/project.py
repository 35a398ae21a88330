"""A DVC project as its files describe it: dvc.lock, dvc.yaml and the .dvc files, read without DVC."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_ci.adapters.dvc.graph import LockedStage, Project, Tracked, normal
from mlops_ci.adapters.dvc.yaml import DeclaredStage, declared_stages, load_yaml
from mlops_ci.errors import PipelineError


def read_project(root: Path, files: Iterable[str]) -> Project:
    """Read a DVC project.

    Parameters
    ----------
    root
        Its directory (the one that holds ``.dvc``).
    files
        Paths in it, relative: tracked by git, or new and not ignored.

    Raises
    ------
    PipelineError
        If one of its files is broken.
    """
    stages: dict[str, LockedStage] = {}
    data: list[Tracked] = []
    locks: dict[str, str] = {}
    complete = True
    names = [
        name for name in files if name.endswith((".dvc", "dvc.yaml", "dvc.lock")) and _inside(root, name)
    ]
    for name in names:
        pure = PurePosixPath(name)
        try:
            resolved = _read_one(root, pure, stages, data, locks)
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
            raise PipelineError(
                f"{name} is not as DVC writes it: {str(error)[:200]}", remedy="Write it anew with DVC."
            ) from error
        complete = complete and resolved
    return Project(root=root, stages=stages, data=data, locks=locks, complete=complete)


def _read_one(
    root: Path,
    pure: PurePosixPath,
    stages: dict[str, LockedStage],
    data: list[Tracked],
    locks: dict[str, str],
) -> bool:
    """Add what one file describes; return whether all of its templates could be resolved."""
    if pure.name in ("dvc.yaml", "dvc.yml"):
        declared, resolved = declared_stages(root / pure)
        locked = _locked(root, str(pure.with_name("dvc.lock")), locks)
        stages |= _combine(pure, declared, locked, resolved=resolved)
        return resolved
    if pure.suffix == ".dvc" and ".dvc" not in pure.parts[:-1]:
        data += _data(root / pure, pure)
    return True


def _combine(
    file: PurePosixPath,
    declared: Sequence[DeclaredStage],
    locked: Mapping[str, Any],
    *,
    resolved: bool,
) -> dict[str, LockedStage]:
    """Join dvc.yaml and dvc.lock; a stage only in dvc.lock is obsolete, unless templates hide it."""
    combined: dict[str, LockedStage] = {}
    known = {stage.name: stage for stage in declared}
    names = [*known, *(name for name in locked if name not in known and not resolved)]
    for name in names:
        stage = known.get(name) or DeclaredStage(name=name, outs={})
        record = locked.get(name) or {}
        base = file.parent / stage.wdir
        git_kept = {_join(base, path) for path, cached in stage.outs.items() if not cached}
        outs = [_tracked(entry, base) for entry in record.get("outs") or ()]
        address = name if file.parent == PurePosixPath(".") else f"{file}:{name}"
        combined[address] = LockedStage(
            address=address,
            command=_command(record.get("cmd")),
            params=_params(record.get("params"), base),
            deps=[_tracked(entry, base) for entry in record.get("deps") or ()],
            outs=[_tracked(out.entry, base, cached=out.path not in git_kept) for out in outs],
            declared_deps=[_join(base, dep) for dep in stage.deps],
            declared_outs={_join(base, path): cached for path, cached in stage.outs.items()},
            declared_command=stage.command,
            declared_params=[(_join(base, file), key) for file, key in stage.params],
            frozen=stage.frozen,
            always_changed=stage.always_changed or not (stage.deps or record.get("deps") or stage.frozen),
            locked=bool(record),
        )
    return combined


def _locked(root: Path, name: str, locks: dict[str, str]) -> Mapping[str, Any]:
    path = root / name
    if not path.is_file():
        return {}
    content = load_yaml(path)
    locks[name] = path.read_text(encoding="utf-8")
    # Before schema 2.0 the stages stood at the top.
    stages = content.get("stages", {}) if isinstance(content, dict) and "schema" in content else content
    if not isinstance(stages, dict) or not all(isinstance(one, dict) for one in stages.values()):
        raise PipelineError(f"{name} does not describe stages", remedy="Write it anew with `dvc repro`.")
    return stages


def _data(path: Path, pure: PurePosixPath) -> list[Tracked]:
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise PipelineError(f"{pure} is not a .dvc file", remedy="Write it anew with `dvc add`.")
    base = pure.parent / str(content.get("wdir", "."))
    outs = [entry for entry in content.get("outs") or () if isinstance(entry, dict)]
    # What `dvc import-url` made is pushed like other data; what `dvc import` made stays in its repository.
    imported = any(isinstance(dep, dict) and "repo" in dep for dep in content.get("deps") or ())
    return [_tracked(entry, base, imported=imported) for entry in outs]


def _tracked(
    entry: Mapping[str, Any], base: PurePosixPath, *, cached: bool = True, imported: bool = False
) -> Tracked:
    checksum = next((str(entry[key]) for key in ("md5", "etag", "checksum") if entry.get(key)), "")
    if not checksum and isinstance(entry.get("files"), list):  # a cloud-versioned directory
        checksum = json.dumps(plain(entry["files"]), sort_keys=True)
    path = str(entry.get("path", ""))
    return Tracked(
        path=_join(base, path), checksum=checksum, entry=dict(entry), cached=cached, imported=imported
    )


def _params(params: Any, base: PurePosixPath) -> dict[str, Any]:
    if not isinstance(params, dict):
        return {}
    return {
        f"{_join(base, str(file))}:{key}": plain(value)
        for file, values in params.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


def plain(value: Any) -> Any:
    """Convert what YAML has and JSON lacks (dates, NaN, keys that are not strings) to strings."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _command(value: Any) -> str:
    return "\n".join(str(one) for one in value) if isinstance(value, list) else str(value or "")


def _join(base: PurePosixPath, path: str) -> str:
    return path if "://" in path else normal(str(base / path))


def _inside(root: Path, name: str) -> bool:
    """Refuse symbolic links: one in place of a .dvc file could point at anything on this machine."""
    path = root / name
    return path.is_file() and not path.is_symlink()
