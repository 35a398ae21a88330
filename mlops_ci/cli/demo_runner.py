"""Runs our own verbs in a demonstration's throw-away repository, as its user would."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime

from mlops_ci.demo.repository import DemoRepository, demo_environment

# In a job of a forge too, the throw-away repository is nobody's: nothing is posted there.
FORGES = ("GITHUB_ACTIONS", "GITLAB_CI")


def call(
    repository: DemoRepository, *arguments: str, report: str, clock: Callable[[], datetime] | None = None
) -> int:
    """Run one of our own verbs in the repository, as its user would, and return its reports.

    Parameters
    ----------
    clock
        A simulated time for this run; None takes the machine's.
    """
    from mlops_ci.cli.main import cli  # noqa: PLC0415

    python = ["--pipeline-python", sys.executable]
    log = (repository.reports / f"{report}.log").open("w", encoding="utf-8")
    with log, contextlib.chdir(repository.work_tree), contextlib.redirect_stderr(log), _alone():
        place = repository.reports / f"{report}.json"
        code = cli.main([*arguments, *python, "--output", str(place)], standalone_mode=False, obj=clock)
        for suffix in ("txt", "md", "html"):
            cli.main(
                ["report", str(place), "--output", str(place.with_suffix(f".{suffix}"))],
                standalone_mode=False,
            )
    return int(code or 0)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Replace the environment by the throw-away repository's, without any forge."""
    kept = dict(os.environ)
    os.environ.update(demo_environment())
    for name in FORGES:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
