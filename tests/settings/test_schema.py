"""The JSON Schema that editors read: every key is described, has an example or speaks for itself."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlops_ci.core.drift.settings import settings_from
from mlops_ci.settings import json_schema
from mlops_ci.settings.examples import EXAMPLES

SCHEMA = json_schema()
KEYS = [
    (block, key, item)
    for block, definition in SCHEMA["$defs"].items()
    for key, item in definition.get("properties", {}).items()
]
BLOCKS = {block for block, definition in SCHEMA["$defs"].items() if definition.get("properties")}


def speaks_for_itself(item: dict[str, Any]) -> bool:
    """A choice, a block of keys, a truth value, a number, or a default that shows what to write."""
    text = str(item)
    kinds = {one.get("type") for one in item.get("anyOf", [item])} - {"null"}
    if kinds <= {"number", "integer"}:
        return True
    chosen = "enum" in text or item.get("type") == "boolean" or "Settings'" in text
    return chosen or item.get("default") not in (None, [], {}, "", ".")


@pytest.mark.parametrize(
    ("block", "key", "item"), KEYS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_key_is_described_and_shows_what_to_write(block: str, key: str, item: dict[str, Any]) -> None:
    described = item.get("description") or any(
        SCHEMA["$defs"][name].get("description") for name in BLOCKS if f"/{name}'" in str(item)
    )
    assert described, f"{block}.{key}: a docstring below it in settings"
    assert item.get("examples") or speaks_for_itself(item), (
        f"{block}.{key}: an example in settings/examples.py"
    )


@pytest.mark.parametrize(("block", "key"), [(block, key) for block, keys in EXAMPLES.items() for key in keys])
def test_examples_are_accepted(block: str, key: str) -> None:
    definition = {**SCHEMA["$defs"][block]["properties"][key], "$defs": SCHEMA["$defs"]}
    for example in EXAMPLES[block][key]:
        Draft202012Validator(definition).validate(example)
        if block == "DriftSettings" and key in {"method", "thresholds", "columns"}:
            settings_from({key: example})


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
