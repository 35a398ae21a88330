"""Build an index for searching similar pictures: principal components of half of scikit-learn's digits."""

from pathlib import Path

import numpy as np
import yaml
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

digits = load_digits()
half = len(digits.target) // 2
components = yaml.safe_load(Path("params.yaml").read_text())["index"]["components"]
pca = PCA(components, random_state=0).fit(digits.data[:half])
np.savez(
    "index.npz",
    vectors=pca.transform(digits.data[:half]),
    labels=digits.target[:half],
    basis=pca.components_,
    mean=pca.mean_,
)
