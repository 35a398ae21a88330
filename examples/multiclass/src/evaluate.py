"""Predict the holdout, with how much ink each digit has, to compare by."""

import csv
import pickle
from pathlib import Path

from digits import rows

ids, pixels, labels = rows(held_out=True)
predicted = pickle.loads(Path("model.pkl").read_bytes()).predict(pixels)
with Path("predictions.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "y_true", "y_pred", "ink"])
    writer.writerows(zip(ids, labels, predicted, pixels.sum(axis=1), strict=True))
