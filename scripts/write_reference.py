"""Write the reference pages from the code; a test fails when they are not current.

python scripts/write_reference.py
"""

from __future__ import annotations

import json
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
        if name == "canary":
            parts.append(_rates())
    return "\n".join(parts)


def _rates() -> str:
    """Return the keys of one guarded rate, which stand below `canary.rates`."""
    block = json_schema()["$defs"]["RateSettings"]
    rows = ["| key of a rate | type | default | |", "| --- | --- | --- | --- |"]
    rows += [_row(key, item, block) for key, item in block["properties"].items()]
    return f"{block['description']}\n\n" + "\n".join(rows) + "\n"


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
    schema = json.dumps(json_schema(), indent=2) + "\n"
    return {REFERENCE / "settings.md": settings_page(), REFERENCE / "mlops-ci.schema.json": schema}


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
