"""Learn which hours are busy."""

import pathlib

import busy
import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier

params = yaml.safe_load(pathlib.Path("params.yaml").read_text())["train"]
hours = pd.read_csv("data/train.csv")

classifier = HistGradientBoostingClassifier(max_iter=params["iterations"], random_state=0)
classifier.fit(busy.inputs(hours, params["feed"]), hours["busy"])
busy.save("models/busy", classifier, params["feed"], params["clock"])
