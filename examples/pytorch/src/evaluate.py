"""Predict the holdout: label, prediction, and a score for each class."""

import csv
from pathlib import Path

import torch
import yaml
from net import network, rows

model = network(yaml.safe_load(Path("params.yaml").read_text())["train"]["hidden"])
model.load_state_dict(torch.load("model.pt"))
ids, pixels, labels = rows(held_out=True)
with torch.no_grad():
    scores = torch.softmax(model(pixels).double(), dim=1)
with Path("predictions.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "y_true", "y_pred", *range(10)])
    for number, label, row in zip(ids.tolist(), labels.tolist(), scores.tolist(), strict=True):
        writer.writerow([number, label, row.index(max(row)), *row])
