"""`mlops_ci.drift` and `mlops_ci.profile`: drift from Python, on frames, paths or profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_ci.core.drift.profile import Profile
    from mlops_ci.core.drift.result import DriftReport
    from mlops_ci.core.drift.settings import DriftSettings

_FINE = 0.0004


def profile(data: Any, *, kinds: Mapping[str, str] | None = None) -> Profile:
    """Return the profile of a data set: all that `drift` needs of it, mergeable and small to store.

    Parameters
    ----------
    data
        A path (file, folder, glob, ``s3://``, ``path@REV``), a pandas, polars or Spark frame, an
        Arrow table or stream, or the path of a stored profile.
    kinds
        ``category``, ``number`` or ``text`` for columns that are to be taken as such.

    Returns
    -------
    Profile
        With ``merge`` and ``to_json``.

    Examples
    --------
    >>> import numpy as np, mlops_ci
    >>> made = mlops_ci.profile({"x": np.arange(1000.0)})
    >>> made.rows, made.columns["x"].kind
    (1000, 'number')
    """
    from mlops_ci.adapters.data.profiling import profile_table  # noqa: PLC0415
    from mlops_ci.adapters.data.sources import open_table  # noqa: PLC0415
    from mlops_ci.core.drift.profile import Profile  # noqa: PLC0415

    if isinstance(data, Profile):
        return data
    stored = _stored(data)
    if stored is not None:
        return stored
    if type(data).__module__.startswith("pyspark."):
        from mlops_ci.adapters.data.spark import profile_frame  # noqa: PLC0415

        made: Profile = profile_frame(data, kinds=kinds)
        return made
    with open_table(data) as table:
        return profile_table(table, kinds=kinds)


def drift(reference: Any, current: Any, **options: Any) -> DriftReport:
    """Compare two data sets, and say which columns changed significantly and largely.

    Parameters
    ----------
    reference, current
        As in `profile`; either side may be a profile.
    **options
        ``sensitivity`` (``default`` or ``high``), ``alpha``, ``method``, ``thresholds``,
        ``columns``, ``max_share``, ``target``, ``prediction``, ``multivariate``, ``seed``: see
        `mlops_ci.core.drift.settings.DriftSettings`.

    Returns
    -------
    DriftReport
        ``drifted``, and ``columns`` with ``name, drifted, effect, effect_size, pvalue,
        adjusted_pvalue, message``.

    Raises
    ------
    UsageError
        If an option is wrong, or names a column that is not there.
    EvidenceError
        If a side cannot be read, or has no row.

    Examples
    --------
    >>> import numpy as np, mlops_ci
    >>> rng = np.random.default_rng(0)
    >>> a, b = {"x": rng.normal(0, 1, 1000)}, {"x": rng.normal(2, 1.5, 1000)}
    >>> report = mlops_ci.drift(a, b)
    >>> report.drifted, report.columns[0].effect
    (True, 'ks')
    """
    from mlops_ci.core.drift.settings import InvalidDriftSettingsError, settings_from  # noqa: PLC0415
    from mlops_ci.errors import UsageError  # noqa: PLC0415

    try:
        return _compare(reference, current, settings_from(options))
    except InvalidDriftSettingsError as problem:
        raise UsageError(str(problem), remedy="fix this setting of drift") from problem


def _compare(reference: Any, current: Any, settings: DriftSettings) -> DriftReport:
    from mlops_ci.core.drift.decide import compare_profiles, undecided  # noqa: PLC0415

    kinds: dict[str, str] = {name: one.kind for name, one in settings.columns.items() if one.kind}
    sides = [profile(side, kinds=kinds) for side in (reference, current)]
    if settings.target or settings.prediction:
        sides = _classes(sides, (reference, current), settings, kinds)
    report = compare_profiles(sides[0], sides[1], settings)
    open_ones = undecided(report)
    if open_ones:  # look again, closer, at the columns whose interval spans the threshold
        closer = [_closer(given, open_ones, kinds) for given in (reference, current)]
        sides = [
            side if more is None else replace(side, columns={**side.columns, **more.columns})
            for side, more in zip(sides, closer, strict=True)
        ]
        report = compare_profiles(sides[0], sides[1], settings)
    if settings.multivariate:
        from mlops_ci.adapters.data.classifier_rows import classify  # noqa: PLC0415

        found, notices = classify(reference, current, settings)
        report = compare_profiles(sides[0], sides[1], settings, classifier=found, notices=notices)
    return report


def _classes(
    sides: Sequence[Profile], given: Sequence[Any], settings: DriftSettings, kinds: dict[str, str]
) -> list[Profile]:
    """Treat a label or prediction with few distinct whole values as classes."""
    named = [name for name in (settings.target, settings.prediction) if name is not None]
    for name in named:
        if (
            name not in kinds
            and all(_few_whole(side, name) for side in sides)
            and not any(_is_profile(one) for one in given)
        ):
            kinds[name] = "category"
    changed = [name for name in named if kinds.get(name) == "category"]
    if not changed:
        return list(sides)
    made = []
    for side, one in zip(sides, given, strict=True):
        again = {} if _is_profile(one) else profile(one, kinds=kinds).columns
        classes = {name: again[name] for name in changed if name in again}
        made.append(replace(side, columns={**side.columns, **classes}))
    return made


def _few_whole(side: Profile, name: str) -> bool:
    column = side.columns.get(name)
    if column is None or column.kind != "number":
        return False
    points = column.sketch.points()
    return bool(column.sketch.atoms.all()) and len(points) <= 50 and bool((points == points // 1).all())


def _closer(given: Any, names: list[str], kinds: dict[str, str]) -> Profile | None:
    from mlops_ci.adapters.data.profiling import profile_table  # noqa: PLC0415
    from mlops_ci.adapters.data.sources import open_table  # noqa: PLC0415

    if _is_profile(given) or not _rereadable(given):
        return None
    with open_table(given) as table:
        there = [name for name in names if name in table.schema.names]
        return profile_table(table, kinds=kinds, columns=there, heaviest=_FINE)


def _rereadable(given: Any) -> bool:
    return isinstance(given, (str, Path, dict)) or hasattr(given, "shape") or hasattr(given, "num_columns")


def _is_profile(given: Any) -> bool:
    from mlops_ci.core.drift.profile import Profile  # noqa: PLC0415

    return isinstance(given, Profile) or _stored(given) is not None


def _stored(data: Any) -> Profile | None:
    """Return a profile from its file, or None if the file is not a profile."""
    from mlops_ci.core.drift.column_profile import InvalidProfileError  # noqa: PLC0415
    from mlops_ci.core.drift.profile import Profile  # noqa: PLC0415
    from mlops_ci.errors import EvidenceError  # noqa: PLC0415

    if not isinstance(data, (str, Path)) or not str(data).endswith(".json") or not Path(data).is_file():
        return None
    text = Path(data).read_text(encoding="utf-8", errors="replace")
    if '"mlops-ci profile"' not in text[:200]:
        return None
    try:
        return Profile.from_json(text)
    except InvalidProfileError as problem:
        raise EvidenceError(
            f"{data}: {problem}", remedy="make the profile again: mlops-ci profile DATA"
        ) from problem
