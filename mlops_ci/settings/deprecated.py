"""Renamed keys: an old name works until the next major version, and each report names the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# old dotted key -> new dotted key, such as "gate.on_open": "gate.on_inconclusive"
MOVED: dict[str, str] = {}


def with_new_names(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return one model's settings under the current names, with deprecation notices and problems.

    A key that is given under both names is a problem: nobody could tell which one is meant.
    """
    made, said, problems = dict(block), [], []
    for old, new in MOVED.items():
        *place, last = old.split(".")
        if last not in _at(made, place):
            continue
        *there, name = new.split(".")
        value = _at(made, place)[last]
        made = _without(made, [*place, last])
        if name in _at(made, there):
            problems.append(f"{old}: is called `{new}` now, and both are given; remove the old one")
            continue
        made = _with(made, [*there, name], value)
        said.append(f"`{old}` is called `{new}` now; the old name goes with the next major version.")
    return made, said, problems


def _at(block: Mapping[str, Any], place: list[str]) -> Mapping[str, Any]:
    for key in place:
        inner = block.get(key)
        block = inner if isinstance(inner, Mapping) else {}
    return block


def _without(block: Mapping[str, Any], place: list[str]) -> dict[str, Any]:
    key, *rest = place
    if rest:
        return {**block, key: _without(block[key], rest)}
    return {name: value for name, value in block.items() if name != key}


def _with(block: Mapping[str, Any], place: list[str], value: Any) -> dict[str, Any]:
    key, *rest = place
    return {**block, key: _with(_at(block, [key]), rest, value) if rest else value}
