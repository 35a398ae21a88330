"""Reads predictions files as evaluations, and stores evaluations in one fixed Parquet layout."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.adapters.ports import Columns, Frames
from mlops_ci.core.evidence import Array, Evaluation, InvalidEvaluationError, canonical, evaluation
from mlops_ci.errors import HoldoutError, PredictionsError

LAYOUT = "1"
PER_ROW = "column."
PER_CLASS = "score."
_PLAIN = ("target", "prediction", "group", "weight", "time")


class EvaluationFiles:
    """Evaluations as files, read through any reader of tables."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def read(self, path: Path, columns: Columns, labels: Path | None = None) -> Evaluation:
        """Read a predictions file; with `labels`, targets are joined from that file by id."""
        present = self._frames.names(path)
        scores = [columns.score] if isinstance(columns.score, str) else list(columns.score or ())
        single = {
            "target": None if labels else columns.target,
            "prediction": columns.prediction,
            "group": columns.group,
            "weight": columns.weight,
        }
        needed = [columns.id, *scores, *columns.further, *(name for name in single.values() if name)]
        for name in (*needed, *([columns.time] if columns.time else ())):
            if name not in present and (name in columns.required or name == columns.id):
                raise _missing(path, name, present)
        table = self._frames.read(
            path, [name for name in dict.fromkeys(needed) if name in present], text=[columns.id]
        )
        further = {name: table[name] for name in columns.further if name in table}
        parts: dict[str, Any] = {role: table[name] for role, name in single.items() if name and name in table}
        parts["score"] = _scores(table, scores)
        parts["score_labels"] = _class_labels(scores) if len(scores) > 1 else ()
        parts["id"] = table[columns.id]
        if columns.time and columns.time in present:
            parts["time"] = _moments(path, columns.time, parts["id"])
        if labels is not None:
            parts["target"] = self._join(path, canonical(parts["id"]), labels, columns)
        try:
            return evaluation(columns=further, **parts)
        except InvalidEvaluationError as error:
            raise PredictionsError(f"{path}: {error}", remedy="fix the stage that writes it") from None

    def _join(self, path: Path, ids: Array, labels: Path, columns: Columns) -> Array:
        """Return the labels of the holdout file for these ids."""
        present = self._frames.names(labels)
        target = columns.target or "y_true"
        for name in (columns.id, target):
            if name not in present:
                raise _missing(labels, name, present)
        table = self._frames.read(labels, [columns.id, target], text=[columns.id])
        known = canonical(table[columns.id])
        order = np.argsort(known, kind="stable")
        if (known[order][1:] == known[order][:-1]).any():
            raise HoldoutError(
                f"{labels}: an id occurs more than once", remedy="make the holdout's ids unique"
            )
        place = np.minimum(np.searchsorted(known[order], ids), len(known) - 1)
        found = known[order][place] == ids
        if not found.all():
            raise HoldoutError(
                f"{path}: row '{ids[int(np.argmin(found))]}' is not in the holdout {labels}"
                f" ({int((~found).sum())} of {len(ids)} rows are not)",
                remedy="predict exactly the rows of the holdout",
            )
        return np.asarray(table[target][order][place])

    def load(self, path: Path) -> Evaluation:
        """Read an evaluation that `save` wrote."""
        present = self._frames.names(path)
        if "id" not in present:
            raise PredictionsError(
                f"{path}: is not an evaluation of mlops-ci", remedy="take it in with `mlops-ci adopt`"
            )
        table = self._frames.read(path, None, text=["id"])
        per_class = [name for name in present if name.startswith(PER_CLASS)]
        parts: dict[str, Any] = {name: table[name] for name in ("id", *_PLAIN) if name in table}
        parts["score"] = _scores(table, per_class or (["score"] if "score" in table else []))
        parts["score_labels"] = [name.removeprefix(PER_CLASS) for name in per_class]
        further = {n.removeprefix(PER_ROW): table[n] for n in present if n.startswith(PER_ROW)}
        try:
            return evaluation(columns=further, **parts)
        except InvalidEvaluationError as error:
            raise PredictionsError(f"{path}: {error}") from None

    def save(self, one: Evaluation, path: Path) -> None:
        """Write an evaluation in one fixed Parquet layout, sorted by id."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        arrays: dict[str, Array] = {"id": one.id}
        for name in _PLAIN:
            values = getattr(one, name)
            if values is not None:
                arrays[name] = values
        if one.score is not None and one.score.ndim == 2:
            labels = one.score_labels or [str(index) for index in range(one.score.shape[1])]
            arrays |= {f"{PER_CLASS}{label}": one.score[:, index] for index, label in enumerate(labels)}
        elif one.score is not None:
            arrays["score"] = one.score
        arrays |= {f"{PER_ROW}{name}": values for name, values in sorted(one.columns.items())}
        table = pa.table({name: pa.array(values) for name, values in arrays.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata({"mlops_ci.layout": LAYOUT}), path, compression="zstd")


def _moments(path: Path, column: str, ids: Array) -> Array:
    """Return when each row was; a row without a time is an error, as in every column that is named."""
    from mlops_ci.adapters.data.timestamps import GONE, times_of  # noqa: PLC0415 (pyarrow)

    found = times_of(path, column, "evaluation.time")
    gone = found == GONE
    if gone.any():
        raise PredictionsError(
            f"{path}: column '{column}' has {int(gone.sum())} missing or unreadable times, the first in row"
            f" '{ids[int(np.argmax(gone))]}'",
            remedy="write a time of every row, or leave `evaluation.time` out",
        )
    return found


def _scores(table: Any, names: list[str]) -> Array | None:
    present = [name for name in names if name in table]
    if not present:
        return None
    return (
        np.asarray(table[present[0]]) if len(names) == 1 else np.column_stack([table[name] for name in names])
    )


def _class_labels(names: list[str]) -> list[str]:
    """Return the classes that score columns are named after: `p_cat` and `p_dog` are those of cat and dog."""
    shared = os.path.commonprefix(names)  # noqa: RUF071 (characters are what we want)
    cut = max(shared.rfind(mark) for mark in "_-. ") + 1
    return [name[cut:] for name in names]


def _missing(path: Path, name: str, present: list[str]) -> PredictionsError:
    near = get_close_matches(name, present, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(present[:12])}"
    return PredictionsError(
        f"{path}: there is no column '{name}'; {hint}",
        remedy="write the column, or name the right one under `evaluation` in mlops-ci.yaml",
    )
