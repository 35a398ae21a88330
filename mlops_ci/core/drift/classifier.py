"""The multivariate drift check: whether a classifier can tell the rows of the two sides apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift.result import DomainClassifier

Array = NDArray[Any]

FOLDS = 5
FEWEST = 50
_Z95 = 1.959964


def auc_interval(scores: Array, current: Array) -> tuple[float, float, float]:
    """Return the area under the ROC curve and its 95% interval.

    Parameters
    ----------
    scores
        Higher means "of the current side", shape (n,).
    current
        Which rows are of the current side, shape (n,) of bool.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837-845; midranks after Sun and Xu
    (2014), IEEE Signal Processing Letters 21, 1389-1393.
    """
    yes, no = scores[current], scores[~current]
    m, n = len(yes), len(no)
    over = (_midranks(scores)[current] - _midranks(yes)) / n
    under = 1 - (_midranks(scores)[~current] - _midranks(no)) / m
    auc = float(over.mean())
    spread = math.sqrt(float(over.var(ddof=1)) / m + float(under.var(ddof=1)) / n)
    return auc, max(auc - _Z95 * spread, 0.0), min(auc + _Z95 * spread, 1.0)


def domain_classifier(
    features: Array, current: Array, names: Sequence[str], *, threshold: float, seed: int = 0
) -> DomainClassifier | None:
    """Train a classifier to tell the sides apart, cross-validated; None with fewer than 50 rows a side.

    Gradient-boosted trees on a random five folds; the AUC of rows that were left out is 0.5 when
    the sides have one joint distribution (Lopez-Paz and Oquab, 2017, "Revisiting classifier
    two-sample tests"). The rows of one fold share a model, so the interval is approximate.

    Parameters
    ----------
    features
        Shape (n, k), float; NaN where a value is missing.
    current
        Which rows are of the current side, shape (n,) of bool.
    names
        Of the k columns.
    threshold
        AUC from where on the change counts as large.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    if min(int(current.sum()), int((~current).sum())) < FEWEST or not len(names):
        return None
    rng = np.random.default_rng(seed)
    scores = np.zeros(len(current))
    permuted = np.zeros((len(names), len(current)))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(features, current):
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, early_stopping=False, random_state=seed
        )
        model.fit(features[train], current[train])
        scores[test] = model.decision_function(features[test])
        for place in range(len(names)):
            shuffled = features[test].copy()
            shuffled[:, place] = rng.permutation(shuffled[:, place])
            permuted[place, test] = model.decision_function(shuffled)
    auc, low, high = auc_interval(scores, current)
    falls = {name: auc - auc_interval(permuted[i], current)[0] for i, name in enumerate(names)}
    leading = dict(sorted(falls.items(), key=lambda item: -item[1])[:5])
    drifted = auc >= threshold and low > 0.5
    apart = (
        f"a classifier tells the two sides apart with AUC {auc:.3f} (95% interval {low:.3f} to {high:.3f})"
    )
    return DomainClassifier(
        auc=auc,
        interval=(low, high),
        threshold=threshold,
        drifted=drifted,
        columns={name: fall for name, fall in leading.items() if fall > 0.005},
        rows=len(current),
        message=apart,
    )


def _midranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle: Array = (last - (count - 1) / 2)[place]
    return middle
