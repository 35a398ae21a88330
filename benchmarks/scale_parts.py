"""Costs at several sizes, and how they grow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of log(value) over log(size), by least squares."""
    return round(float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0]), 2)


def timed(call: Callable[[], Any], times: int = 3) -> tuple[float, float]:
    """Return the least wall and CPU seconds of some calls, after one that warms up."""
    call()
    found = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def table(sizes: list[int], measure: Callable[[int], dict[str, float]]) -> dict[str, Any]:
    """Measure at each size; fit each column."""
    rows = [{"size": size, **measure(size)} for size in sizes]
    columns = [name for name in rows[0] if name != "size"]
    return {
        "rows": [{key: round(value, 4) for key, value in row.items()} for row in rows],
        "exponents": {
            name: exponent(sizes, [row[name] for row in rows])
            for name in columns
            if all(row[name] > 0 for row in rows)
        },
    }
