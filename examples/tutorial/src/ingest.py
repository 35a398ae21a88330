"""Keep some rows as the holdout, by id and not by chance: a row stays where it is when rows are added."""

import csv
from pathlib import Path

import yaml

share = yaml.safe_load(Path("params.yaml").read_text())["ingest"]["holdout_share"]
header, *rows = csv.reader(Path("data/dataset.csv").read_text().splitlines())


def held_out(row):
    return int(row[0]) * 2654435761 % 2**32 < share * 2**32


for name, chosen in (
    ("processed", [row for row in rows if not held_out(row)]),
    ("holdout", [row for row in rows if held_out(row)]),
):
    with Path(f"data/{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *chosen])
