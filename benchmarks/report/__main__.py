"""Time of rendering a large report: 50 metrics x 40 slices x 200 drift columns, in all forms.

Run `python -m benchmarks.report`; it ends with 1 where it takes more than 2 s of CPU.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from mlops_ci.core.report import Report
from mlops_ci.render import FORMS, render

BUDGET = 2.0


def large(metrics: int = 50, slices: int = 40, columns: int = 200) -> Report:
    """Return a report of that size."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from sample_reports import GOOD, STATES

    whole = STATES["fail"]
    names = [f"metric_{index}" for index in range(metrics)]
    overall = [replace(GOOD[0], metric=name) for name in names]
    sliced = [replace(one, slice=f"platform=p{index}") for one in overall for index in range(slices)]
    column = (whole.drift or {})["columns"][0]
    moved = [column | {"name": f"column_{index}"} for index in range(columns)]
    return replace(whole, findings=[*overall, *sliced], drift={**(whole.drift or {}), "columns": moved})


def main() -> int:
    report = large()
    total = 0.0
    print(f"{'form':10} {'CPU, s':>8} {'bytes':>12}")
    for form in FORMS:
        start = time.process_time()
        text = render(report, form)
        spent = time.process_time() - start
        total += spent
        print(f"{form:10} {spent:8.3f} {len(text.encode()):12,}")
    print(f"{'all':10} {total:8.3f}   (budget {BUDGET} s, templates compiled in it)")
    return int(total > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
