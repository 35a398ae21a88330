"""Compact curves of two models' answers, for charts: aggregates over many rows, never single rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops_ci.core.evidence import Array, Evaluation, canonical

POINTS = 50
BINS = 24
MOST_LABELS = 12
# Numbers with more different values than this are a regression's targets.
MOST_CLASSES = 20
OTHER = "(other)"


def curves(
    champion: Evaluation | None, candidate: Evaluation, *, positive: str | None = None, least: int = 10
) -> dict[str, Any]:
    """Return the curves that can be drawn for two models; bounded in size whatever the data.

    Parameters
    ----------
    champion, candidate
        Evaluations of the same rows; without a champion the candidate stands alone.
    positive
        The positive label; by default the greater of two.
    least
        Smallest count that may be shown: rarer labels are summed up, and curves of rarer classes left out.

    Returns
    -------
    dict
        ``roc`` and ``precision_recall``: x and y by model. ``calibration``: mean score, observed share
        and n by model. ``confusion``: labels, and counts by model (rows are true labels).
        ``residuals``: common edges, and shares by model. ``fit``: mean prediction and mean target of
        groups of rows, by model. Parts that the evidence does not carry are missing.
    """
    sides = {"candidate": candidate} | ({"champion": champion} if champion is not None else {})
    if candidate.target is None:
        return {}
    if _numbers(candidate.target):
        return _regression(sides, candidate.target.astype(np.float64), least)
    labels = canonical(candidate.target)
    drawn: dict[str, Any] = {}
    if all(side.prediction is not None for side in sides.values()):
        predicted = {name: canonical(np.asarray(side.prediction)) for name, side in sides.items()}
        drawn["confusion"] = confusion(labels, predicted, least)
    scores = {
        name: side.score for name, side in sides.items() if side.score is not None and side.score.ndim == 1
    }
    wanted = positive if positive is not None else max(np.unique(labels))
    hits = labels == wanted
    if len(scores) == len(sides) and len(np.unique(labels)) == 2 and min(hits.sum(), (~hits).sum()) >= least:
        drawn |= _ranked(
            hits, {name: np.asarray(score, dtype=np.float64) for name, score in scores.items()}, least
        )
    return drawn


def _numbers(target: Array) -> bool:
    return target.dtype.kind in "iuf" and len(np.unique(target)) > MOST_CLASSES


def _ranked(hits: Array, scores: Mapping[str, Array], least: int) -> dict[str, Any]:
    drawn: dict[str, Any] = {"roc": {}, "precision_recall": {}}
    for name, score in scores.items():
        drawn["roc"][name], drawn["precision_recall"][name] = rank_curves(hits, score)
    if all(((score >= 0) & (score <= 1)).all() for score in scores.values()):
        drawn["calibration"] = {name: calibration(hits, score, least) for name, score in scores.items()}
    return drawn


def rank_curves(hits: Array, score: Array) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return a ROC curve and a precision-recall curve, each at no more than `POINTS` places.

    Parameters
    ----------
    hits, score
        True where the label is positive, and the scores, each of shape (n,).
    """
    order = np.argsort(-score, kind="stable")
    # Ties are one step: the order among them is arbitrary.
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    true = np.cumsum(hits[order])[ends].astype(np.float64)
    false = ends + 1 - true
    rate, false_rate = true / hits.sum(), false / (~hits).sum()
    grid = np.linspace(0, 1, POINTS)
    roc = np.interp(grid, np.append(0, false_rate), np.append(0, rate))
    # Precision does not interpolate linearly: take the first cut that reaches a recall.
    recalls = np.linspace(1 / POINTS, 1, POINTS)
    cut = np.minimum(np.searchsorted(rate, recalls - 1e-12), len(rate) - 1)
    precision = (true / (true + false))[cut]
    return {"x": _rounded(grid), "y": _rounded(roc)}, {"x": _rounded(recalls), "y": _rounded(precision)}


def calibration(hits: Array, score: Array, least: int) -> dict[str, list[float]]:
    """Return mean score, observed share and n of up to ten groups of equally many rows."""
    groups = np.array_split(np.argsort(score, kind="stable"), max(1, min(10, len(score) // max(least, 1))))
    return {
        "x": _rounded([score[rows].mean() for rows in groups]),
        "y": _rounded([hits[rows].mean() for rows in groups]),
        "n": [len(rows) for rows in groups],
    }


def confusion(labels: Array, predicted: Mapping[str, Array], least: int) -> dict[str, Any]:
    """Return counts of true (rows) against predicted labels; rare labels are summed up as one."""
    names, counts = np.unique(labels, return_counts=True)
    frequent = sorted(names[np.argsort(-counts, kind="stable")][:MOST_LABELS], key=_label_order)
    shown = [str(name) for name in frequent if counts[names == name][0] >= least]
    code = {name: index for index, name in enumerate(shown)}
    other = len(shown)

    def codes(values: Array) -> Array:
        found, back = np.unique(values, return_inverse=True)
        return np.array([code.get(str(name), other) for name in found], dtype=np.int64)[back]

    true = codes(labels)
    tables = {}
    for name, values in predicted.items():
        cells = np.bincount(true * (other + 1) + codes(values), minlength=(other + 1) ** 2)
        tables[name] = cells.reshape(other + 1, other + 1)
    extra = any(table[other].any() or table[:, other].any() for table in tables.values())
    size = other + 1 if extra else other
    kept = {name: table[:size, :size].tolist() for name, table in tables.items()}
    return {"labels": [*shown, OTHER][:size], **kept}


def _label_order(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, str(name)


def _regression(sides: Mapping[str, Evaluation], target: Array, least: int) -> dict[str, Any]:
    errors = {
        name: np.asarray(side.prediction, dtype=np.float64) - target
        for name, side in sides.items()
        if side.prediction is not None and side.prediction.dtype.kind in "iuf"
    }
    if len(errors) < len(sides) or len(target) < 2 * least:
        return {}
    low, high = np.quantile(np.concatenate(list(errors.values())), [0.01, 0.99])
    if not high > low:
        return {}
    edges = np.linspace(low, high, BINS + 1)
    shares = {name: np.histogram(error, edges)[0] / len(target) for name, error in errors.items()}
    groups = {
        name: np.array_split(
            np.argsort(error + target, kind="stable"), max(1, min(20, len(target) // max(least, 1)))
        )
        for name, error in errors.items()
    }
    fit = {
        name: {
            "x": _rounded([(errors[name] + target)[rows].mean() for rows in split], digits=6),
            "y": _rounded([target[rows].mean() for rows in split], digits=6),
        }
        for name, split in groups.items()
    }
    return {
        "residuals": {
            "edges": _rounded(edges, digits=6),
            **{name: _rounded(one) for name, one in shares.items()},
        },
        "fit": fit,
    }


def _rounded(values: Any, digits: int = 4) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in np.asarray(values, dtype=np.float64)]
