"""Verbs on reports: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.delivery import show
from mlops_ci.cli.options import output_options
from mlops_ci.errors import EvidenceError


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@output_options
def report(path: Path, **options: Any) -> int:
    """Render a JSON report again, in any format.

    \b
    As a page:       mlops-ci report report.json --output report.html
    As a comment:    mlops-ci report report.json --format markdown
    """
    from jinja2 import TemplateError  # noqa: PLC0415

    from mlops_ci.adapters.report_files import REMEDY, read_reports  # noqa: PLC0415

    reports = read_reports(path)
    try:
        show(reports, options, {})
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # Its open parts (drift, details) have no schema of their own: whoever wrote the file wrote these.
        problem = f"{path}: a part of it is not as a report has it: {error!s:.200}"
        raise EvidenceError(problem, remedy=REMEDY) from None
    return 0
