"""What production of the digits served, and newer data to train on: for tests of what watches it."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

# A DVC project's data, and where a command of the team's finds newer rows for it.
DATA = "data/digits.csv"


def served(days: int, *, broken: bool) -> str:
    """Write what was asked on the last days: half of the answers wrong, or nearly all right."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = ["id,time,y_true,y_pred"]
    for day in range(days, 0, -1):
        for row in range(200):
            moment = today - timedelta(days=day) + timedelta(minutes=7 * row)
            label = row % 10
            answer = 1 if broken and row % 2 else label
            lines.append(f"{day}-{row},{moment:%Y-%m-%dT%H:%M:%S},{label},{answer}")
    return "\n".join(lines) + "\n"


def newer(data: Path, more: int = 200) -> str:
    """Return the rows of a file, and some of them once more under ids of their own."""
    with data.open() as file:
        header, *rows = list(csv.reader(file))
    again = ([str(100_000 + place), *row[1:]] for place, row in enumerate(rows[: more - 1]))
    return "\n".join(",".join(row) for row in [header, *rows, *again]) + "\n"
