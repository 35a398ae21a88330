"""Runs the DVC command line: finds it, sets its environment, parses its output, explains its failures.

DVC has no public Python call for `repro`, so its command line is run and its output read.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_ci.adapters import process
from mlops_ci.adapters.ports import Console
from mlops_ci.core.lineage import StageState
from mlops_ci.errors import MlopsCiError, PipelineError, ServiceError, UsageError

_STEPS: Sequence[tuple[StageState, re.Pattern[str]]] = (
    ("ran", re.compile(r"^Running stage '(.+)':?$")),
    ("restored", re.compile(r"^Stage '(.+)' is cached - skipping run, checking out outputs$")),
    ("skipped", re.compile(r"^(?:Stage )?'(.+)' didn't change, skipping$")),
    ("skipped", re.compile(r"^Verifying (?:outputs in frozen stage|data sources in stage): '(.+)'$")),
)
_FAILED = re.compile(r"failed to reproduce '([^']+)': *(.*)")
_RAN = re.compile(r"^failed to run: (.+), exited with (\d+)$")
_SHOWN = 15


@dataclass(frozen=True, kw_only=True)
class Command:
    """The command that runs DVC, and whether it is from our own environment."""

    words: tuple[str, ...]
    ours: bool


def find_dvc(environment: Mapping[str, str]) -> Command:
    """Return our own DVC if it is installed, else the one on the stages' PATH.

    Only our own is ever given the credential of the remote on behalf of a pull request: what the pull
    request's requirements installed as `dvc` is the pull request's code.

    Raises
    ------
    UsageError
        If there is none.
    """
    if importlib.util.find_spec("dvc") is not None:
        return Command(words=(sys.executable, "-I", "-m", "dvc"), ours=True)
    found = shutil.which("dvc", path=environment.get("PATH"))
    if found is None:
        raise UsageError(
            "DVC is not installed",
            remedy="Install `mlops-ci[dvc]`; in the action add what your remote needs, as dvc[s3], to "
            "`extra-packages`.",
        )
    return Command(words=(found,), ours=False)


@dataclass(kw_only=True)
class Steps:
    """Parses the output of `dvc repro`: the state of each stage, in order."""

    clock: Callable[[], float] = time.monotonic
    states: dict[str, StageState] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    running: str | None = None
    output: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    _since: float = 0.0

    def line(self, text: str) -> None:
        """Parse one line of output."""
        for state, pattern in _STEPS:
            match = pattern.match(text)
            if match:
                self.end()
                name = match[1]
                # In a dry run a stage that could be restored is first called cached, then run.
                self.states[name] = "restored" if self.states.get(name) == "restored" else state
                self.seconds[name] = 0.0
                self.running, self._since = (name if state == "ran" else None), self.clock()
                self.output.clear()
                return
        if self.running is not None and text.strip():
            self.output.append(text)

    def merge(self, later: Steps) -> None:
        """Merge the result of a later run: a stage that ran in the first one counts as having run."""
        for name, state in later.states.items():
            if self.states.get(name) not in ("ran", "restored") or state != "skipped":
                self.states[name], self.seconds[name] = state, later.seconds[name]

    def end(self) -> None:
        """Stop the clock of the stage that runs."""
        if self.running is not None:
            self.seconds[self.running] = self.clock() - self._since


class Dvc:
    """DVC in one directory with one environment.

    Parameters
    ----------
    command, root, environment
        What is called, where, and all that it sees of the environment.
    console
        Where output goes as it comes.
    timeout
        Of one call, in seconds.
    """

    def __init__(
        self, command: Command, root: Path, environment: Mapping[str, str], console: Console, timeout: float
    ) -> None:
        self.command = command
        self.root = root
        self.environment = {**environment, "DVC_NO_ANALYTICS": "1"}
        self.console = console
        self.timeout = timeout

    def call(
        self, *arguments: str, on_line: Callable[[str], None] | None = None, stages: bool = False
    ) -> process.Completed:
        """Run one DVC command and stream its output; `stages` says that it runs the user's commands."""
        # Without CI set, DVC asks a server of its own for updates; stages keep what the user has.
        environment = self.environment if stages else {"CI": "true", **self.environment}
        return process.run(
            [*self.command.words, *arguments],
            cwd=self.root,
            environment=environment,
            timeout=self.timeout,
            on_line=on_line or self.console.untrusted,
        )

    def json(self, *arguments: str) -> Any:
        """Run one DVC command that answers in JSON.

        Its exit status says little: `dvc status` ends with 0 whether clean or stale.
        """
        done = process.run(
            [*self.command.words, *arguments, "--json"],
            cwd=self.root,
            environment={"CI": "true", **self.environment},
            timeout=self.timeout,
            keep_stdout=True,
        )
        if done.returncode != 0:
            raise failure(done)
        try:
            return json.loads(done.stdout or b"{}")
        except ValueError as error:
            raise PipelineError(f"`dvc {arguments[0]}` did not answer in JSON") from error

    def repro(
        self, targets: Sequence[str], *options: str, dry: bool = False
    ) -> tuple[process.Completed, Steps]:
        """Run `dvc repro`; return its exit code and the state of each stage.

        Raises
        ------
        PipelineError
            If it takes longer than the timeout.
        """
        steps = Steps()

        def line(text: str) -> None:
            steps.line(text)
            if not dry:
                self.console.untrusted(text)

        extra = ("--dry",) if dry else ()
        try:
            done = self.call("repro", *options, *extra, "--", *targets, on_line=line, stages=not dry)
        except process.TimedOutError as error:
            name = f"stage '{steps.running}'" if steps.running else "`dvc repro`"
            raise PipelineError(
                f"{name} did not end within {self.timeout:g} s{_last_lines(steps.output)}",
                remedy="Make it faster, or raise `pipeline.timeout`.",
            ) from error
        steps.end()
        return done, steps


def reports_failed_stage(done: process.Completed) -> bool:
    """Return whether a stage failed, rather than DVC before it reached one."""
    return any(_FAILED.search(line) for line in done.tail)


def failure(done: process.Completed, steps: Steps | None = None) -> MlopsCiError:
    """Return the error to raise for a failed DVC command."""
    text = "\n".join(done.tail)
    if "Unable to acquire lock" in text or "is busy, it is being blocked by" in text:
        return ServiceError(
            "DVC",
            "another DVC process holds the lock of this project",
            remedy="Try again when it has ended; if none runs, remove .dvc/tmp/lock and .dvc/tmp/rwlock.",
        )
    plugin = re.search(r"(\S+) is supported, but requires '([\w-]+)' to be installed", text)
    if plugin:
        return UsageError(
            f"the DVC remote speaks {plugin[1]}, but {plugin[2]} is not installed",
            remedy=f"Add {plugin[2]} to `extra-packages` (or install it beside mlops-ci).",
        )
    unknown = re.search(r"Stage '(.+)' not found inside '(.+)' file", text) or re.search(
        r"(?:ERROR: )'?(.+?)'? does not exist", text
    )
    if unknown and not _FAILED.search(text):
        return UsageError(
            f"`pipeline.targets` names '{unknown[1]}', which is not a stage of the pipeline",
            remedy="Name stages as `dvc stage list` does.",
        )
    if re.search(r"dvc\.yaml' (?:is invalid|validation failed)", text):
        return PipelineError(f"dvc.yaml is invalid{_last_lines(_said(done))}", remedy="Fix dvc.yaml.")
    if "unknown Git revision" in text:
        return UsageError("DVC does not find a git revision", remedy="Check out with `fetch-depth: 0`.")
    return _stage_failure(done, steps)


def _stage_failure(done: process.Completed, steps: Steps | None) -> PipelineError:
    failed = next((match for line in done.tail if (match := _FAILED.search(line))), None)
    if failed is None:
        return PipelineError(
            f"DVC failed (exit status {done.returncode}){_last_lines(_said(done))}",
            remedy="Run `dvc repro` and fix what it says.",
        )
    name, reason = failed[1], _RAN.sub(r"`\1` exited with \2", failed[2])
    if steps is not None and steps.running == name:
        shown = [line for line in steps.output if not _FAILED.search(line)]
        return PipelineError(
            f"stage '{name}' failed: {reason or 'see its output'}{_last_lines(shown)}",
            remedy=f"Run `dvc repro {name}` and fix the stage.",
        )
    return PipelineError(
        f"stage '{name}' cannot run: {reason or 'see the output of DVC'}{_last_lines(_said(done)[:-1])}",
        remedy="See that what it reads is in git, or in the DVC remote (`dvc push`).",
    )


def _said(done: process.Completed) -> list[str]:
    return [line for line in done.tail if line.strip() and not line.startswith("Having any troubles?")]


def _last_lines(lines: Sequence[str] | deque[str]) -> str:
    return "".join(f"\n  | {line}" for line in list(lines)[-_SHOWN:])
