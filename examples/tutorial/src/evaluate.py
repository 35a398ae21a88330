"""Predict the holdout, one row an id, and sum it up."""

import csv
import json
import pickle
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

model = pickle.loads(Path("models/model.pkl").read_bytes())
table = np.loadtxt("data/holdout.csv", delimiter=",", skiprows=1)
ids, labels = table[:, 0].astype(int), table[:, -1].astype(int)
predicted = model.predict(table[:, 1:-1])

Path("reports").mkdir(exist_ok=True)
with Path("reports/predictions.csv").open("w", newline="") as file:
    csv.writer(file).writerows([["id", "y_true", "y_pred"], *zip(ids, labels, predicted, strict=True)])
scores = {"accuracy": accuracy_score, "precision": precision_score, "recall": recall_score, "f1": f1_score}
Path("metrics.json").write_text(
    json.dumps({name: float(score(labels, predicted)) for name, score in scores.items()}, indent=2) + "\n"
)
