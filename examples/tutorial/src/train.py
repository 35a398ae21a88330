"""Train a random forest."""

import pickle
from pathlib import Path

import numpy as np
import yaml
from sklearn.ensemble import RandomForestClassifier

params = yaml.safe_load(Path("params.yaml").read_text())["train"]
table = np.loadtxt("data/processed.csv", delimiter=",", skiprows=1)
model = RandomForestClassifier(**params).fit(table[:, 1:-1], table[:, -1].astype(int))
Path("models").mkdir(exist_ok=True)
Path("models/model.pkl").write_bytes(pickle.dumps(model))
