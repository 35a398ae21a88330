"""Predict the held-out days."""

import csv
import json
import pickle
from pathlib import Path

import numpy as np
from hours import rows

chosen, features, rentals = rows(held_out=True)
predicted = pickle.loads(Path("model.pkl").read_bytes()).predict(features)
with Path("predictions.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "day", "y_true", "y_pred"])
    writer.writerows(
        [row["id"], row["day"], true, guess]
        for row, true, guess in zip(chosen, rentals, predicted, strict=True)
    )
Path("metrics.json").write_text(json.dumps({"rmse": float(np.sqrt(np.mean((rentals - predicted) ** 2)))}))
