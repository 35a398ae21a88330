"""Outcomes of live traffic as MLflow keeps them: traces that a service wrote, with tags and assessments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.adapters.mlflow.traffic import MlflowTraffic
from mlops_ci.core.canary.reading import RateReading, Reading, outcomes
from mlops_ci.errors import EvidenceError

# What a service does: one trace a request, and a verdict on it that comes later.
SERVICE = """
import mlflow
mlflow.set_experiment("production")
for number in range(4):
    try:
        with mlflow.start_span("scan"):
            mlflow.update_current_trace(tags={"model_version": str(1 + number % 2), "customer": f"c{number}"})
            if number == 3:
                raise ValueError("broken file")
    except ValueError:
        pass
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_last_active_trace_id()
    if number < 2:
        mlflow.log_feedback(trace_id=trace, name="false_alarm", value=bool(number))
        mlflow.log_feedback(trace_id=trace, name="false_alarm", value=not number)
"""
READING = Reading(
    version="model_version",
    time="time",
    id="trace_id",
    unit="customer",
    rates={
        "errors": RateReading(column="error"),
        "false_alarms": RateReading(column="false_alarm"),
        "slow": RateReading(column="latency_ms", objective=60_000),
    },
)


def test_traces_are_outcomes(sqlite_registry: MlflowRegistry, tmp_path: Path) -> None:
    connection = sqlite_registry._connection
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": connection.tracking,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    subprocess.run([sys.executable, "-c", SERVICE], check=True, env=environment, cwd=tmp_path)
    now = time.time()
    found = outcomes(MlflowTraffic(connection, "production").columns(READING, now - 3600, now + 60), READING)
    assert found.version.tolist() == ["1", "2", "1", "2"]
    assert found.unit is not None
    assert found.unit.tolist() == ["c0", "c1", "c2", "c3"]
    np.testing.assert_equal(found.rates["errors"], [0, 0, 0, 1])
    np.testing.assert_equal(found.rates["false_alarms"], [1, 0, np.nan, np.nan])
    np.testing.assert_equal(found.rates["slow"], [0, 0, 0, 0])
    assert (np.abs(found.time - now) < 600).all()
    traffic = MlflowTraffic(connection, "production")
    assert len(traffic.columns(READING, now + 60, now + 120)["time"]) == 0
    assert len(MlflowTraffic(connection, "no such").columns(READING, 0, now)["time"]) == 0
    wrong = Reading(version="model_version", time="time", rates={"x": RateReading(column="customer")})
    with pytest.raises(EvidenceError, match="'customer' of a trace is 'c0', which is not a number"):
        traffic.columns(wrong, now - 3600, now + 60)
