"""Evaluations: the per-row predictions of one model on one holdout, and their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

AT_ONCE = 100_000  # rows that are written as text at a time


class InvalidEvaluationError(ValueError):
    """Arrays that do not form an evaluation; the message names the column and the row."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Per-row predictions of one model on one holdout.

    Rows are sorted by id on construction through `evaluation`, so that two evaluations of the
    same holdout line up by position and nothing depends on the order of rows in a file.

    Attributes
    ----------
    id
        Row identities, shape (n,), text; unique.
    target
        True labels or values, shape (n,); None if only per-row metric columns are compared.
    prediction
        Predicted labels or values, shape (n,), or None.
    score
        Score of the positive class, shape (n,), or one column a class, shape (n, k), or None.
    score_labels
        The class of each column of a two-dimensional `score`.
    group
        Cluster of each row (a user, a device), shape (n,), or None: rows of one group are dependent.
    weight
        Weight of each row, shape (n,), finite and >= 0, or None.
    time
        When each row was, in microseconds since 1970 (UTC), shape (n,), or None.
    columns
        Further columns by name, each of shape (n,): slices and per-row metrics.
    """

    id: Array
    target: Array | None = None
    prediction: Array | None = None
    score: Array | None = None
    score_labels: tuple[str, ...] = ()
    group: Array | None = None
    weight: Array | None = None
    time: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: Array) -> Evaluation:
        """Return the evaluation of some of the rows, by position or by mask, shape (k,) or (n,)."""

        def pick(values: Array | None) -> Array | None:
            return None if values is None else values[rows]

        return replace(
            self,
            id=self.id[rows],
            target=pick(self.target),
            prediction=pick(self.prediction),
            score=pick(self.score),
            group=pick(self.group),
            weight=pick(self.weight),
            time=pick(self.time),
            columns={name: values[rows] for name, values in self.columns.items()},
        )

    # A check asks for these a dozen times: of a large holdout they take longer than its statistics.
    @cached_property
    def _holdout_digest(self) -> str:
        digest = hashlib.sha256(f"mlops-ci holdout 1 {len(self)}\n".encode())
        for values in (self.id, *([] if self.target is None else [self.target])):
            _update(digest, values)
        return digest.hexdigest()

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(self._holdout_digest.encode())
        parts = {name: getattr(self, name) for name in ("prediction", "score", "group", "weight", "time")}
        for name, values in [*parts.items(), *sorted(self.columns.items())]:
            if values is not None:
                digest.update(name.encode() + b"\0")
                _update(digest, values)
        return digest.hexdigest()


def canonical(values: Array) -> Array:
    """Return values as text that does not depend on the file format, shape (n,).

    A label read as ``1`` (CSV), ``1.0`` (a float column) or ``True`` (a boolean one) is the same label.
    """
    values = np.asarray(values)
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)
        if whole.all():
            return canonical(values.astype(np.int64))
        text = values.astype(str).astype(object)
        text[whole] = values[whole].astype(np.int64).astype(str)
        return text.astype(str)
    if values.dtype.kind in "iu" and values.size:
        # Only as wide as the widest: numpy would make room for 20 digits, 84 bytes a value.
        return values.astype(f"U{max(len(str(values.min())), len(str(values.max())))}")
    return values.astype(str)


def differing(ours: Array, theirs: Array) -> NDArray[np.bool_]:
    """Return where two arrays differ as `canonical` text, which is only computed if necessary."""
    if ours.dtype == theirs.dtype and ours.dtype.kind in "biuf":
        differ = np.asarray(ours != theirs)
        return differ if ours.dtype.kind != "f" else differ & ~(np.isnan(ours) & np.isnan(theirs))
    return np.asarray(canonical(ours) != canonical(theirs))


def evaluation(**arrays: Any) -> Evaluation:
    """Build an `Evaluation`: check it, make the ids text, and sort the rows by id.

    Raises
    ------
    InvalidEvaluationError
        If it is empty, an id occurs twice, or a column has another length, a NaN or an infinity.
    """
    columns: Mapping[str, Array] = arrays.pop("columns", {})
    labels: Sequence[str] = arrays.pop("score_labels", ())
    ids = canonical(arrays.pop("id"))
    if len(ids) == 0:
        raise InvalidEvaluationError("there is no row")
    parts = {name: np.asarray(values) for name, values in arrays.items() if values is not None}
    for name, values in parts.items():
        if len(values) != len(ids):
            raise InvalidEvaluationError(f"column '{name}' has {len(values)} rows, the ids {len(ids)}")
        if values.ndim != 1 and not (name == "score" and values.ndim == 2):
            raise InvalidEvaluationError(f"column '{name}' holds lists, not one value a row")
        _refuse_missing(name, values, ids)
        if name in ("score", "weight"):
            parts[name] = _numbers(name, values, ids)
    if "weight" in parts and (parts["weight"] < 0).any():
        row = ids[int(np.argmax(parts["weight"] < 0))]
        raise InvalidEvaluationError(f"the weight of row '{row}' is negative")
    order = np.argsort(ids, kind="stable")
    same = ids[order][1:] == ids[order][:-1]
    if same.any():
        twice = ids[order][:-1][same]
        raise InvalidEvaluationError(
            f"id '{twice[0]}' occurs more than once ({len(np.unique(twice))} such ids)"
        )
    further = {name: np.asarray(values) for name, values in columns.items()}
    for name, values in further.items():
        if values.ndim != 1:
            raise InvalidEvaluationError(f"column '{name}' holds lists, not one value a row")
    whole = Evaluation(
        id=ids,
        columns=further,
        score_labels=tuple(labels),
        **parts,
    )
    return whole.take(order)


def holdout_digest(one: Evaluation) -> str:
    """Return the SHA-256 that identifies the holdout: its ids and labels, in id order."""
    return one._holdout_digest


def evaluation_digest(one: Evaluation) -> str:
    """Return the SHA-256 of an evaluation's content, independent of its file format."""
    return one._digest


def _update(digest: Any, values: Array) -> None:
    """Add `canonical` texts to the hash: all lengths, then all texts.

    So no two different lists give the same bytes (a separator could occur in an id). Some rows at a time: the
    texts of a score column are many times as large as the column.
    """
    values = np.asarray(values).ravel()
    texts: list[bytes] = []
    for start in range(0, len(values), AT_ONCE):
        some = [value.encode() for value in canonical(values[start : start + AT_ONCE]).tolist()]
        digest.update(np.array([len(text) for text in some], dtype="<u8").tobytes())
        texts.append(b"".join(some))
    for joined in texts:
        digest.update(joined)


def _numbers(name: str, values: Array, ids: Array) -> Array:
    """Return decimals, and numbers that were read as text, as floats; other numbers as they are."""
    if values.dtype.kind in "biuf":
        return values
    found = _floats(values)
    if found is None:
        # Row by row in the array that was read: numpy takes text with a NUL for a number in some only.
        bad = next(place for place in range(len(values)) if _floats(values[place : place + 1]) is None)
        raise InvalidEvaluationError(
            f"column '{name}' holds '{values[bad]!s:.40}' in row '{ids[bad]}', which is not a number"
        )
    _refuse_missing(name, found, ids)
    return found


def _floats(values: Array) -> Array | None:
    """Return texts and objects as floats, or None if one of them is no number, or another kind (dates)."""
    if values.dtype.kind not in "OUST":
        return None
    try:
        return np.asarray(values.astype(np.float64))
    except (TypeError, ValueError, OverflowError):
        return None


def _refuse_missing(name: str, values: Array, ids: Array) -> None:
    if values.dtype.kind == "f":
        bad: Array = ~np.isfinite(values)
    elif values.dtype.kind == "O":
        bad = np.array([value is None or value != value for value in values.tolist()])  # noqa: PLR0124 (NaN)
    else:
        return
    if bad.ndim == 2:
        bad = np.asarray(bad.any(axis=1))
    if bad.any():
        row = ids[int(np.argmax(bad))]
        raise InvalidEvaluationError(
            f"column '{name}' has {int(bad.sum())} missing or infinite values, the first in row '{row}'"
        )
