"""Served traffic from MLflow's traces, with their tags, metadata and assessments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.adapters.mlflow.client import Connection, pages
from mlops_ci.core.canary.reading import Reading
from mlops_ci.errors import EvidenceError

PAGE = 500


class MlflowTraffic:
    """The traces of one experiment; implements the port `Traffic`.

    A trace's columns are ``time``, ``trace_id``, ``error`` (0 or 1), ``latency_ms``, and each tag, metadata
    entry and assessment by its name; the newest valid assessment of a name counts.
    """

    def __init__(self, connection: Connection, experiment: str) -> None:
        self._connection = connection
        self._experiment = experiment

    def columns(self, reading: Reading, since: float, until: float) -> dict[str, NDArray[Any]]:
        """Return the columns of `reading` for the traces of ``[since, until)``."""
        rows = self._rows(since, until)
        found: dict[str, NDArray[Any]] = {}
        for name in (reading.time, *reading.text, *reading.numbers):
            values = [row.get(name) for row in rows]
            if name == reading.time and name != "time":
                raise EvidenceError(
                    f"a trace has no column '{name}' for its time",
                    remedy="set `canary.time: time` in mlops-ci.yaml",
                )
            if name in reading.text:
                found[name] = np.asarray([_text(value) for value in values], dtype=object)
            else:
                found[name] = np.asarray([_number(value, name) for value in values], dtype=float)
        return found

    def _rows(self, since: float, until: float) -> list[Mapping[str, Any]]:
        said = f"timestamp_ms >= {int(since * 1000)} AND timestamp_ms < {int(until * 1000)}"
        with self._connection.calls(f"read the traces of '{self._experiment}'") as client:
            experiment = client.get_experiment_by_name(self._experiment)
            if experiment is None:
                return []
            where = [experiment.experiment_id]

            def page(token: str | None) -> Any:
                return client.search_traces(
                    locations=where,
                    filter_string=said,
                    max_results=PAGE,
                    order_by=["timestamp_ms ASC"],
                    page_token=token,
                    include_spans=False,
                )

            return [_row(trace.info) for trace in pages(page)]


def _row(info: Any) -> dict[str, Any]:
    judged = sorted(info.assessments or (), key=lambda one: one.last_update_time_ms or 0)
    valid = {one.name: _value(one) for one in judged if getattr(one, "valid", True) is not False}
    return {
        **info.trace_metadata,
        **info.tags,
        **valid,
        "trace_id": info.trace_id,
        "time": info.request_time / 1000,
        "error": float(str(getattr(info.state, "value", info.state)) == "ERROR"),
        "latency_ms": info.execution_duration,
    }


def _value(assessment: Any) -> Any:
    held = getattr(assessment, "feedback", None) or getattr(assessment, "expectation", None)
    return getattr(held, "value", None)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return {"true": "1", "false": "0"}.get(text.lower(), text)


def _number(value: Any, name: str) -> float:
    if value is None:
        return float("nan")
    try:
        return float({"true": "1", "false": "0"}.get(str(value).lower(), value))
    except (TypeError, ValueError):
        raise EvidenceError(
            f"'{name}' of a trace is '{value!s:.40}', which is not a number",
            remedy="correct the column in `canary` of mlops-ci.yaml, or what writes the trace",
        ) from None
