"""Write docs/benchmarks/canary.md from the results of `benchmarks.canary`.

python -m benchmarks.canary_page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks" / "canary.md"
RESULTS = ROOT / "benchmarks" / "results" / "canary.json"
TEXT = """\
# Is the canary right?

`python -m benchmarks.canary` ({runs:,} canaries a setting, {looks} looks of {requests} requests each;
{cpu:.0f} s of CPU), then `python -m benchmarks.canary_page`. The simulation hands its windows to the very
functions that `mlops-ci canary look` uses. Alpha is 5%, one guarded rate, base rate 5%, margin 2 points.

## Equal versions: how often is one rolled back?

Share of canaries with a false alarm at any of the {looks} looks. *Harm proven* is the e-value alone;
*rolled back* also wants an estimate beyond the margin, as the command does. The upper 95% bound is that of
*harm proven*.

{false_alarms}

- **repeated z**: differences within looks, added up, one-sided at 5%, looked at each time. **pooled z**:
  all requests so far as one table. **Bonferroni z**: the same at 5% / {looks}; the standard remedy, and
  none where the base rate moves while the share does. **fixed margin**: roll back when the difference so
  far is above 2 points. **Mann-Whitney**: the looks' rates of one version against the other's, as judges of
  time series do, at 5%.
- *Users* send 10 requests each, with habits of their own (ICC is the correlation within a user). With
  `canary.unit` a user counts as one. The last row is what happens without it: **our 5% is no promise
  then.**
- One share a window: a window that spans a change of share has no test that saves it, so `look` ends
  windows there.

## 5% -> 8%: how often is it found, and how soon?

Found means rolled back by the command's whole rule. The look is the median over all canaries; – where fewer
than half were found.

{power}

At 1% the challenger gets 5 requests a look: 200 in all can hardly show 3 points. *Night and day* take
turns at every look; Bonferroni's z pays for the days' noise with the nights' requests.

## What is promoted?

Share of canaries in which safety is proven at any look (with the estimate within the margin), by how much
worse the new version is. *Worse by the margin* is the error rate: at most 5%.

{promotions}

By night a version cannot be better than 0% bad: there "better by half of it" is better by 0.5 points.

## What was tried

- The bet on the difference within blocks finds as much as the safe test of two proportions where the base
  rate stands still, and more where it moves (a falling rate under a ramp, 5% -> 8% like: 100% against 93%
  in 2,000 runs); the safe test is ahead with a handful of units a window (20% against 5% at a 1% share).
  Their mean is an e-value again and is what we use.
- Learning the mean that is bet on, as aGRAPA does, costs power for promotion: 63% against 80% for equal
  versions at a 10% share (2,000 runs). The stake assumes equal versions and learns the variance alone.
- One stake a window, learned from the windows before, is as valid, and is ruined by a day after a night: with
  no bad outcome the stake is at its cap, and the first window at 45% costs tens of nats. Of 40 equal canaries
  at a 25% share with such nights and days none was promoted in 40 looks, and log evidence fell to -25. With
  the stake learned inside the window too, all 40 are, after 5 looks (median) and at most 16, and it never
  falls below -1.1. That has a price
  where the base rate stands still: versions worse by half the margin are promoted less often (45% against
  55% at a 50% share), equal ones about as often (79.8% against 80.5% at 10%, 96.9% against 98.3% at 25%).
- How much the windows before should count inside a window (1,000 runs; equal versions promoted at a 10%
  share, base rate constant / night and day): one stake a window 82% / 19%; windows before counting as at
  most 10 blocks 57% / 98%, 100 blocks 80% / 65%, all of them 80% / 56%; as at most 300, less the worse
  they fit: 80% / 96%, which is what we use. The mean over two such stakes in each window: 77% / 74% or
  72% / 90%.
- Betting on each challenger request minus the *whole window's* champion mean is no e-process: the terms
  share that mean's error. Blocks that share no request are, at no loss of power.
"""


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f}%"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all but the first column are numbers."""
    lines = [f"| {' | '.join(head)} |", f"|:--|{'--:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def page(found: dict[str, Any]) -> str:
    """Return the page of some results."""
    names = ["harm", "harm_bound", "rollback", "repeated z", "pooled z", "Bonferroni z", "fixed margin"]
    names.append("Mann-Whitney")
    head = ["", "harm proven", "upper bound", "rolled back", *names[3:]]
    alarms = [
        [row["setting"], *(percent(row[name]) for name in names)] for row in found["false_alarms"]["rows"]
    ]
    look = lambda value: "–" if value is None else f"{value:g}"  # noqa: E731
    power = [
        [
            row["setting"],
            percent(row["ours found"]),
            look(row["ours median look"]),
            percent(row["Bonferroni z found"]),
            look(row["Bonferroni z median look"]),
        ]
        for row in found["power"]["rows"]
    ]
    kinds = ("margin", "margin_bound", "half", "equal", "better")
    promoted = [
        [row["setting"], *(percent(row[kind]) for kind in kinds), look(row["equal median look"])]
        for row in found["promotions"]["rows"]
    ]
    titles = ["", "worse by the margin", "upper bound", "by half of it", "equal", "better by half of it"]
    parts = ("false_alarms", "power", "promotions")
    return TEXT.format(
        runs=found["false_alarms"]["runs"],
        looks=found["looks"],
        requests=found["requests"],
        cpu=sum(found[part]["cpu_seconds"] for part in parts),
        false_alarms=table(head, alarms),
        power=table(
            ["share", "found", "median look", "Bonferroni z found", "Bonferroni z median look"], power
        ),
        promotions=table([*titles, "median look if equal"], promoted),
    )


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
