"""Data quality of a canary: empty windows, a wrong traffic split, missing labels, late rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlops_ci.core.canary.outcomes import Outcomes, Seen
from mlops_ci.core.canary.state import Canary
from mlops_ci.core.canary.windows import Window, seconds
from mlops_ci.core.formatting import many, percent
from mlops_ci.core.report import Notice
from mlops_ci.settings import CanarySettings


def of_windows(
    seen: Sequence[tuple[Window, Seen]], skipped: Sequence[tuple[Window, Seen]], canary: Canary
) -> list[Notice]:
    """Return notices on the windows of this look."""
    notices = []
    one_armed = [one for _, one in skipped if one.champion or one.challenger]
    if skipped and not one_armed:
        text = f"{many(len(skipped), 'window')} held no row of either version: waiting for them."
        notices.append(Notice(text=text))
    for arm in ("champion", "challenger"):
        empty = [one for one in one_armed if getattr(one, arm) == 0]
        if empty:
            text = f"{many(len(empty), 'window')} held no row of the {arm}: such windows prove nothing."
            text += " Is the traffic split?" if not seen else ""
            notices.append(Notice(text=text, level="warning"))
    rows = [one for _, one in (*seen, *skipped)]
    other, total = (
        sum(one.other for one in rows),
        sum(one.other + one.champion + one.challenger for one in rows),
    )
    if other:
        text = (
            f"{other:,} of {total:,} rows name neither version {canary.champion} nor {canary.challenger}:"
            " they do not count."
        )
        notices.append(Notice(text=text, level="warning"))
    return [*notices, *_shares(seen), *_labels(seen, canary)]


def of_labels(unmet: Sequence[str], rules: CanarySettings) -> list[Notice]:
    """Warn of rates whose positive label was never seen: without it every rate is 0."""
    return [
        Notice(
            text=f"No row has the positive label '{rules.rates[name].positive}' of {name}, predicted or true:"
            f" no window is read before one does. Is `canary.rates.{name}.positive` as the columns spell it?",
            level="warning",
        )
        for name in unmet
    ]


def _shares(seen: Sequence[tuple[Window, Seen]]) -> list[Notice]:
    """Warn if the challenger's share of the rows differs clearly from its share of the traffic."""
    by_share: dict[float, list[Seen]] = {}
    for window, one in seen:
        by_share.setdefault(window.share, []).append(one)
    notices = []
    for share, some in by_share.items():
        mine = sum(one.challenger for one in some)
        total = mine + sum(one.champion for one in some)
        spread = math.sqrt(total * share * (1 - share))
        if abs(mine - total * share) > max(6 * spread, 0.2 * total * share):
            text = f"The challenger answered {mine / total:.1%} of the rows; its share was {percent(share)}."
            notices.append(Notice(text=f"{text} Is the split what `deploy_command` set?", level="warning"))
    return notices


def _labels(seen: Sequence[tuple[Window, Seen]], canary: Canary) -> list[Notice]:
    """Warn if outcomes are known for one version much more often than for the other."""
    notices = []
    for name in canary.rule.margins:
        known = np.asarray([one.known[name] for _, one in seen]).reshape(-1, 2)
        rows = np.asarray([(one.champion, one.challenger) for _, one in seen]).reshape(-1, 2)
        if not len(known) or (rows.sum(axis=0) < 30).any():
            continue
        shares = (known * rows).sum(axis=0) / rows.sum(axis=0)
        if not shares.any():
            notices.append(
                Notice(text=f"No row has an outcome of {name}: nothing can be proven.", level="warning")
            )
        elif abs(shares[0] - shares[1]) > 0.1:
            text = (
                f"{name} is known for {shares[0]:.0%} of the champion's rows and {shares[1]:.0%} of the"
                " challenger's: if that depends on the outcome, the comparison is off."
            )
            notices.append(Notice(text=text, level="warning"))
    return notices


def of_rows(rows: Outcomes, canary: Canary, now: float, last: int) -> list[Notice]:
    """Return notices on rows that came late or have times in the future."""
    notices = []
    late = 0
    for one in canary.windows[-last:]:
        low, high = np.searchsorted(rows.time, [seconds(one["start"]), seconds(one["end"])])
        late += max(int(high - low) - sum(one["rows"]), 0)
    if late:
        text = f"{late:,} rows came after their window was read: they do not count (`canary.label_age`)."
        notices.append(Notice(text=text, level="warning"))
    future = int((rows.time > now + canary.rule.settle).sum())
    if future:
        text = f"{future:,} rows are from the future: a clock is wrong. They count when their window is due."
        notices.append(Notice(text=text, level="warning"))
    if canary.looks and now < seconds(canary.looks[-1].time):
        text = "This machine's clock is behind the last look's: nothing is due before it."
        notices.append(Notice(text=text, level="warning"))
    return notices
