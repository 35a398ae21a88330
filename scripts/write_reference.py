"""Write the reference pages from the code; a test fails when they are not current.

python scripts/write_reference.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from mlops_ci.settings import Settings, json_schema

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
INTRODUCTION = """\
# mlops-ci.yaml

Written from the code by `scripts/write_reference.py`. What stands on the target branch is in force; of a
change's own copy only the paths of its outputs count. For completion and checks in an editor:

```yaml
# yaml-language-server: $schema=https://raw.githubusercontent.com/OWNER/mlops-ci/REF/docs/reference/mlops-ci.schema.json
```

Several models in one repository: a list of such blocks under `models:`, or one file each and a glob
(`--config 'models/*/mlops-ci.yaml'`).
"""


def settings_page() -> str:
    """Return the page of all keys."""
    definitions = json_schema()["$defs"]
    parts = [INTRODUCTION]
    for name, field in Settings.model_fields.items():
        block = _resolve(json_schema(), definitions["Settings"]["properties"][name])
        title = (
            f"## {name}"
            if name != "metrics"
            else "## metrics\n\nOne block a metric, under the metric's name."
        )
        parts.append(f"{title}\n\n{block.get('description', field.description or '')}\n")
        rows = ["| key | type | default | |", "| --- | --- | --- | --- |"]
        rows += [_row(key, item, block) for key, item in block.get("properties", {}).items()]
        parts.append("\n".join(rows) + "\n")
        parts += [_nested(key, item, definitions) for key, item in block.get("properties", {}).items()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _nested(key: str, item: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the table of the blocks that a key may hold; empty where it holds plain values."""
    found = re.findall(r'"#/\$defs/(\w+)"', json.dumps(item))
    tables = [
        "\n".join(
            [f"Keys of a block in `{key}`:\n", "| key | type | default | |", "| --- | --- | --- | --- |"]
            + [_row(inner, one, definitions[name]) for inner, one in definitions[name]["properties"].items()]
        )
        for name in found
    ]
    return "\n\n".join(tables) + "\n" if tables else ""


def _resolve(schema: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    # A block that may be absent is a choice between it and nothing.
    item = next((one for one in item.get("anyOf", []) if "$ref" in one), item)
    reference = item.get("$ref") or item.get("additionalProperties", {}).get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else item


def _row(key: str, item: dict[str, Any], block: dict[str, Any]) -> str:
    default = "required" if key in block.get("required", []) else f"`{json.dumps(item.get('default'))}`"
    text = " ".join(item.get("description", "").split()).replace("|", "\\|")
    return f"| `{key}` | {_type(item)} | {default} | {text} |"


def _type(item: dict[str, Any]) -> str:
    if "enum" in item:
        return " \\| ".join(f"`{value}`" for value in item["enum"])
    if "anyOf" in item:
        kinds = [_type(one) for one in item["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in item:
        return item["$ref"].rsplit("/", 1)[1].removesuffix("Settings").lower()
    if item.get("type") == "array":
        return f"list of {_type(item.get('items', {}))}"
    return str(item.get("type", "any"))


def pages() -> dict[Path, str]:
    """Return every generated file with its text."""
    sys.path.insert(0, str(Path(__file__).parent))
    import reference_pages  # noqa: PLC0415

    schema = json.dumps(json_schema(), indent=2) + "\n"
    own = {"settings.md": settings_page(), "mlops-ci.schema.json": schema}
    return {REFERENCE / name: text for name, text in (own | reference_pages.pages()).items()}


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
