"""Checks that two evaluations are about the same rows, so that they may be compared row by row."""

from __future__ import annotations

import numpy as np

from mlops_ci.core.evidence import Array, Evaluation, differing

SHOWN = 3


def mismatch(champion: Evaluation, candidate: Evaluation) -> str | None:
    """Return in one sentence why the two cannot be compared row by row, or None if they can.

    Both are sorted by id, as `evaluation` leaves them.
    """
    if not np.array_equal(champion.id, candidate.id):
        return _different_ids(champion.id, candidate.id)
    for name, ours, theirs in (
        ("label", candidate.target, champion.target),
        ("group", candidate.group, champion.group),
        ("weight", candidate.weight, champion.weight),
    ):
        if ours is None or theirs is None:
            continue
        differs = differing(ours, theirs)
        if differs.any():
            first = candidate.id[int(np.argmax(differs))]
            return (
                f"the {name} of {int(differs.sum()):,} of {len(candidate):,} rows is not the same on both "
                f"sides (first in row '{first}'): the holdout has changed"
            )
    return None


def not_finite(evaluation: Evaluation) -> str | None:
    """Return which part of an evaluation holds a NaN or an infinity, or None."""
    for name in ("target", "prediction", "score", "weight", "group"):
        values = getattr(evaluation, name)
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            row = evaluation.id[int(np.argmax(~np.isfinite(values).reshape(len(values), -1).all(axis=1)))]
            return f"{name} is missing or infinite in row '{row}'"
    return None


def _different_ids(champion: Array, candidate: Array) -> str:
    """Return a sentence on the ids that only one side has."""
    missing = np.setdiff1d(champion, candidate)
    extra = np.setdiff1d(candidate, champion)
    parts = []
    if len(missing):
        parts.append(f"{len(missing):,} of the champion's {len(champion):,} are missing ({_some(missing)})")
    if len(extra):
        parts.append(f"{len(extra):,} are new ({_some(extra)})")
    return (
        f"the candidate was not scored on the champion's holdout rows: of its {len(candidate):,} ids "
        f"{' and '.join(parts) or 'some occur more than once'}"
    )


def _some(ids: Array) -> str:
    shown = ", ".join(f"'{one}'" for one in ids[:SHOWN])
    return shown + (", ..." if len(ids) > SHOWN else "")


def same_predictions(champion: Evaluation, candidate: Evaluation) -> bool:
    """Return whether both agree on every row: in labels and scores, or else in all shared columns."""
    if len(champion) != len(candidate) or champion.score_labels != candidate.score_labels:
        return False
    said = False
    for ours, theirs in (
        (candidate.prediction, champion.prediction),
        (candidate.score, champion.score),
    ):
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None or np.shape(ours) != np.shape(theirs):
            return False
        said = True
        if differing(ours, theirs).any():
            return False
    if not said:
        shared = [name for name in candidate.columns if name in champion.columns]
        return bool(shared) and all(
            not differing(candidate.columns[name], champion.columns[name]).any() for name in shared
        )
    return True
