"""The tools of a command: the ports of one run, provided by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_ci.adapters.ports import (
    Console,
    Evaluations,
    Files,
    Forge,
    Frames,
    Ledger,
    Pipeline,
    Registry,
    Repository,
    Traffic,
)
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.judgement import Judgement
from mlops_ci.core.report import Report
from mlops_ci.errors import UsageError

# Runs a trusted command line in the user's environment with these variables added.
Shell = Callable[[str, Mapping[str, str]], None]
# Runs a command of the policy (deploy, probe) with our whole environment; returns what it printed.
Operator = Callable[[str, Mapping[str, str]], str]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def _absent(*_: Any, **__: Any) -> Any:
    raise UsageError("this part of mlops-ci is not at hand here", remedy="run it from the command line")


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The ports that a command on one model may use.

    Attributes
    ----------
    root
        Folder of mlops-ci.yaml, which its paths are relative to.
    scratch
        A folder of our own that is removed afterwards.
    registry, pipeline
        Made when first asked for: importing MLflow costs a second that not every path needs.
    profile
        Returns the stored form of the profile of a data set, without values rarer than a count, and with
        the kinds of columns that the settings name.
    drift
        Compares two data sets or stored profiles, as `mlops_ci.drift`.
    functions
        Imports the user's own metrics by reference, from what is installed beside us.
    traffic
        What was served and how it went, for a canary.
    page
        Renders a report as one HTML page; None if none is kept.
    shell
        None if no code of the change may run: a job that holds tokens.
    ledger, read_judgement, operate, actor, now
        For the verbs that move the champion: its history, what was judged, the team's own deployment,
        and who acts when.
    """

    root: Path
    scratch: Path
    repository: Repository
    forge: Forge
    console: Console
    frames: Frames
    files: Files
    evaluations: Evaluations
    registry: Callable[[], Registry]
    pipeline: Callable[[], Pipeline]
    profile: Callable[[str, int, Mapping[str, str]], str] = _absent
    drift: Callable[..., DriftReport] = _absent
    traffic: Callable[[], Traffic] = _absent
    page: Callable[[Report], str] | None = None
    shell: Shell | None = None
    ledger: Callable[[], Ledger] = _absent
    read_judgement: Callable[[Path], Judgement] = _absent
    operate: Operator | None = None
    actor: str = ""
    now: Callable[[], datetime] = utc_now
    functions: Callable[[Iterable[str]], Mapping[str, Callable[..., Any]]] = lambda _: {}
