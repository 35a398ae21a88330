"""JSON reports on disk, read back as values."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlops_ci.adapters import strict_json
from mlops_ci.core.report import SCHEMA_VERSION, Report
from mlops_ci.errors import EvidenceError, UsageError

MAX_SIZE = 64 * 2**20
REMEDY = "give a file that `--format json` or the action's output `report-json` wrote"


def read_reports(path: Path) -> list[Report]:
    """Read one report, or a list of them.

    Raises
    ------
    UsageError
        If there is no such file.
    EvidenceError
        If it is not a report, or one of another version.
    """
    try:
        if path.stat().st_size > MAX_SIZE:
            raise EvidenceError(f"{path}: it is larger than {MAX_SIZE} bytes", remedy=REMEDY)
        raw = strict_json.parse(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path}: not JSON: {error}", remedy=REMEDY) from None
    reports = raw if isinstance(raw, list) else [raw]
    for one in reports:
        version = one.get("schema_version") if isinstance(one, dict) else None
        if version != SCHEMA_VERSION:
            problem = f"its schema_version is {version!s:.20}, this mlops-ci reads {SCHEMA_VERSION}"
            raise EvidenceError(f"{path}: {problem}", remedy=REMEDY)
    try:
        read = TypeAdapter(list[Report]).validate_python(reports)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise EvidenceError(f"{path}: {place}: {first['msg']}", remedy=REMEDY) from None
    for report in read:
        if report.alpha is not None and not 0 < report.alpha < 0.5:
            raise EvidenceError(f"{path}: alpha: it is between 0 and 0.5", remedy=REMEDY)
    return read
