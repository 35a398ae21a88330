"""Write the tutorial's data: a classification task, and reference and production data for drift."""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification


def write(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    print(f"{path}: {len(rows)} rows, {len(header)} columns")


X, y = make_classification(n_samples=1000, n_features=20, random_state=42)
header = ["id", *(f"feature_{number}" for number in range(1, 21)), "target"]
rows = [
    [number, *values, label]
    for number, (values, label) in enumerate(zip(X.tolist(), y.tolist(), strict=True))
]
write(Path("data/dataset.csv"), header, rows)

np.random.seed(42)
for name, mean, deviation in (
    ("reference", 0, 1),
    ("production", 0.1, 1.1),
    ("production-drifted", 2.0, 1.5),
):
    values = np.random.normal(mean, deviation, 1000)
    write(Path(f"monitoring/{name}.csv"), ["feature_1"], [[value] for value in values.tolist()])
