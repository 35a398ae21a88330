"""Two jobs that race end with one comment, and the newer report in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.runner import Runner

from mlops_ci.adapters.forges.sticky import Stamp
from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Result

HEAD = "a" * 40
REPORT = Report(command="check", model="malware", verdict=Result.PASS)


def race(*jobs: Callable[[], object]) -> None:
    """Run jobs at once, as close together as threads start; pass on what they raise."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        try:
            barrier.wait()
            job()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(("jobs", "times"), [(2, 50), (4, 20)])
def test_jobs_that_race_end_with_one_comment_each_time(
    github: GitHub, tmp_path: Path, jobs: int, times: int
) -> None:
    winners = []
    for number in range(1, times + 1):
        github.add_pull(number, HEAD)
        github.comment(number, "grace", "a comment of someone else")
        payload = {"pull_request": {"number": number, "head": {"sha": HEAD, "ref": "x"}}}
        racing = [
            Runner(github, tmp_path / str(number), run=run, payload=payload) for run in range(500, 500 + jobs)
        ]
        forges = [runner.forge() for runner in racing]
        reports = [replace(REPORT, source=forge.source()) for forge in forges]
        race(
            *(
                lambda forge=forge, report=report, run=run: forge.publish(  # type: ignore[misc]
                    report, {"comment": f"report of {run.run}"}, key="check malware"
                )
                for forge, report, run in zip(forges, reports, racing, strict=True)
            )
        )
        bodies = github.bodies(number)
        assert len(bodies) == 1, bodies
        winners.append(bodies[0].splitlines()[-1])
        assert github.bodies(number, "grace") == ["a comment of someone else"]
    if jobs == 2:
        assert set(winners) == {"report of 501"}


def test_the_stamp_survives_its_comment() -> None:
    stamp = Stamp(key="check a--b>\n é", run=5, attempt=2, head=HEAD, time="2026-11-23T04:00:00Z")

    assert Stamp.read(stamp.marker() + "body") == stamp
    assert stamp.marker().count("-->") == 1
    assert Stamp.read(stamp.marker().replace("\n", "\r\n") + "body") == stamp
    assert Stamp.read("quoted: " + stamp.marker()) is None


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ({"run": 1}, {"run": 2}, True),
        ({"run": 2}, {"run": 1}, False),
        ({"run": 1, "attempt": 2}, {"run": 1, "attempt": 1}, False),
        ({}, {}, False),
        # On one head the later started wins, whichever run it belongs to.
        ({"run": 1, "time": "2026-11-23T05:00:00Z"}, {"run": 2}, False),
        # A re-run of an older head is still about the older head.
        ({"run": 1, "time": "2026-11-23T05:00:00Z", "head": "b" * 40}, {"run": 2}, True),
    ],
)
def test_which_report_is_older(one: dict[str, object], other: dict[str, object], older: bool) -> None:
    base = Stamp(key="k", run=1, attempt=1, head=HEAD, time="2026-11-23T04:00:00Z")

    assert replace(base, **one).older_than(replace(base, **other)) is older  # type: ignore[arg-type]
