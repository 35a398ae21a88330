"""Train a random forest; a file is called malware from `threshold` on."""

import pickle
from pathlib import Path

import pandas as pd
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import FixedThresholdClassifier

params = yaml.safe_load(Path("params.yaml").read_text())["train"]
threshold = params.pop("threshold")
table = pd.read_csv("data/processed.csv")
features = table.drop(columns=["id", "target"]).to_numpy()
model = FixedThresholdClassifier(RandomForestClassifier(**params), threshold=threshold)
model.fit(features, table["target"])
Path("models").mkdir(exist_ok=True)
Path("models/model.pkl").write_bytes(pickle.dumps(model))
