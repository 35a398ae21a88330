"""Reference pages that are read from the code: the command line, the action, reports, templates, Python."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import click
import yaml

import mlops_ci
from mlops_ci.cli.main import VERBS, cli
from mlops_ci.core.report import Report
from mlops_ci.render.environment import environment, template_folder

ROOT = Path(__file__).parents[1]
WRITTEN = "Written from the code by `scripts/write_reference.py`."


def cli_page() -> str:
    """Return the page of the command line: what `--help` says, verb by verb."""
    parts = [
        f"# Command line\n\n{WRITTEN}\n",
        "Exit codes: `0` pass, or merge with a notice; `1` proven worse; `2` wrong usage or settings; `3` held for"
        " approval; `4` a service failed, try again; `5` no evidence that can be trusted.\n",
        "## Completion\n\nCompletes verbs, options and files. bash, in `~/.bashrc`:\n\n<!-- not run: changes the shell -->\n"
        '```sh\neval "$(_MLOPS_CI_COMPLETE=bash_source mlops-ci)"\n```\n\n'
        "zsh: `zsh_source`; fish: `_MLOPS_CI_COMPLETE=fish_source mlops-ci | source`.\n",
    ]
    parts += [_verb(verb, _command(verb)) for verb in VERBS]
    return "\n".join(parts)


def _command(verb: str) -> click.Command:
    command = cli.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    return command


def _verb(name: str, command: click.Command, level: int = 2) -> str:
    inner = [_verb(f"{name} {sub}", one, level + 1) for sub, one in getattr(command, "commands", {}).items()]
    return "\n".join([f"{'#' * level} {name}\n\n{_help(name, command)}\n{_environment(command)}", *inner])


def _help(verb: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"mlops-ci {verb}", terminal_width=100, max_content_width=100)
    return f"```text\n{command.get_help(context)}\n```\n"


def _environment(command: click.Command) -> str:
    rows = [
        f"`{one.opts[0]}`: "
        + ", ".join(f"`{n}`" for n in ([one.envvar] if isinstance(one.envvar, str) else one.envvar))
        for one in command.params
        if one.envvar
    ]
    return f"Variables: {'; '.join(rows)}.\n" if rows else ""


def action_page() -> str:
    """Return the page of the action's inputs and outputs."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    lines = [f"# The action\n\n{WRITTEN}\n\n## Inputs\n", "| input | default | |", "| --- | --- | --- |"]
    for name, one in action["inputs"].items():
        default = one.get("default", "")
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {_cell(one['description'])} |")
    lines += ["\n## Outputs\n", "| output | |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(one['description'])} |" for name, one in action["outputs"].items()]
    return "\n".join(lines) + "\n"


def report_page() -> str:
    """Return the page of the JSON report: every field with its type and meaning."""
    schema = json.loads((ROOT / "docs" / "schema" / "report.json").read_text(encoding="utf-8"))
    kinds = {"Report": Report, **_dataclasses(Report)}
    parts = [
        f"# The JSON report\n\n{WRITTEN} The same as [JSON Schema](../schema/report.json). `schema_version` is"
        f" {schema['properties']['schema_version']['const']}; fields are added without a new version, and never"
        " renamed or removed without one. Templates see the same fields.\n"
    ]
    for name, kind in kinds.items():
        definition = schema if name == "Report" else schema["$defs"].get(name)
        if definition is None or "properties" not in definition:
            continue
        first, about = _attributes(kind)
        rows = [
            f"| `{key}` | {_json_type(item)} | {_cell(about.get(key, ''))} |"
            for key, item in definition["properties"].items()
        ]
        parts.append(
            "\n".join([f"## {name}\n\n{first}\n", "| field | type | |", "| --- | --- | --- |", *rows]) + "\n"
        )
    return "\n".join(parts)


def _dataclasses(kind: Any) -> dict[str, Any]:
    """Return the dataclasses that a dataclass's fields hold, by name."""
    found: dict[str, Any] = {}
    for hint in inspect.get_annotations(kind, eval_str=True).values():
        for one in _leaves(hint):
            if is_dataclass(one) and one.__name__ not in found:  # type: ignore[attr-defined]
                found |= {one.__name__: one} | _dataclasses(one)  # type: ignore[attr-defined]
    return found


def _leaves(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in getattr(hint, "__args__", ()):
        yield from _leaves(argument)


def _attributes(kind: Any) -> tuple[str, dict[str, str]]:
    """Return a docstring's first paragraph, and what it says of each attribute."""
    text = inspect.getdoc(kind) or ""
    first = " ".join(text.split("\n\n")[0].split())
    _, _, rest = text.partition("Attributes\n----------\n")
    rest = re.split(r"\n\n\w+\n-{3,}\n", rest)[0]
    about: dict[str, str] = {}
    for names, words in re.findall(r"(?m)^(\S[^\n]*)\n((?:    [^\n]*\n?|\n)+)", rest + "\n"):
        about |= dict.fromkeys((name.strip() for name in names.split(",")), " ".join(words.split()))
    return first, about


def _json_type(item: Mapping[str, Any]) -> str:
    if "const" in item:
        return f"`{json.dumps(item['const'])}`"
    if "$ref" in item:
        name = item["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})" if name not in {"Outcome", "Result"} else f"`{name.lower()}`"
    if "enum" in item:
        return " \\| ".join(f"`{value}`" for value in item["enum"])
    if "anyOf" in item:
        return " or ".join(dict.fromkeys(_json_type(one) for one in item["anyOf"]))
    if item.get("type") == "array":
        return f"list of {_json_type(item.get('items', {}))}"
    return str(item.get("type", "any"))


def templates_page() -> str:
    """Return the page of what templates see: blocks, filters, functions."""
    made, text = environment("html"), environment("text")
    plain = set(environment("markdown").globals)
    lines = [
        f"# Template API\n\n{WRITTEN} How to use it: [your own templates](../report.md#your-own-templates). A template sees"
        " `report` ([its fields](report.md)) and `options` (`comment`, `rows`, `width`).\n",
        "## Blocks\n",
        "| template | extends | blocks |",
        "| --- | --- | --- |",
    ]
    for path in sorted((template_folder() / "report").glob("*.j2")):
        source = path.read_text(encoding="utf-8")
        blocks = re.findall(r"{% block (\w+) %}", source)
        base = re.search(r'{% extends "([^"]+)" %}', source)
        if blocks:
            names = ", ".join(f"`{block}`" for block in blocks)
            lines.append(f"| `{path.name}` | {f'`{base[1]}`' if base else ''} | {names} |")
    lines += [
        "\n## Filters\n",
        "Beside [Jinja's own](https://jinja.palletsprojects.com/templates/#list-of-builtin-filters).\n",
        "| filter | |",
        "| --- | --- |",
    ]
    lines += [f"| `{name}` | {_first(function)} |" for name, function in _ours(made.filters)]
    lines += [
        f"| `{name}` (text only) | {_first(function)} |"
        for name, function in _ours(text.filters)
        if name not in made.filters
    ]
    lines += ["\n## Functions\n", "| function | |", "| --- | --- |"]
    for scope, names in (
        ("", plain),
        (" (HTML only)", set(made.globals) - plain),
        (" (text only)", set(text.globals) - plain),
    ):
        found = {**made.globals, **text.globals}
        lines += [f"| `{name}`{scope} | {_first(f)} |" for name, f in _ours({n: found[n] for n in names})]
    return "\n".join(lines) + "\n"


def _ours(named: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted((n, f) for n, f in named.items() if getattr(f, "__module__", "").startswith("mlops_ci"))


def _first(function: Any) -> str:
    return _cell((inspect.getdoc(function) or "").split("\n\n")[0])


# What the public functions return, beside what `mlops_ci` names itself.
RETURNED = {
    "Finding": "mlops_ci.core.verdict",
    "DriftReport": "mlops_ci.core.drift.result",
    "DriftColumn": "mlops_ci.core.drift.result",
    "Profile": "mlops_ci.core.drift.profile",
}


def python_page() -> str:
    """Return the page of the Python API, from its docstrings."""
    public = [name for name in mlops_ci.__all__ if not name.startswith("__")]
    parts = [
        f"# Python\n\n{WRITTEN} Each example here is run by the tests. Anything else in the package may change.\n"
    ]
    parts += [_entry(f"mlops_ci.{name}", getattr(mlops_ci, name)) for name in public]
    parts.append("## What they return\n")
    parts += [
        _entry(name, getattr(importlib.import_module(module), name), 3) for name, module in RETURNED.items()
    ]
    return "\n".join(parts)


def _entry(name: str, value: Any, level: int = 2) -> str:
    documented = value
    if name == "mlops_ci.Policy":  # its fields are its base's
        documented = value.__mro__[1]
    head = f"{'#' * level} {name}\n\n"
    if not inspect.isclass(value):
        head += f"```text\n{name.rsplit('.', 1)[1]}{_signature(value)}\n```\n\n"
    text = head + _numpydoc(inspect.getdoc(documented) or "")
    methods = [
        m
        for m in ("from_mapping", "merge", "to_json", "from_json")
        if inspect.isclass(value) and m in dir(value)
    ]
    for method in methods:
        function = getattr(value, method)
        if inspect.getdoc(function):
            text += f"\n**`{method}{_signature(function)}`** " + _numpydoc(inspect.getdoc(function) or "")
    return text + "\n"


def _signature(function: Any) -> str:
    return re.sub(r"'([^']*)'", r"\1", str(inspect.signature(function)))


def _numpydoc(text: str) -> str:
    """Return a numpydoc docstring as Markdown."""
    pieces = re.split(r"(?m)^(\w[\w ]*)\n-{3,}\n", text)
    made = [_inline(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title == "Examples":
            made.append(f"```pycon\n{body.strip()}\n```\n")
            continue
        items = re.sub(
            r"(?m)^(\S.*)\n((?:    .*\n?)+)",
            lambda m: (
                f"- **{_inline(m[1]).strip().replace('*', chr(92) + '*')}**: {_inline(' '.join(m[2].split()))}\n"
            ),
            body.rstrip() + "\n",
        )
        made.append(f"**{title}**\n\n{_inline(items)}")
    return "\n".join(made).strip() + "\n"


def _inline(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _cell(text: str) -> str:
    return _inline(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    made = {"cli.md": cli_page(), "action.md": action_page(), "report.md": report_page()}
    made |= {"templates.md": templates_page(), "python.md": python_page()}
    return {name: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for name, text in made.items()}
