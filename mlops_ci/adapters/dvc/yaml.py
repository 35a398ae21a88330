"""Parses dvc.yaml: each stage's directory, inputs, outputs and flags, with templates resolved."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlops_ci.core.yaml_expansion import expands_beyond
from mlops_ci.errors import PipelineError

_REFERENCE = re.compile(r"\$\{\s*([^}]+?)\s*\}")
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnresolvedError(Exception):
    """A template that only DVC can resolve."""


@dataclass(frozen=True, kw_only=True)
class DeclaredStage:
    """A stage of dvc.yaml, with templates resolved; paths are relative to `wdir`.

    `outs` maps each output to whether DVC caches it (``cache: false`` leaves it to git). `params` are
    (file, key); an empty key means all of the file.
    """

    name: str
    command: str = ""
    params: tuple[tuple[str, str], ...] = ()
    wdir: str = "."
    deps: tuple[str, ...] = ()
    outs: Mapping[str, bool]
    frozen: bool = False
    always_changed: bool = False


def load_yaml(path: Path) -> Any:
    """Return the plain values of a YAML file; its tags cannot create objects or run code.

    Raises
    ------
    PipelineError
        If it is not YAML.
    """
    try:
        with path.open("rb") as stream:
            value = yaml.load(stream, Loader=_Loader)  # noqa: S506 (a safe loader, in C where there is one)
        if expands_beyond(value):
            raise ValueError("its anchors unfold to more than a million values")
        return value
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        said = " ".join(str(error).split())[:500]
        raise PipelineError(f"{path.name} is not valid YAML: {said}", remedy=f"Fix {path.name}.") from error


def declared_stages(path: Path) -> tuple[list[DeclaredStage], bool]:
    """Return the stages of one dvc.yaml, and whether all of its templates could be resolved.

    Raises
    ------
    PipelineError
        If it is not valid YAML, or its stages are no mapping.
    """
    content = load_yaml(path) or {}
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(stages, (dict, type(None))):
        raise PipelineError(f"{path.name} has no mapping `stages`", remedy=f"Fix {path.name}.")
    found: list[DeclaredStage] = []
    complete = True
    variables = content.get("vars") or []
    if not isinstance(variables, list):
        raise PipelineError(f"{path.name}: `vars` is not a list", remedy=f"Fix {path.name}.")
    shared = _context(path.parent, variables, defaults=True)
    for name, body in (stages or {}).items():
        try:
            found += _expand(str(name), body, shared, path.parent)
        except (UnresolvedError, TypeError, AttributeError, ValueError, LookupError, RuntimeError):
            complete = False
    return found, complete


def _expand(name: str, body: Any, shared: Mapping[str, Any], folder: Path) -> Iterator[DeclaredStage]:
    """Yield the stages that an entry expands to: itself, or one per item."""
    if "foreach" in body:
        items = _resolve(body["foreach"], shared)
        pairs = items.items() if isinstance(items, dict) else enumerate(items)
        for key, item in pairs:
            plain = not isinstance(items, dict) and not isinstance(item, (dict, list))
            suffix = _text(item) if plain else _text(key)
            yield _one(f"{name}@{suffix}", body["do"], {**shared, "item": item, "key": key}, folder)
    elif "matrix" in body:
        axes = _resolve(body["matrix"], shared)
        for combination in itertools.product(*(list(enumerate(values)) for values in axes.values())):
            parts = [
                f"{axis}{index}" if isinstance(value, (dict, list)) else _text(value)
                for axis, (index, value) in zip(axes, combination, strict=True)
            ]
            item = {axis: value for axis, (_, value) in zip(axes, combination, strict=True)}
            suffix = "-".join(parts)
            yield _one(f"{name}@{suffix}", body, {**shared, "item": item, "key": suffix}, folder)
    else:
        yield _one(name, body, shared, folder)


def _one(name: str, body: Mapping[str, Any], shared: Mapping[str, Any], folder: Path) -> DeclaredStage:
    wdir = str(_resolve(body.get("wdir", "."), shared))
    context = {**shared, **_context(folder / wdir, body.get("vars") or [], defaults=wdir != ".")}
    outs: dict[str, bool] = {}
    for kind in ("outs", "metrics", "plots"):
        for entry in _entries(body.get(kind)):
            path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
            cached = not isinstance(options, dict) or options.get("cache", True) is not False
            outs[str(_resolve(path, context))] = cached
    deps = tuple(str(_resolve(dep, context)) for dep in body.get("deps") or ())
    return DeclaredStage(
        name=name,
        command=_command(_resolve(body.get("cmd", ""), context)),
        params=tuple(_params(_resolve(body.get("params") or [], context))),
        wdir=wdir,
        deps=deps,
        outs=outs,
        frozen=body.get("frozen") is True,
        always_changed=body.get("always_changed") is True,
    )


def _command(value: Any) -> str:
    return "\n".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _params(entries: Any) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if isinstance(entry, dict):
            for file, keys in entry.items():
                yield from ((str(file), str(key)) for key in keys or [""])
        else:
            yield ("params.yaml", str(entry))


def _entries(value: Any) -> Sequence[Any]:
    # Plots may also be one mapping of paths to options.
    return [{key: one} for key, one in value.items()] if isinstance(value, dict) else value or []


def _context(folder: Path, variables: Sequence[Any], *, defaults: bool) -> dict[str, Any]:
    """Gather the values that templates refer to: params.yaml, then the files and mappings of `vars`."""
    context: dict[str, Any] = {}
    sources: list[Any] = ["params.yaml"] if defaults else []
    for source in [*sources, *variables]:
        values = source
        if isinstance(source, str):
            name, _, keys = source.partition(":")
            values = load_values(folder / name)
            if keys and isinstance(values, dict):
                values = {key: values[key] for key in keys.split(",") if key in values}
        if isinstance(values, dict):
            context = _merge(context, values)
    return context


def load_values(path: Path) -> Any:
    """Return the values of a file; empty if it is missing or not plain, which DVC will report."""
    try:
        if path.suffix == ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".toml":
            return tomllib.loads(path.read_text(encoding="utf-8"))
        return load_yaml(path)
    except (OSError, ValueError, PipelineError):
        return None


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _resolve(value: Any, context: Mapping[str, Any]) -> Any:
    """Replace ``${key.path[0]}`` in strings; a string that is a single reference becomes the value itself."""
    if isinstance(value, dict):
        return {key: _resolve(item, context) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, context) for item in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole[1], context)
    return _REFERENCE.sub(lambda match: _text(_look_up(match[1], context)), value)


def _look_up(reference: str, context: Mapping[str, Any]) -> Any:
    value: Any = context
    for part in re.findall(r"[^.\[\]]+", reference):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UnresolvedError(reference) from error
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise UnresolvedError(str(value))
    return str(value)
