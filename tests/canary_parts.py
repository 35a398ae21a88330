"""A story with a canary: a clock that tests turn, and traffic that follows what was deployed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from promotion_parts import MODEL, SETTINGS, Effects, Story, scratch

from mlops_ci.adapters.data.traffic import TrafficFiles
from mlops_ci.commands.canary.look import look
from mlops_ci.commands.canary.verbs import start, status, stop
from mlops_ci.core.canary.state import Canary, latest
from mlops_ci.core.report import Report

ROUTE = (
    'echo "$MLOPS_CI_VERSION:$MLOPS_CI_CHALLENGER:$MLOPS_CI_SHARE" >> routed.txt;'
    ' echo "$MLOPS_CI_MODEL_VERSION" >> deployed.txt'
)
CANARY = """\
canary:
  outcomes: outcomes/*.parquet
  version: model_version
  time: time
  id: request
  rates:
    false_positives: {column: y_pred, label: y_true, positive: malware, margin: 0.02}
    errors: {column: error, margin: 0.02}
    latency: {column: latency_ms, objective: 300, margin: 0.05}
  steps: [0.05, 0.25, 1]
  min_windows: 2
  window: 3600
  settle: 0
  deadline: 172800
"""
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@dataclass
class Guarded:
    """A story whose candidate becomes a canary; `hour` passes time and serves requests."""

    story: Story
    now: datetime = START
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    requests: int = 0

    @property
    def root(self) -> Path:
        return self.story.repo.root

    @property
    def traffic(self) -> Path:
        (self.root / "outcomes").mkdir(exist_ok=True)
        return self.root / "outcomes"

    def tools(self, folder: Path, effects: Effects | None = None) -> Any:
        source = TrafficFiles(str(self.story.settings.canary.outcomes), self.root)  # type: ignore[union-attr]
        return self.story.tools(folder, effects, now=lambda: self.now, traffic=lambda: source)

    def run(self, verb: Callable[..., Report], effects: Effects | None = None, **options: Any) -> Report:
        with scratch() as folder:
            tools = self.tools(folder, effects)
            return verb(self.story.settings, tools, self.story.source(tools), **options)

    def start(self, **options: Any) -> Report:
        return self.run(start, **options)

    def look(self, **options: Any) -> Report:
        return self.run(look, **options)

    def status(self) -> Report:
        return self.run(status)

    def stop(self, **options: Any) -> Report:
        return self.run(stop, **options)

    def canary(self) -> Canary:
        found = latest(self.story.history())
        assert found is not None
        return found

    def routed(self) -> tuple[str, str, float]:
        """Champion, challenger and share as the last deployment set them."""
        last = (self.root.parent / "routed.txt").read_text().split()[-1]
        champion, challenger, share = last.split(":")
        return champion, challenger, float(share)

    def rows(self, n: int, worse: dict[str, float] | None = None, **fixed: Any) -> dict[str, Any]:
        """Serve n requests in the hour that begins now; `worse` are rates of the challenger."""
        champion, challenger, share = self.routed()
        mine = self.rng.random(n) < share
        rates = {"false_positives": 0.03, "errors": 0.01, "latency": 0.05}
        bad = {
            name: self.rng.random(n) < np.where(mine, (worse or {}).get(name, rate), rate)
            for name, rate in rates.items()
        }
        malware = self.rng.random(n) < 0.1
        self.requests += n
        values: dict[str, Any] = {
            "time": [self.now + timedelta(seconds=float(s)) for s in np.sort(self.rng.uniform(0, 3599, n))],
            "model_version": np.where(mine, challenger or champion, champion),
            "request": [f"r{i}" for i in range(self.requests - n, self.requests)],
            "y_true": np.where(malware, "malware", "clean"),
            "y_pred": np.where(malware | bad["false_positives"], "malware", "clean"),
            "error": bad["errors"],
            "latency_ms": np.where(bad["latency"], 500.0, 100.0),
        }
        return values | fixed

    def write(self, rows: dict[str, Any], name: str | None = None) -> Path:
        path = self.traffic / f"{name or self.now.strftime('%Y%m%dT%H')}.parquet"
        pq.write_table(pa.table(rows), path)
        return path

    def hour(self, n: int = 2000, worse: dict[str, float] | None = None, **fixed: Any) -> Path:
        path = self.write(self.rows(n, worse, **fixed))
        self.now += timedelta(hours=1)
        return path


def guarded(story: Story, canary: str = CANARY) -> Guarded:
    settings = SETTINGS.replace("""'echo "$MLOPS_CI_MODEL_VERSION" >> deployed.txt'""", f"'{ROUTE}'")
    assert ROUTE in settings
    return Guarded(replace(story, settings_text=settings + canary))


__all__ = ["CANARY", "MODEL", "START", "Guarded", "guarded"]
