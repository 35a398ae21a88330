"""Train gradient boosting on the rentals of an hour."""

import pickle
from pathlib import Path

import yaml
from hours import rows
from sklearn.ensemble import HistGradientBoostingRegressor

_, features, rentals = rows(held_out=False)
params = yaml.safe_load(Path("params.yaml").read_text())["train"]
model = HistGradientBoostingRegressor(random_state=0, **params).fit(features, rentals)
Path("model.pkl").write_bytes(pickle.dumps(model))
