"""Reads mlops-ci.yaml, and reports all problems at once: each with its key and, for a typo, a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mlops_ci.core.policy import Policy
from mlops_ci.core.yaml_expansion import expands_beyond
from mlops_ci.errors import SettingsError
from mlops_ci.settings.deprecated import with_new_names
from mlops_ci.settings.evaluation import EvaluationSettings, MetricSettings
from mlops_ci.settings.model import (
    GateSettings,
    Settings,
)
from mlops_ci.settings.policy import between_blocks, metric_problems, to_policy

REMEDY = "fix these keys; docs/reference/settings.md lists all of them"


_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML without object tags that refuses a key given twice (PyYAML would keep the last, in silence)."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        # `<<` is no key: `flatten_mapping` puts what it names in its place.
        key = "<<" if key_node.tag == _MERGE else loader.construct_object(key_node)
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise yaml.constructor.ConstructorError(
                None, None, "keys must be plain text", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' occurs twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path: Path) -> list[Settings]:
    """Read a settings file, one entry a model.

    Raises
    ------
    SettingsError
        If the file is missing, is not YAML, or has any problem: all are listed.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            str(path), ["there is no such file"], remedy="write one with `mlops-ci init`"
        ) from None
    except OSError as error:
        raise SettingsError(str(path), [f"cannot be read: {error.strerror}"]) from None
    return read_settings(text, str(path))


def read_settings(text: bytes, source: str) -> list[Settings]:
    """Read settings from the bytes of a file; `source` names it in messages."""
    raw = _parse(text, source)
    several = "models" in raw and set(raw) <= {"models", "report"}
    blocks = raw["models"] if several else [raw]
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise SettingsError(source, ["models: must be a list with one block per model"], remedy=REMEDY)
    if several and "report" in raw:
        blocks = [{"report": raw["report"]} | block for block in blocks]
    problems: list[str] = []
    models: list[Settings] = []
    for index, block in enumerate(blocks):
        prefix = f"models[{index}]." if len(blocks) > 1 else ""
        renamed, said, found = with_new_names(block)
        try:
            models.append(Settings.model_validate(renamed).saying(said))
        except ValidationError as error:
            found += [line for line in explain(error, Settings) if not line.startswith("metrics.")]
        found += _metrics(renamed.get("metrics"))[1]
        found += between_blocks(*(renamed.get(key) for key in ("metrics", "gate", "evaluation")))
        problems += [prefix + problem for problem in dict.fromkeys(found)]
    names = [model.registry.model for model in models]
    problems += [
        f"models: '{name}' occurs twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if problems:
        raise SettingsError(source, problems, remedy=REMEDY)
    return models


def policy_from_mapping(mapping: Mapping[str, Any]) -> Policy:
    """Return a policy from the keys `metrics`, `gate` and `evaluation` of mlops-ci.yaml.

    Raises
    ------
    SettingsError
        Listing every problem.
    """
    problems: list[str] = []
    allowed = {"metrics", "gate", "evaluation"}
    problems += [f"{key}: unknown key{_suggest(str(key), allowed)}" for key in mapping if key not in allowed]
    metrics, found = _metrics(mapping.get("metrics"))
    problems += found
    problems += between_blocks(*(mapping.get(key) for key in ("metrics", "gate", "evaluation")))
    parts: dict[str, Any] = {}
    for key, kind in (("gate", GateSettings), ("evaluation", EvaluationSettings)):
        try:
            parts[key] = kind.model_validate(mapping.get(key) or {})
        except ValidationError as error:
            problems += [f"{key}.{problem}" for problem in explain(error, kind)]
    if problems:
        raise SettingsError("policy", problems, remedy=REMEDY)
    return to_policy(metrics, parts["gate"], parts["evaluation"])


def _metrics(raw: Any) -> tuple[dict[str, MetricSettings], list[str]]:
    """Check the metrics one by one, so that a problem in one does not hide that of another."""
    if not isinstance(raw, Mapping) or not raw:
        return {}, ["metrics: must name at least one metric"]
    metrics: dict[str, MetricSettings] = {}
    problems: list[str] = []
    for name, block in raw.items():
        try:
            metrics[str(name)] = MetricSettings.model_validate({} if block is None else block)
            problems += metric_problems(str(name), metrics[str(name)])
        except ValidationError as error:
            problems += [f"metrics.{name}.{problem}" for problem in explain(error, MetricSettings)]
    if not problems and not any(metric.gate for metric in metrics.values()):
        problems.append("metrics: none has `gate: true`; a gate without a metric would pass everything")
    return metrics, problems


def explain(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Convert pydantic's errors to one line each: key, problem, suggestion."""
    lines: list[str] = []
    for item in error.errors(include_url=False):
        # pydantic adds the branch of a union to the place, which no user wrote
        place = [str(part) for part in item["loc"] if not _is_branch(part)]
        key = ".".join(place)
        if item["type"] == "string_type" and isinstance(item["input"], dict):
            continue  # the other branch of a union says it better
        if item["type"] == "extra_forbidden":
            lines.append(
                f"{key}: unknown key{_suggest(place[-1], _keys_at(root, place[:-1])) if place else ''}"
            )
        elif item["type"] == "missing":
            lines.append(f"{key}: missing")
        elif item["type"] == "value_error":
            texts = str(item["ctx"]["error"]).splitlines()
            lines += [f"{key}: {text}" if key else text for text in texts]
        else:
            lines.append(f"{key or 'file'}: {item['msg']}, not {item['input']!r:.60}")
    return list(dict.fromkeys(lines))


def _is_branch(part: str | int) -> bool:
    return isinstance(part, str) and (
        part in {"bool", "str", "float", "int"} or "[" in part or part.endswith("Settings")
    )


def _keys_at(root: type[BaseModel], place: list[str]) -> set[str]:
    """Return the keys that a block at a path may have."""
    kind: Any = root
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
            annotation = kind.model_fields[part].annotation
            kind = next(_blocks_in(annotation), annotation)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return set()
    return {field.alias or name for name, field in kind.model_fields.items()}


def _blocks_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the blocks in an annotation such as ``list[str | SliceSettings]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _blocks_in(argument)


def _suggest(word: str, words: set[str]) -> str:
    near = get_close_matches(word, words, 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _parse(text: bytes, source: str) -> dict[str, Any]:
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SettingsError(source, [f"{place}{error.problem or 'not YAML'}"]) from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(source, [f"not YAML: {said:.300}"]) from None
    if expands_beyond(raw, 50_000):
        raise SettingsError(source, ["its anchors unfold to more than 50,000 values"])
    if not isinstance(raw, dict):
        raise SettingsError(
            source, ["must be a mapping of settings"], remedy="write one with `mlops-ci init`"
        )
    return raw
