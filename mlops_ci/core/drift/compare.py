"""Compares one column of two profiles: its distribution, and side checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_ci.core.drift import effects
from mlops_ci.core.drift.categories import Categories, tables
from mlops_ci.core.drift.column_profile import ColumnProfile
from mlops_ci.core.drift.numeric_effects import histogram, number_effect
from mlops_ci.core.drift.result import Check, DriftColumn, Histogram, Role
from mlops_ci.core.drift.settings import EFFECTS, DriftSettings, InvalidDriftSettingsError
from mlops_ci.core.drift.sketch import common, distances

Array = NDArray[Any]

_TOP = 8
_FAMILY = {"number": "numbers", "time": "times", "category": "text", "text": "text"}


def compare_column(
    name: str, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings
) -> DriftColumn:
    """Compare one column that both sides have; p-values are raw, and nothing is decided yet."""
    kind = reference.kind if reference.kind != "empty" else current.kind
    own = settings.of(name)
    role: Role = (
        "target" if name == settings.target else "prediction" if name == settings.prediction else "feature"
    )
    one = DriftColumn(
        name=name,
        kind=kind,
        role=role,
        importance=1.0 if own.importance is None else own.importance,
        n_reference=reference.known,
        n_current=current.known,
        missing_reference=reference.missing_share,
        missing_current=current.missing_share,
        checks=[_missing(name, reference, current, settings)],
    )
    if kind == "empty":
        return replace(one, message="no value on either side")
    wrong = _type(reference, current)
    if wrong is not None:
        return replace(one, checks=[*one.checks, wrong])
    effect = settings.effect(name, kind)
    if effect not in EFFECTS[kind]:
        raise InvalidDriftSettingsError(
            f"drift.columns.{name}.method is '{effect}', but the column is of the kind '{kind}'; "
            f"use one of {', '.join(EFFECTS[kind])}"
        )
    one = replace(one, effect=effect, threshold=settings.threshold(name, kind))
    if not reference.known or not current.known:
        return one
    compared = {"category": _categories, "text": _texts, "time": _times}.get(kind, _numbers)
    return compared(one, reference, current, settings)


def _numbers(
    one: DriftColumn, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings
) -> DriftColumn:
    sketches = common(reference.sketch, current.sketch)
    n, m = reference.known, current.known
    left_out = reference.suppressed / n + current.suppressed / m
    low, size, high = distances(*sketches)
    low, high = max(low - left_out, 0.0), min(high + left_out, 1.0)
    if one.effect == "ks":
        interval = (low, high)
    else:
        size, interval = number_effect(one.effect, *sketches)
    outside = 0
    if len(sketches[0].low):
        beyond = (sketches[1].high < sketches[0].low[0]) | (sketches[1].low > sketches[0].high[-1])
        outside = int(sketches[1].count[beyond].sum())
    excess, pvalue = effects.unseen(2 + reference.suppressed, 0, n, outside, m)
    check = Check(
        name="range",
        effect_size=excess,
        threshold=settings.check_threshold(one.name, "range"),
        pvalue=pvalue,
        message=f"{outside / m:.1%} of the values lie outside the reference's range",
    )
    return replace(
        one,
        effect_size=size,
        interval=interval,
        pvalue=effects.ks_pvalue(low, n, m),
        checks=[*one.checks, check],
        histogram=histogram(*sketches),
    )


def _times(
    one: DriftColumn, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings
) -> DriftColumn:
    made = _numbers(one, reference, current, settings)
    made = replace(made, histogram=histogram(reference.sketch, current.sketch, scale=1e-6))
    later = int(current.sketch.low[0]) >= int(reference.sketch.high[-1])
    checks = list(made.checks)
    if later:  # a clock: that production comes after training is no drift
        made = replace(made, effect_size=0.0, interval=(0.0, 0.0), pvalue=1.0)
        made = replace(made, message="all current times come after the reference's, as a clock's do")
        checks = [check for check in checks if check.name != "range"]
    for part in sorted({*reference.parts} & {*current.parts}):
        p, q, _ = tables(reference.parts[part], current.parts[part])
        checks.append(
            Check(
                name=part,
                effect_size=effects.cramers_v(p, q),
                threshold=settings.check_threshold(one.name, part),
                pvalue=effects.chi2_pvalue(p, q),
                message=f"the distribution over the {part} changed",
            )
        )
    return replace(made, checks=checks)


def _categories(
    one: DriftColumn, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings
) -> DriftColumn:
    p, q, names = tables(reference.categories, current.categories)
    if one.effect == "cramers_v":
        size = effects.cramers_v(p, q)
    else:
        size = float(getattr(effects, one.effect)(p / max(p.sum(), 1), q / max(q.sum(), 1)))
    made = replace(
        one,
        effect_size=size,
        interval=(size, size),
        pvalue=effects.chi2_pvalue(p, q),
        histogram=_bars(p, q, names, 1 if one.name in settings.show else settings.min_count),
    )
    if reference.categories.buckets is not None or current.categories.buckets is not None:
        return made
    sides = (reference.categories, current.categories)
    checks = [
        _unseen("new_values", one.name, sides[0], sides[1], settings),
        _unseen("vanished_values", one.name, sides[1], sides[0], settings),
    ]
    return replace(made, checks=[*made.checks, *checks])


def _texts(
    one: DriftColumn, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings
) -> DriftColumn:
    n, m = reference.known, current.known
    size, pvalue = 0.0, 1.0
    if reference.tokens is not None and current.tokens is not None:
        p, q = reference.tokens, current.tokens
        size = float(np.abs(p / n - q / m).max())
        each = [effects.proportions_pvalue(int(a), n, int(b), m) for a, b in zip(p, q, strict=True) if a + b]
        pvalue = min([1.0, *(value * len(each) for value in each)])
    low, middle, _ = distances(reference.sketch, current.sketch)
    length = Check(
        name="length",
        effect_size=middle,
        threshold=settings.check_threshold(one.name, "length"),
        pvalue=effects.ks_pvalue(low, n, m),
        message="the length of the texts changed",
    )
    return replace(
        one,
        effect_size=size,
        interval=(size, size),
        pvalue=pvalue,
        checks=[*one.checks, length],
        histogram=histogram(reference.sketch, current.sketch),
    )


def _missing(name: str, reference: ColumnProfile, current: ColumnProfile, settings: DriftSettings) -> Check:
    before, now = reference.missing_share, current.missing_share
    return Check(
        name="missing",
        effect_size=abs(now - before),
        threshold=settings.check_threshold(name, "missing"),
        pvalue=effects.proportions_pvalue(reference.missing, reference.rows, current.missing, current.rows),
        message=f"missing values went from {before:.1%} to {now:.1%}",
    )


def _type(reference: ColumnProfile, current: ColumnProfile) -> Check | None:
    kinds = [_FAMILY[side.kind] for side in (reference, current) if side.kind != "empty"]
    if len(set(kinds)) < 2:
        return None
    message = f"the type changed from {reference.dtype} ({kinds[0]}) to {current.dtype} ({kinds[1]})"
    return Check(name="type", drifted=True, effect_size=1.0, message=message)


def _unseen(check: str, name: str, known: Categories, other: Categories, settings: DriftSettings) -> Check:
    """Check for categories of `other` that `known` does not have."""
    n, m = known.n, other.n
    # A pooled category may be any that is not named; it had at most `other_max` rows.
    floor = 4 * known.other_max / n * m if known.other_rows else 0
    fresh = {
        level: count for level, count in other.counts.items() if level not in known.counts and count > floor
    }
    beyond = sum(fresh.values())
    singles = sum(1 for count in known.counts.values() if count == 1) + known.other_max
    doubles = sum(1 for count in known.counts.values() if count == 2)
    excess, pvalue = effects.unseen(singles, doubles, n, beyond, m)
    what = "are new" if check == "new_values" else "of the reference are gone"
    return Check(
        name=check,
        effect_size=excess,
        threshold=settings.check_threshold(name, check),
        pvalue=pvalue,
        message=f"{len(fresh)} categories with {beyond / m:.1%} of the rows {what}",
    )


def _bars(p: Array, q: Array, names: list[str], min_count: int) -> Histogram:
    """Return the most frequent categories, and the rest (and all rare ones) as one bar."""
    share = p / max(p.sum(), 1), q / max(q.sum(), 1)
    order = np.argsort(-(share[0] + share[1]), kind="stable")
    often = (p + q)[order] >= min_count
    top = order[often][:_TOP]
    rest = np.setdiff1d(order, top)
    labels = [names[place] for place in top]
    sides = [side[top].tolist() for side in share]
    if len(rest):
        labels.append(f"{len(rest)} more")
        sides = [[*shown, float(side[rest].sum())] for shown, side in zip(sides, share, strict=True)]
    return Histogram(labels=labels, reference=sides[0], current=sides[1])
