"""Logs monitoring results to MLflow: one run `monitor` per model, one step per window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from mlops_ci.adapters.mlflow.client import Connection, clause, pages
from mlops_ci.adapters.mlflow.errors import EXISTS, or_none
from mlops_ci.adapters.mlflow.runs import batches

RUN = "monitor"


class MlflowTrends:
    """Implements the port `Trends`.

    Parameters
    ----------
    experiment
        Experiment of the candidates' runs, or None for ``mlops-ci/<model>``; the history is in
        ``<experiment>/monitor``.
    """

    def __init__(self, connection: Connection, *, experiment: str | None = None) -> None:
        self._connection = connection
        self._experiment = experiment

    def log(self, model: str, points: Sequence[tuple[int, datetime, Mapping[str, float]]]) -> str | None:
        """Write numbers by window; MLflow keeps one of several points that are equal in all they say."""
        from mlflow.entities import Metric  # noqa: PLC0415 (heavy)

        metrics = [
            Metric(key=key, value=float(value), timestamp=int(end.timestamp() * 1000), step=number)
            for number, end, values in points
            for key, value in values.items()
            if math.isfinite(value)
        ]
        with self._connection.calls(f"log the monitoring of '{model}'") as client:
            experiment = self._made(client, model)
            run_id = self._run(client, experiment)
            for batch in batches(metrics, 500):
                client.log_batch(run_id, metrics=batch)
        site = self._connection.website
        return site and f"{site}/#/experiments/{experiment}/runs/{run_id}"

    def _made(self, client: Any, model: str) -> str:
        name = f"{self._experiment or f'mlops-ci/{model}'}/{RUN}"
        found = client.get_experiment_by_name(name)
        if found is None:
            folder = self._connection.folder
            place = None if folder is None else str(folder / "mlruns" / quote(name, safe=""))
            or_none(lambda: client.create_experiment(name, artifact_location=place), EXISTS)
            found = client.get_experiment_by_name(name)
        return str(found.experiment_id)

    def _run(self, client: Any, experiment: str) -> str:
        """Return the one run: the oldest of that name, made if there is none."""

        def search() -> list[Any]:
            said = clause("attributes.run_name", RUN)
            order = ["attributes.start_time ASC"]
            return list(
                pages(
                    lambda token: client.search_runs(
                        [experiment], filter_string=said, order_by=order, page_token=token
                    )
                )
            )

        found = search()
        if not found:
            client.create_run(experiment, run_name=RUN)
            found = search()
        return str(found[0].info.run_id)
