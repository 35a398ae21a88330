"""Decides which columns drifted (significantly and largely), and whether the data set did."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from mlops_ci.core.drift.column_profile import ColumnProfile
from mlops_ci.core.drift.compare import compare_column
from mlops_ci.core.drift.effects import benjamini_hochberg
from mlops_ci.core.drift.profile import Profile
from mlops_ci.core.drift.result import Check, DomainClassifier, DriftColumn, DriftReport
from mlops_ci.core.drift.settings import DriftSettings, InvalidDriftSettingsError

EFFECT_WORDS = {
    "ks": "KS distance",
    "cramers_v": "Cramer's V",
    "psi": "PSI",
    "wasserstein": "Wasserstein distance (in standard deviations)",
    "jensen_shannon": "Jensen-Shannon distance",
    "total_variation": "total variation distance",
    "mean_shift": "mean shift (in standard deviations)",
    "token_share": "largest change of a token's share",
}
SMALL_SAMPLE = 100


def compare_profiles(
    reference: Profile,
    current: Profile,
    settings: DriftSettings,
    *,
    classifier: DomainClassifier | None = None,
    notices: Sequence[str] = (),
) -> DriftReport:
    """Compare two profiles.

    Raises
    ------
    InvalidDriftSettingsError
        If the settings name a column that neither side has, or an effect that does not suit it.
    """
    _check_names(reference, current, settings)
    every = dict.fromkeys([*reference.columns, *current.columns])
    names = [name for name in every if not settings.of(name).ignore]
    raw = [
        compare_column(name, reference.columns[name], current.columns[name], settings)
        if name in reference.columns and name in current.columns
        else _one_sided(name, reference, current, settings)
        for name in names
    ]
    columns = [_settle(column) for column in _adjust(raw, settings.alpha)]
    columns.sort(key=_rank)
    weights = sum(column.importance for column in columns)
    share = sum(column.importance for column in columns if column.drifted) / weights if weights else 0.0
    special = any(column.drifted and column.role != "feature" for column in columns)
    drifted = share > settings.max_share or special or bool(classifier and classifier.drifted)
    return DriftReport(
        drifted=drifted,
        columns=columns,
        share=share,
        max_share=settings.max_share,
        alpha=settings.alpha,
        sensitivity=settings.sensitivity,
        rows_reference=reference.rows,
        rows_current=current.rows,
        classifier=classifier,
        notices=[*notices, *_notices(reference, current, columns)],
        message=_summary(columns, classifier),
    )


def undecided(report: DriftReport) -> list[str]:
    """Return the columns whose certified interval is wider than 0.001 and contains their threshold."""
    return [
        column.name
        for column in report.columns
        if column.interval[0] < column.threshold <= column.interval[1]
        and column.interval[1] - column.interval[0] > 0.001
    ]


def _adjust(columns: Sequence[DriftColumn], alpha: float) -> list[DriftColumn]:
    """Adjust all p-values together, and decide which changes are both significant and large."""
    raw = [column.pvalue for column in columns] + [
        check.pvalue for column in columns for check in column.checks
    ]
    adjusted = iter(benjamini_hochberg([value for value in raw if value is not None]))
    of_columns = [None if column.pvalue is None else next(adjusted) for column in columns]
    made = []
    for column, value in zip(columns, of_columns, strict=True):
        checks = [
            _decided(check, None if check.pvalue is None else next(adjusted), alpha)
            for check in column.checks
        ]
        moved = value is not None and value < alpha and _large(column)
        made.append(
            replace(
                column,
                adjusted_pvalue=value,
                checks=checks,
                drifted=moved or any(check.drifted for check in checks),
                message=_sentence(column, moved=moved) or column.message,
            )
        )
    return made


def _large(column: DriftColumn) -> bool:
    return column.effect_size >= column.threshold > 0 or column.effect_size > column.threshold


def _decided(check: Check, adjusted: float | None, alpha: float) -> Check:
    if check.pvalue is None or adjusted is None:
        return check
    drifted = adjusted < alpha and check.effect_size >= check.threshold
    return replace(check, adjusted_pvalue=adjusted, drifted=drifted)


def _sentence(column: DriftColumn, *, moved: bool) -> str:
    if not moved:
        return ""
    words = EFFECT_WORDS.get(column.effect, column.effect)
    return f"its distribution moved: {words} {column.effect_size:.3f}, {column.threshold:g} or more counts"


def _settle(column: DriftColumn) -> DriftColumn:
    """Return the column with its sentence: what drifted, or why nothing did."""
    said = [check.message for check in column.checks if check.drifted]
    if column.message:
        said.insert(0, column.message)
    if not said:
        words = EFFECT_WORDS.get(column.effect, column.effect)
        said = [f"no drift: {words} {column.effect_size:.3f}, below {column.threshold:g}"]
        if _large(column):
            chance = 1.0 if column.adjusted_pvalue is None else column.adjusted_pvalue
            said = [f"not settled: {words} {column.effect_size:.3f} could be chance (p = {chance:.2g})"]
    return replace(column, message="; ".join(said))


def _rank(column: DriftColumn) -> tuple[bool, float, str]:
    sizes = [column.effect_size / column.threshold if column.threshold else column.effect_size]
    sizes += [check.effect_size / (check.threshold or 0.01) for check in column.checks if check.drifted]
    return not column.drifted, -max(sizes), column.name


def _one_sided(name: str, reference: Profile, current: Profile, settings: DriftSettings) -> DriftColumn:
    gone = name in reference.columns
    side: ColumnProfile = reference.columns[name] if gone else current.columns[name]
    message = "the column is gone" if gone else "the column is new: the reference does not have it"
    check = Check(name="schema", drifted=gone, effect_size=1.0, message=message)
    own = settings.of(name)
    return DriftColumn(
        name=name,
        kind="schema",
        drifted=gone,
        checks=[check],
        importance=1.0 if own.importance is None else own.importance,
        n_reference=side.known if gone else 0,
        n_current=0 if gone else side.known,
        message="" if gone else message,
    )


def _notices(reference: Profile, current: Profile, columns: Sequence[DriftColumn]) -> list[str]:
    said = []
    added = [column.name for column in columns if column.kind == "schema" and not column.drifted]
    if added:
        said.append(
            f"{len(added)} columns are new and have nothing to be compared with: {', '.join(added[:5])}"
        )
    small = min(reference.rows, current.rows)
    if small < SMALL_SAMPLE:
        said.append(f"only {small} rows on the smaller side: all but very large drift stays unseen")
    coarse = [
        column
        for column in columns
        if column.effect == "ks" and column.interval[1] - column.interval[0] > 0.001
    ]
    if coarse:
        widest = max(column.interval[1] - column.interval[0] for column in coarse)
        said.append(
            f"KS distances of {len(coarse)} columns are known to within {widest:.3f}: a profile is coarse"
        )
    return said


def _summary(columns: Sequence[DriftColumn], classifier: DomainClassifier | None) -> str:
    moved = [column.name for column in columns if column.drifted]
    if moved:
        named = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
        return f"{len(moved)} of {len(columns)} columns drifted: {named}"
    if classifier and classifier.drifted:
        return f"no single column drifted, but together they did: {classifier.message}"
    return f"none of {len(columns)} columns drifted"


def _check_names(reference: Profile, current: Profile, settings: DriftSettings) -> None:
    there = {*reference.columns, *current.columns}
    wanted = [*settings.columns, settings.target, settings.prediction]
    for name in wanted:
        if name is not None and name not in there:
            near = difflib.get_close_matches(name, sorted(there), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(there)[:20])}"
            raise InvalidDriftSettingsError(
                f"the settings name the column '{name}', which neither side has; {hint}"
            )
