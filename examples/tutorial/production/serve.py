"""Production, simulated: files are scanned by the versions that the router names, and analysts label them.

    serve.py live normal                    # some seconds of requests, now
    serve.py days normal 2026-03-01 3       # three days that are over, one file a day

Each answer is written down with its time, the version that answered, and the label that came later.
"""

import argparse
import json
import pickle
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from population import draw

PLACE = Path(__file__).parent
SECONDS, A_SECOND, A_DAY = 6, 2000, 4000

parser = argparse.ArgumentParser()
parser.add_argument("how", choices=["live", "days"])
parser.add_argument("condition", choices=["normal", "drifted"])
parser.add_argument("first", nargs="?", type=datetime.fromisoformat)
parser.add_argument("days", nargs="?", type=int, default=1)
asked = parser.parse_args()


def answer(size, since, length, seed, into):
    """Let the router's versions answer `size` requests, evenly over `length`."""
    rows, labels = draw(size, asked.condition, seed)
    shares = json.loads((PLACE / "router.json").read_text())["shares"]
    versions = np.random.default_rng(seed).choice(list(shares), p=list(shares.values()), size=size)
    predicted = np.empty(size, dtype=int)
    for version in shares:
        model = pickle.loads(next((PLACE / "models" / version).rglob("model.pkl")).read_bytes())
        if (versions == version).any():
            predicted[versions == version] = model.predict(rows[versions == version].to_numpy())
    times = [(since + length * (place + 0.5) / size).isoformat() for place in range(size)]
    for place, (name, values) in enumerate(
        {
            "id": 1_000_000 + seed * 100_000 + np.arange(size),
            "time": times,
            "model_version": versions,
            "target": labels,
            "y_pred": predicted,
        }.items()
    ):
        rows.insert(place, name, values)
    into.parent.mkdir(exist_ok=True)
    rows.to_csv(into, index=False, float_format="%.6g")
    for version, part in rows.groupby("model_version"):
        false = part.loc[part["target"] == 0, "y_pred"].mean()
        print(
            f"{into.stem}: version {version} answered {len(part)}, {false:.1%} of benign files called malware"
        )


if asked.how == "live":
    since = datetime.now(UTC)
    number = len(list(PLACE.glob("live/*.csv"))) + 1
    time.sleep(SECONDS)
    length = datetime.now(UTC) - since
    answer(SECONDS * A_SECOND, since, length, number, PLACE / "live" / f"{number:03}.csv")
else:
    for number in range(asked.days):
        day = asked.first.replace(tzinfo=UTC) + timedelta(days=number)
        seed = 1000 + len(list(PLACE.glob("days/*.csv")))
        answer(A_DAY, day, timedelta(days=1), seed, PLACE / "days" / f"{day:%Y-%m-%d}.csv")
