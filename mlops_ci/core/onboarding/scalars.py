"""Recognises metrics in metrics files by their keys, with their direction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_ci.core.onboarding.columns import plain

_GREATER = (
    *("accuracy", "acc", "f1", "f1score", "macrof1", "microf1", "precision", "recall", "specificity", "auc"),
    *("rocauc", "auroc", "avgprec", "averageprecision", "ap", "prauc", "map", "ndcg", "mrr", "r2", "r2score"),
    *("mcc", "matthewscorrcoef", "balancedaccuracy", "top1", "top5", "iou", "miou", "dice", "bleu", "rouge"),
)
_SMALLER = (
    *("loss", "logloss", "brier", "brierscore", "rmse", "mse", "mae", "mape", "smape", "error", "errorrate"),
    *(
        "rootmeansquarederror",
        "meansquarederror",
        "meanabsoluteerror",
        "perplexity",
        "falsepositiverate",
        "fpr",
    ),
    *("wer", "cer"),
)
# Losses and errors have a unit of their own: their margin is a share of the champion's value.
_RELATIVE = frozenset(_SMALLER) - {"falsepositiverate", "fpr", "errorrate", "wer", "cer"}
_TRAINING = re.compile(r"(^|[._/])(train|training)([._/]|$)|^train_|_train$")
_AVERAGES = re.compile(r"^(test|val|valid|validation|eval|holdout|macro|weighted)|(test|val|macro|weighted)$")


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """A number of a metrics file that can be gated."""

    file: str
    key: str
    name: str
    greater_is_better: bool
    relative: bool


def gateable(scalars: Mapping[str, Mapping[str, float]]) -> tuple[list[Scalar], list[str]]:
    """Return the scalars whose direction is known, and the keys of the others; training's are left out."""
    known: list[Scalar] = []
    unknown: list[str] = []
    for file, values in scalars.items():
        for key in values:
            if _TRAINING.search(key.lower()):
                continue
            found = _direction(key)
            if found is None:
                unknown.append(f"{file}:{key}")
                continue
            word, greater = found
            taken = {one.name for one in known}
            name = re.sub(r"\W+", "_", key.split(".")[-1] if key.split(".")[-1] not in taken else key)
            name = name if _direction(name) else re.sub(r"\W+", "_", key)
            known.append(
                Scalar(file=file, key=key, name=name, greater_is_better=greater, relative=word in _RELATIVE)
            )
    return known, unknown


def _direction(key: str) -> tuple[str, bool] | None:
    """Return the known metric name in a key, and whether greater is better."""
    for part in reversed(re.split(r"[./]", key)):
        for word in (plain(part), _AVERAGES.sub("", plain(part))):
            if word in _GREATER or word in _SMALLER:
                return word, word in _GREATER
    return None
