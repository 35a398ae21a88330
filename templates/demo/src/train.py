"""Train a classifier of handwritten digits."""

import pathlib

import joblib
import numpy as np
import yaml
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

params = yaml.safe_load(pathlib.Path("params.yaml").read_text())["train"]
table = np.loadtxt("data/train.csv", delimiter=",", skiprows=1)
labels, pixels = table[:, 1].astype(int), table[:, 2:] / 16

if params["model"] == "svm":
    classifier = SVC(C=params["C"])
else:
    classifier = LogisticRegression(C=params["C"], max_iter=1000)
model = make_pipeline(PCA(params["components"], random_state=0), classifier).fit(pixels, labels)

pathlib.Path("models").mkdir(exist_ok=True)
joblib.dump(model, "models/digits.joblib")
