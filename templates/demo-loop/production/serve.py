"""Production, simulated: the requests of some days, answered by the versions that the router names.

Requests come at random from the real hours of those days. Each answer is written down with the label that
came later, and with the hour as the archive has it.
"""

import argparse
import json
import pathlib
import sys
import zlib

import numpy as np
import pandas as pd

PLACE = pathlib.Path(__file__).parent
sys.path.insert(0, str(PLACE.parent / "repository" / "src"))

import busy  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("since", help="time of the first request, ISO 8601, UTC")
parser.add_argument("until", help="time after the last one")
parser.add_argument("--a-day", type=int, required=True, help="requests a day")
parser.add_argument("--beside", help="a version that only says what it would have answered")
asked = parser.parse_args()


def model_of(version):
    """Return the folder of a version's model."""
    return next((PLACE / "models" / version).rglob("reads.json")).parent


hours = pd.read_csv(PLACE / "hours.csv.gz", parse_dates=["date"])
local = hours["date"] + pd.to_timedelta(hours["hour"], unit="h")
# The clocks go back once: of the two hours of that name, the table has the first.
hours["start"] = local.dt.tz_localize("America/New_York", ambiguous=True).dt.tz_convert("UTC")
since, until = pd.Timestamp(asked.since), pd.Timestamp(asked.until)
hours = hours[(hours["start"] >= since) & (hours["start"] <= until - pd.Timedelta("1h"))]

rng = np.random.default_rng(zlib.crc32(asked.since.encode()))
size = round((until - since) / pd.Timedelta("1D") * asked.a_day)
rows = hours.iloc[np.sort(rng.integers(len(hours), size=size))].reset_index(drop=True)
rows["time"] = rows["start"] + pd.to_timedelta(rng.integers(3600, size=size), unit="s")
# The new feed stamps its readings in UTC, and does not say so.
rows["stamp"] = rows["start"].dt.strftime("%Y-%m-%dT%H:%M:%S")

shares = json.loads((PLACE / "router.json").read_text())["shares"]
rows["model_version"] = rng.choice(list(shares), p=list(shares.values()), size=size)
for version, part in rows.groupby("model_version"):
    rows.loc[part.index, "score"] = busy.scores(model_of(version), part, live=True)
rows["predicted"] = (rows["score"] >= 0.5).astype(int)
rows["busy"] = (rows["count"] > 150).astype(int)

log = rows.drop(columns=["id", "date", "count", "start", "stamp"]).sort_values("time")
log.insert(0, "id", [f"{since:%Y%m%d%H%M}-{number:05d}" for number in range(size)])
log["time"] = log["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
place = PLACE / "outcomes" / f"{since:%Y%m%dT%H%M}.csv"
place.parent.mkdir(exist_ok=True)
log.to_csv(place, index=False, float_format="%.6g")

right = {"all": float((rows["predicted"] == rows["busy"]).mean())}
if asked.beside:
    would = busy.scores(model_of(asked.beside), rows, live=True) >= 0.5
    right[asked.beside] = float((would == rows["busy"]).mean())
sys.stdout.write(json.dumps(right))
