"""A simulated production for the demonstration: a router, the versions it serves, and their answers.

Time in it is simulated: it passes when it is told to, and requests are served meanwhile.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from mlops_ci.demo.bikes import hours_file
from mlops_ci.demo.repository import DemoRepository, demo_environment
from mlops_ci.errors import PipelineError
from mlops_ci.render import template_folder

A_DAY = 400
"""Requests a day."""


class Production:
    """The simulated service of the demonstration's model.

    Attributes
    ----------
    folder
        Holds ``router.json``, ``models`` by version, and ``outcomes``.
    now
        The simulated time, UTC.
    """

    def __init__(self, repository: DemoRepository, start: datetime) -> None:
        self.folder = repository.folder / "production"
        self.now = start

    def clock(self) -> datetime:
        """Return the simulated time: each look at it takes a second, so that no two things happen at once."""
        self.now += timedelta(seconds=1)
        return self.now

    def make(self) -> None:
        """Write the programs that deploy, serve and fetch."""
        shutil.copytree(template_folder() / "demo-loop" / "production", self.folder)
        shutil.copy(hours_file(), self.folder)
        self._pass(self.now)

    def route(self, version: str, model: Path) -> None:
        """Let one version answer all requests, as before mlops-ci was set up."""
        shutil.copytree(model, self.folder / "models" / version)
        (self.folder / "router.json").write_text(json.dumps({"shares": {version: 1.0}}), encoding="utf-8")

    @property
    def shares(self) -> dict[str, float]:
        """Each serving version's share of the requests."""
        shares: dict[str, float] = json.loads((self.folder / "router.json").read_text("utf-8"))["shares"]
        return shares

    def serve(self, until: datetime, beside: str = "") -> dict[str, float]:
        """Let time pass, and requests be answered.

        Parameters
        ----------
        beside
            A version that answers nobody: what it would have said is only counted.

        Returns
        -------
        The share of right answers of ``all`` that was served, and of `beside`.

        Raises
        ------
        PipelineError
            If the serving program fails.
        """
        more = ["--beside", beside] if beside else []
        said = self._run("serve.py", written(self.now), written(until), "--a-day", str(A_DAY), *more)
        self._pass(until)
        right: dict[str, float] = json.loads(said)
        return right

    def right(self) -> dict[str, float]:
        """Return the share of right answers by version, in what was served last."""
        last = max((self.folder / "outcomes").iterdir())
        with last.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        versions = sorted({row["model_version"] for row in rows}, key=int)
        hits = {
            name: [one["predicted"] == one["busy"] for one in rows if one["model_version"] == name]
            for name in versions
        }
        return {name: sum(some) / len(some) for name, some in hits.items()}

    def fetch(self) -> None:
        """Put all hours that are over into the repository's data file, as the retraining does."""
        self._pass(self.now)
        self._run("fetch.py")

    @property
    def fetched(self) -> list[str]:
        """What was fetched so far, a line each: by us, and by retrainings."""
        log = self.folder / "fetched.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def _pass(self, until: datetime) -> None:
        self.now = until
        (self.folder / "now").write_text(written(until) + "\n", encoding="utf-8")

    def _run(self, program: str, *arguments: str) -> str:
        command = [sys.executable, str(self.folder / program), *arguments]
        done = subprocess.run(
            command, env={**os.environ, **demo_environment()}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-3:])
            raise PipelineError(f"the simulated production failed in {program}: {last}")
        return done.stdout


def written(time: datetime) -> str:
    """Return a time as ISO 8601, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
