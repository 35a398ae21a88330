"""The fuzzer, for as long as a test may take; `python tests/trust/fuzz.py` runs it for longer."""

import warnings

import pytest
from fuzz import run


@pytest.mark.slow
def test_no_reader_crashes() -> None:
    with warnings.catch_warnings():
        tally = run(cpu_seconds=40, seed=20261123)
    assert tally.crashes == [], tally.crashes[0]
    assert len(tally.inputs) == 17
    assert min(tally.inputs.values()) >= 50
    # Not everything is refused, or nothing behind the first check would have been tried.
    assert all(
        tally.accepted[name] for name in ("manifest", "judgement", "report", "settings", "event", "dvc.lock")
    )
