"""Split the digits into training rows and a holdout; every row keeps its id."""

import csv
import pathlib

import yaml

share = yaml.safe_load(pathlib.Path("params.yaml").read_text())["prepare"]["holdout_share"]
rows = list(csv.reader(pathlib.Path("data/digits.csv").open()))
header, rows = rows[0], rows[1:]


# By id and not by chance: a row stays in the holdout when rows are added.
def is_held_out(row):
    return int(row[0]) * 2654435761 % 2**32 < share * 2**32


for name, chosen in (
    ("train", [row for row in rows if not is_held_out(row)]),
    ("holdout", [row for row in rows if is_held_out(row)]),
):
    with pathlib.Path(f"data/{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *chosen])
