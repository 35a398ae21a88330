"""The data of the long demonstration: bicycles rented by the hour, 2011 and 2012.

H. Fanaee-T and J. Gama, Bike Sharing Dataset, UCI Machine Learning Repository, 2013 (Capital Bikeshare,
Washington D.C.), licence CC BY 4.0; made by ``scripts/write_bike_hours.py``.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from mlops_ci.demo.repository import Example
from mlops_ci.render import template_folder

FIRST_MONTHS = "2011-07-01"
"""The first version of the data ends before this day."""


def hours_file() -> Path:
    """Return the shipped table of all 17,379 hours."""
    return template_folder() / "demo-loop" / "hours.csv.gz"


def write_hours(path: Path, *, before: str = FIRST_MONTHS) -> None:
    """Write the hours of the days before a day (ISO 8601) as CSV, oldest first."""
    header, *rows = gzip.decompress(hours_file().read_bytes()).decode().splitlines(keepends=True)
    at = header.rstrip().split(",").index("date")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(row for row in rows if row.split(",")[at] < before), encoding="utf-8")


BIKES = Example(
    template="demo-loop/repository",
    data="data/hours.csv",
    write=write_hours,
    about="Which hours are busy at the bicycle stations",
)
