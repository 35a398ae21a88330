"""Reads a stored judgement, as untrusted input: whoever may write to the registry may have written it."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlops_ci.adapters import strict_json
from mlops_ci.core.judgement import SCHEMA_VERSION, Judgement
from mlops_ci.errors import EvidenceError

MAX_SIZE = 16 * 2**20
REMEDY = "run the check on this commit again: it judges the candidate anew"


def read_judgement(path: Path) -> Judgement:
    """Read a judgement.

    Raises
    ------
    EvidenceError
        If it is not one, or another version of mlops-ci wrote it.
    """
    if path.stat().st_size > MAX_SIZE:
        raise EvidenceError(f"{path.name}: the judgement is larger than {MAX_SIZE} bytes", remedy=REMEDY)
    try:
        raw = strict_json.parse(path.read_bytes())
    except ValueError:
        raise EvidenceError(f"{path.name}: the judgement is not JSON", remedy=REMEDY) from None
    if not isinstance(raw, dict) or raw.get("schema_version") != SCHEMA_VERSION:
        raise EvidenceError(f"{path.name}: the judgement has another schema_version", remedy=REMEDY)
    try:
        return TypeAdapter(Judgement).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EvidenceError(
            f"{path.name}: the judgement is broken at {where}: {first['msg']}", remedy=REMEDY
        ) from None
