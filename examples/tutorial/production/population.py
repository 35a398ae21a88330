"""Files that were never in the dataset, drawn at random: two normal distributions a class, fitted to it.

The tutorial's conditions: values become `mean + deviation * value`; in normal conditions those of
`feature_1`, which is normal(0, 1) in the dataset, and when production has drifted those of all columns.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.mixture import GaussianMixture

CONDITIONS = {"normal": (0.1, 1.1), "drifted": (2.0, 1.5)}
KNOWN = Path(__file__).parent / "dataset.csv"


def draw(size, condition, seed):
    """Return `size` rows of features, and their labels: 1 is malware."""
    known = pd.read_csv(KNOWN)
    columns = [name for name in known.columns if name.startswith("feature_")]
    labels = np.random.default_rng(seed).integers(2, size=size)
    rows = np.empty((size, len(columns)))
    for label in (0, 1):
        of_class = known.loc[known["target"] == label, columns].to_numpy()
        fitted = GaussianMixture(2, random_state=0).fit(of_class).set_params(random_state=seed + label)
        found, _ = fitted.sample(int((labels == label).sum()))
        rows[labels == label] = np.random.default_rng(seed).permutation(found)
    frame = pd.DataFrame(rows, columns=columns)
    mean, deviation = CONDITIONS[condition]
    moved = ["feature_1"] if condition == "normal" else columns
    frame[moved] = mean + deviation * frame[moved]
    return frame, labels
