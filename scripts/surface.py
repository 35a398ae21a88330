"""The public surface as data: settings, JSON report, templates, Python, command line, action.

`python scripts/surface.py` stores it (`tests/stability/surface.json`), once a release and whenever something was
added; `--check` fails where it is not current, as a release does. What was stored may not disappear or narrow
without a new major version (a new minor one before 1.0): `tests/test_stability.py` compares.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "tests" / "stability" / "surface.json"

# name of an item -> what holds of it; a missing name, or a value that is gone from a list, breaks someone
Surface = dict[str, dict[str, Any]]


def surface() -> dict[str, Any]:
    """Return the surface of the code as it is."""
    import mlops_ci  # noqa: PLC0415

    return {
        "version": mlops_ci.__version__,
        "settings": settings(),
        "report": report(),
        "templates": templates(),
        "python": python(),
        "command line": command_line(),
        "action": action(),
    }


def settings() -> Surface:
    """Return every key with its types, choices and default."""
    from mlops_ci.settings import json_schema  # noqa: PLC0415

    return {
        f"{block}.{key}": _item(item, key in definition.get("required", []))
        for block, definition in json_schema()["$defs"].items()
        for key, item in definition.get("properties", {}).items()
    }


def report() -> Surface:
    """Return every field of the JSON report with its types."""
    schema = json.loads((ROOT / "docs" / "schema" / "report.json").read_text(encoding="utf-8"))
    found = {"Report": schema, **schema["$defs"]}
    made = {
        f"{name}.{key}": {"types": _types(item)}
        for name, definition in found.items()
        for key, item in definition.get("properties", {}).items()
    }
    made |= {name: {"values": one["enum"]} for name, one in found.items() if "enum" in one}
    return made | {"schema_version": {"is": schema["properties"]["schema_version"]["const"]}}


def _item(item: Mapping[str, Any], required: bool) -> dict[str, Any]:
    known = {"types": _types(item), "required": required}
    return known if required or "default" not in item else known | {"default": item["default"]}


def _types(item: Mapping[str, Any]) -> list[str]:
    """Return the types that a value may have, one a line of thought: `string`, `list of number`, `'pass'`."""
    if "const" in item:
        return [repr(item["const"])]
    if "enum" in item:
        return [repr(value) for value in item["enum"]]
    if "anyOf" in item:
        return sorted({kind for one in item["anyOf"] for kind in _types(one)})
    if "$ref" in item:
        return [item["$ref"].rsplit("/", 1)[1]]
    if item.get("type") == "array" and item.get("items"):
        return [f"list of {kind}" for kind in _types(item["items"])]
    return [str(item.get("type", "any"))]


def templates() -> Surface:
    """Return blocks by template, filters, functions, and options."""
    from mlops_ci.render.environment import environment, template_folder  # noqa: PLC0415

    made: Surface = {}
    for path in sorted((template_folder() / "report").glob("*.j2")):
        blocks = re.findall(r"{% block (\w+) %}", path.read_text(encoding="utf-8"))
        if blocks:
            made[path.name] = {"values": sorted(blocks)}
    for form in ("markdown", "html", "text"):
        known = environment(form)
        ours = {**known.filters, **known.globals}
        made[f"{form}: filters and functions"] = {"values": sorted(n for n, f in ours.items() if _is_ours(f))}
    return made | {"options": {"values": ["comment", "rows", "width"]}}


def _is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("mlops_ci")


def python() -> Surface:
    """Return the public names: parameters of functions, fields and methods of what they return, errors."""
    import mlops_ci  # noqa: PLC0415
    from mlops_ci import errors  # noqa: PLC0415
    from mlops_ci.core.drift.profile import Profile  # noqa: PLC0415
    from mlops_ci.core.drift.result import DriftColumn, DriftReport  # noqa: PLC0415
    from mlops_ci.core.policy import MetricPolicy  # noqa: PLC0415
    from mlops_ci.core.verdict import Finding, Outcome, Result  # noqa: PLC0415

    made: Surface = {"mlops_ci": {"values": sorted(mlops_ci.__all__)}}
    for name in mlops_ci.__all__:
        value = getattr(mlops_ci, name)
        if inspect.isfunction(value):
            made |= {f"mlops_ci.{name}({key})": known for key, known in _parameters(value)}
    for kind in (mlops_ci.Policy, MetricPolicy, mlops_ci.Verdict, Finding, DriftReport, DriftColumn, Profile):
        made[kind.__name__] = {"values": sorted(_members(kind))}
    for choice in (Outcome, Result):
        made[choice.__name__] = {"values": [one.value for one in choice]}
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.MlopsCiError):
            made[f"errors.{name}"] = {"is": error.exit_code}
    return made


def _parameters(function: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in inspect.signature(function).parameters.values():
        required = one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        yield one.name, {"is": one.kind.name, "required": required}


def _members(kind: Any) -> Iterator[str]:
    if is_dataclass(kind):
        yield from (one.name for one in fields(kind))
    for name, value in inspect.getmembers(kind):
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            yield name


def command_line() -> Surface:
    """Return every verb, with its options, their choices and variables; and the exit codes."""
    from mlops_ci.cli.main import VERBS, cli  # noqa: PLC0415

    made: Surface = {"verbs": {"values": sorted(VERBS)}, "exit codes": {"values": [0, 1, 2, 3, 4, 5]}}
    for verb in VERBS:
        command = cli.get_command(None, verb)  # type: ignore[arg-type]
        assert command is not None
        made |= dict(_options(verb, command))
    return made


def _options(name: str, command: click.Command) -> Iterator[tuple[str, dict[str, Any]]]:
    for inner, one in getattr(command, "commands", {}).items():
        yield from _options(f"{name} {inner}", one)
    for parameter in command.params:
        variables = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or [])
        known: dict[str, Any] = {"values": sorted(variables), "required": parameter.required}
        if isinstance(parameter.type, click.Choice):
            known["types"] = sorted(map(str, parameter.type.choices))
        label = max(parameter.opts, key=len) if isinstance(parameter, click.Option) else parameter.name
        yield f"{name} {label}", known


def action() -> Surface:
    """Return inputs with their defaults, and outputs."""
    read = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    inputs = {
        f"input {name}": {"required": bool(one.get("required")), "default": one.get("default")}
        for name, one in read["inputs"].items()
    }
    return inputs | {"outputs": {"values": sorted(read["outputs"])}}


def broken(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what a user of the one surface would miss in the other, a sentence each."""
    found: list[str] = []
    for part, items in before.items():
        if part == "version":
            continue
        for name, known in items.items():
            there = now[part].get(name)
            if there is None:
                found.append(f"{part}: {name} is gone")
            else:
                found += [f"{part}: {name}: {problem}" for problem in _narrowed(part, known, there)]
        for name, known in now[part].items():
            added = name not in items and known.get("required") and part in {"settings", "action"}
            if added and any(other.split(".")[0] == name.split(".")[0] for other in items):
                found.append(f"{part}: {name} is new and required")
    return found


def _narrowed(part: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    gone = [value for value in before.get("values", []) if value not in now.get("values", [])]
    if gone:
        yield f"no longer has {', '.join(map(repr, gone))}"
    kinds = [kind for kind in before.get("types", []) if kind not in now.get("types", [])]
    # A reader breaks by a type that is new to it, who writes settings by one that is gone.
    if part == "report":
        kinds = [kind for kind in now.get("types", []) if kind not in before.get("types", [])]
    if kinds and "any" not in now.get("types", []):
        yield f"{'may now be' if part == 'report' else 'may no longer be'} {', '.join(kinds)}"
    if now.get("required") and not before.get("required"):
        yield "is required now"
    for key in ("default", "is"):
        if key in before and before[key] != now.get(key):
            yield f"{key} was {before[key]!r}, is {now.get(key)!r}"


def may_break(before: str, now: str) -> bool:
    """Tell whether a version may break what another promised: a new major one, or before 1.0 a new minor one."""
    old, new = ([int(part) for part in version.split(".")[:2]] for version in (before, now))
    return new[0] > old[0] or (old[0] == 0 and new > old)


def text(made: Mapping[str, Any]) -> str:
    """Return a surface as it is stored."""
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    current = text(surface())
    if "--check" in sys.argv:
        if PLACE.read_text(encoding="utf-8") != current:
            sys.exit("tests/stability/surface.json is not current: run python scripts/surface.py")
    else:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text(current, encoding="utf-8")
