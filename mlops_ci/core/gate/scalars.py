"""Comparisons of scalar values without rows: what can still be concluded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from mlops_ci.core.gate.estimate import Estimate, Level, Rules
from mlops_ci.core.gate.proportions import clopper_pearson, newcombe, normal_cdf

Floats = NDArray[np.floating[Any]]
Values = float | Sequence[float]
POINT_ONLY = "point only"


class MissingValueError(ValueError):
    """One of the models has no usable value of a metric."""


@dataclass(frozen=True, kw_only=True)
class Scalars:
    """Values of one model's metrics.

    Attributes
    ----------
    values
        By metric name: one value, or one of each repeated run (seeds, folds).
    sizes
        Rows behind a value that is a proportion.
    test_share
        Test rows over training rows where repeated values are of the same folds on both sides.
    """

    values: Mapping[str, Values] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    test_share: float | None = None


def values_of(name: str, side: str, scalars: Scalars) -> Floats:
    """Return the values of one side, shape (k,).

    Raises
    ------
    MissingValueError
        If there is none, or one is not a finite number.
    """
    if name not in scalars.values:
        raise MissingValueError(f"the {side} has no value of it")
    found = np.atleast_1d(np.asarray(scalars.values[name], dtype=np.float64))
    if found.ndim != 1 or len(found) == 0 or not np.isfinite(found).all():
        raise MissingValueError(f"the {side}'s value is {scalars.values[name]}")
    return found


def scalar_estimate(name: str, champion: Scalars, candidate: Scalars, rules: Rules) -> Estimate | None:
    """Return the estimate that scalars allow, or None if there are just two bare numbers.

    Raises
    ------
    MissingValueError
        As `values_of`.
    """
    before, after = values_of(name, "champion", champion), values_of(name, "candidate", candidate)
    sizes = champion.sizes.get(name), candidate.sizes.get(name)
    if len(before) == len(after) == 1:
        if sizes[0] and sizes[1] and 0 <= before[0] <= 1 and 0 <= after[0] <= 1:
            return _unpaired(float(before[0]), sizes[0], float(after[0]), sizes[1], rules)
        return None
    if len(before) == len(after) and candidate.test_share is not None:
        return corrected_resampled_t(before, after, candidate.test_share, rules)
    if len(after) == 1 and len(before) > 1:
        return noise_floor(before, float(after[0]), rules)
    if min(len(before), len(after)) > 1:
        return welch(before, after, rules)
    return None


def scalar_level(name: str, scalars: Scalars) -> Level:
    """Return one model's own value, with exact bounds where it is a proportion of a known number of rows.

    Raises
    ------
    MissingValueError
        As `values_of`.
    """
    values, n = values_of(name, "candidate", scalars), scalars.sizes.get(name)
    value = float(values.mean())
    if len(values) == 1 and n and 0 <= value <= 1:
        return Level(
            value=value,
            error=math.sqrt(max(value * (1 - value), 0.25 / n) / n),
            n=n,
            method="Clopper-Pearson",
            bounds=lambda alpha: clopper_pearson(value * n, n, alpha),
        )
    return Level(value=value, error=math.inf, n=0, method=POINT_ONLY, doubt="a bare number cannot tell")


def point(
    name: str, champion: Scalars, candidate: Scalars, rules: Rules
) -> tuple[float, float, float, float]:
    """Return both values (means), their oriented difference, and the margin."""
    before = float(values_of(name, "champion", champion).mean())
    after = float(values_of(name, "candidate", candidate).mean())
    return before, after, rules.sign * (after - before), _margin(before, rules)


def beyond(difference: float, margin: float) -> bool:
    """Return whether a loss exceeds its margin by more than float rounding (0.85 to 0.80 is 0.05)."""
    return difference < -margin and not math.isclose(difference, -margin, rel_tol=1e-9, abs_tol=1e-12)


def _margin(champion: float, rules: Rules) -> float:
    return rules.margin * abs(champion) if rules.relative else rules.margin


def _unpaired(before: float, before_n: int, after: float, after_n: int, rules: Rules) -> Estimate:
    """Return Newcombe's interval for proportions of independent samples."""
    ends = newcombe(before, before_n, after, after_n, rules.alpha)
    low, high = ends if rules.greater_is_better else (-ends[1], -ends[0])
    error = math.sqrt(before * (1 - before) / before_n + after * (1 - after) / after_n)
    error = max(error, 0.5 / min(before_n, after_n))
    difference, margin = rules.sign * (after - before), _margin(before, rules)
    return Estimate(
        champion=before,
        candidate=after,
        difference=difference,
        lower=low,
        upper=high,
        margin=margin,
        pvalue=min(normal_cdf((difference + margin) / error), 1.0 if high >= -margin else rules.alpha),
        standard_error=error,
        better=low > 0,
        method="Newcombe (unpaired, conservative)",
        n=min(before_n, after_n),
        remark="rows were not matched, so this is wider than it had to be",
    )


def noise_floor(before: Floats, after: float, rules: Rules) -> Estimate:
    """Return the estimate of one new value against the noise of the champion's repeated runs.

    The difference of a new run and the mean of k equal ones has the standard error s sqrt(1 + 1/k),
    with k - 1 degrees of freedom: the textbook prediction interval.
    """
    k = len(before)
    error = float(before.std(ddof=1)) * math.sqrt(1 + 1 / k)
    return _student(
        float(before.mean()), after, error, k - 1.0, rules, method=f"noise floor of {k} champion runs", n=k
    )


def welch(before: Floats, after: Floats, rules: Rules) -> Estimate:
    """Return Welch's t interval of the means of repeated runs (Welch 1947, Biometrika 34, 28-35)."""
    parts = np.array([before.var(ddof=1) / len(before), after.var(ddof=1) / len(after)])
    total = float(parts.sum())
    below = float((parts**2 / (np.array([len(before), len(after)]) - 1)).sum())
    freedom = total**2 / below if below > 0 else float(min(len(before), len(after)) - 1)
    return _student(
        float(before.mean()),
        float(after.mean()),
        math.sqrt(total),
        freedom,
        rules,
        method=f"Welch's t over {len(before)} and {len(after)} runs",
        n=min(len(before), len(after)),
    )


def corrected_resampled_t(before: Floats, after: Floats, test_share: float, rules: Rules) -> Estimate:
    """Return the corrected resampled t interval of paired folds.

    Folds share training rows, so the variance of their mean is (1/k + n_test/n_train) s^2.

    References
    ----------
    Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52, 239-281.
    """
    k = len(before)
    error = float((after - before).std(ddof=1)) * math.sqrt(1 / k + test_share)
    return _student(
        float(before.mean()),
        float(after.mean()),
        error,
        k - 1.0,
        rules,
        method=f"corrected resampled t over {k} paired folds",
        n=k,
    )


def _student(
    before: float, after: float, error: float, freedom: float, rules: Rules, *, method: str, n: int
) -> Estimate:
    difference, margin = rules.sign * (after - before), _margin(before, rules)
    half = float(stdtrit(freedom, 1 - rules.alpha)) * error
    return Estimate(
        champion=before,
        candidate=after,
        difference=difference,
        lower=difference - half,
        upper=difference + half,
        margin=margin,
        pvalue=float(stdtr(freedom, (difference + margin) / error))
        if error
        else float(difference >= -margin),
        standard_error=error,
        better=difference - half > 0,
        method=method,
        n=n,
        doubt="" if error > 0 else "repeated runs that do not vary say nothing about chance",
    )
