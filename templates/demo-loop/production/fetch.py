"""The archive, simulated: write all hours that are over by now to data/hours.csv, for DVC to version.

This is what `retrain.command` runs. Where a forge starts the retraining, its workflow does the same.
"""

import pathlib

import pandas as pd

PLACE = pathlib.Path(__file__).parent
now = (PLACE / "now").read_text().strip()

hours = pd.read_csv(PLACE / "hours.csv.gz")
hours = hours[hours["date"] < now[:10]]
hours.to_csv(PLACE.parent / "repository" / "data" / "hours.csv", index=False)
with (PLACE / "fetched.log").open("a") as log:
    log.write(f"{now} {len(hours)} hours\n")
