"""Predict the holdout: one row an id, which is all that mlops-ci needs."""

import csv
import json
import pathlib

import joblib
import numpy as np

table = np.loadtxt("data/holdout.csv", delimiter=",", skiprows=1)
ids, labels, pixels = table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:] / 16
predicted = joblib.load("models/digits.joblib").predict(pixels)

pathlib.Path("reports").mkdir(exist_ok=True)
with pathlib.Path("reports/predictions.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "y_true", "y_pred"])
    writer.writerows(zip(ids, labels, predicted, strict=True))
pathlib.Path("metrics.json").write_text(
    json.dumps({"accuracy": float(np.mean(predicted == labels))}, indent=2)
)
