"""Verbs on reports: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.delivery import show
from mlops_ci.cli.options import output_options


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@output_options
def report(path: Path, **options: Any) -> int:
    """Render a JSON report again, in any format.

    \b
    As a page:       mlops-ci report report.json --output report.html
    As a comment:    mlops-ci report report.json --format markdown
    """
    from mlops_ci.adapters.report_files import read_reports  # noqa: PLC0415

    show(read_reports(path), options, {})
    return 0
