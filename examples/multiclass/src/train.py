"""Train a forest on ten classes."""

import pickle
from pathlib import Path

import yaml
from digits import rows
from sklearn.ensemble import RandomForestClassifier

_, pixels, labels = rows(held_out=False)
params = yaml.safe_load(Path("params.yaml").read_text())["train"]
model = RandomForestClassifier(random_state=0, **params).fit(pixels, labels)
Path("model.pkl").write_bytes(pickle.dumps(model))
