"""Write the JSON Schema of reports from their dataclasses: `python scripts/write_report_schema.py`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter

from mlops_ci.core.report import SCHEMA_VERSION, Report

PLACE = Path(__file__).parents[1] / "docs" / "schema" / "report.json"


def schema() -> str:
    """Return the schema as text."""
    made = TypeAdapter(Report).json_schema(mode="serialization")
    made["properties"]["schema_version"] = {"const": SCHEMA_VERSION, "title": "Schema Version"}
    whole = (
        {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made | {"title": "A report of mlops-ci"}
    )
    whole["required"] = sorted(
        {*made.get("required", []), "command", "exit_code", "findings", "schema_version"}
    )
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(schema(), encoding="utf-8")
