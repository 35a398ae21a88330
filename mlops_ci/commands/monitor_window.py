"""Judges one window of production: drift, predictions, measured and estimated performance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlops_ci.adapters.ports.monitoring import Slice
from mlops_ci.commands.drift import options_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.evidence import Array, Evaluation, InvalidEvaluationError, canonical, evaluation
from mlops_ci.core.monitor.estimate import Basis, Estimated, estimated
from mlops_ci.core.monitor.expected import METRICS
from mlops_ci.core.monitor.performance import performance
from mlops_ci.core.monitor.record import Watched, misses
from mlops_ci.core.monitor.windows import written
from mlops_ci.core.policy import Policy
from mlops_ci.core.report import Notice
from mlops_ci.core.verdict import Finding, Outcome
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings


@dataclass(frozen=True, kw_only=True)
class WindowJudge:
    """Judges windows of production for one champion.

    Attributes
    ----------
    profile
        File of the profile of the champion's training data, or None if it keeps none.
    holdout
        The champion's evaluation, or None if it has none.
    basis
        Its calibrated scores, or None if performance cannot be estimated.
    positive
        The positive label that `basis` is about.
    """

    settings: Settings
    tools: Tools
    policy: Policy
    champion: str
    profile: Path | None = None
    holdout: Evaluation | None = None
    basis: Basis | None = None
    positive: str = ""
    functions: Mapping[str, Any] = field(default_factory=dict)
    notices: Sequence[Notice] = ()

    def window(self, one: Slice, past: Sequence[Watched]) -> tuple[Watched, dict[str, Any] | None]:
        """Return the record of a window, and the drift comparison of its columns, if there is one."""
        about: dict[str, Any] = {
            "window": one.window.name,
            "start": written(one.window.start),
            "end": written(one.window.end),
            "number": one.window.number,
            "champion": self.champion,
            "rows": one.rows,
            "labels": one.labels,
            "digest": one.digest,
        }
        if one.path is None or one.rows < self.settings.monitor.min_rows:
            return Watched(state="few" if one.rows else "empty", **about), None
        known: list[str] = []
        raised: list[str] = []
        names = self.tools.frames.names(one.path)
        moved = self._drift(one, names)
        answers = self._answers(one.path, names)
        shifted = self._predictions(answers)
        for signal, found in (("drift", moved), ("prediction_drift", shifted)):
            if found is not None:
                known.append(signal)
                raised += [signal] if found.drifted else []
        findings = self._performance(one, answers)
        if findings:
            known.append("loss")
            raised += ["loss"] if any(f.gated and f.outcome is Outcome.WORSE for f in findings) else []
        guesses = self._estimates(answers, past)
        if guesses and all(guess.valid for guess in guesses.values()):
            known.append("estimated_loss")
            raised += ["estimated_loss"] if self._lost(guesses) else []
        columns = [column.name for column in (moved.columns if moved else ()) if column.drifted]
        doubts = next(iter(guesses.values())).doubts if guesses else ()
        made = Watched(
            state="judged",
            known=tuple(known),
            raised=tuple(raised),
            columns=tuple(columns),
            performance={f.metric: _kept(f) for f in findings if f.outcome is not Outcome.ERROR},
            estimates={name: _guess(guess) for name, guess in guesses.items()},
            doubts=doubts,
            **about,
        )
        return made, moved.to_dict() if moved else None

    def _drift(self, one: Slice, names: Sequence[str]) -> DriftReport | None:
        """Compare the window's columns with the profile of the training data."""
        if self.profile is None or one.path is None:
            return None
        stored = json.loads(self.profile.read_text(encoding="utf-8"))
        there = {str(column["name"]) for column in stored["columns"]}
        ignored = self._no_features(labelled=one.labels >= self.settings.monitor.min_labels)
        if not (there - ignored) & set(names):
            return None
        options = options_of(self.settings) | {"multivariate": False, "prediction": None}
        columns = {name: dict(given) for name, given in self.settings.drift.columns.items()}
        for name in ignored & (there | set(names)):
            columns[name] = columns.get(name, {}) | {"ignore": True}
        target = self.settings.evaluation.target
        label = target if target in there and target in names and target not in ignored else None
        # Half of alpha: the predictions are the other half of the window's family.
        options |= {"columns": columns, "target": label, "alpha": self.settings.gate.alpha / 2}
        return self.tools.drift(str(self.profile), str(one.path), **options)

    def _no_features(self, *, labelled: bool) -> set[str]:
        """Return the columns that are not features: ids, times, versions, predictions and scores."""
        own, about = self.settings.monitor, self.settings.evaluation
        scores = [about.score] if isinstance(about.score, str) else list(about.score or ())
        named = {about.id, own.time, own.version, about.group, about.weight, about.prediction, *scores}
        if not labelled:
            named.add(about.target)
        return {name for name in named if name}

    def _answers(self, path: Path, names: Sequence[str]) -> dict[str, Array]:
        """Return the columns of a window by their role, without rows that have no prediction."""
        about = self.settings.evaluation
        score = about.score if isinstance(about.score, str) else None
        roles = {
            "id": about.id,
            "target": about.target,
            "prediction": about.prediction,
            "score": score,
            "group": about.group,
            "weight": about.weight,
        }
        wanted = {role: name for role, name in roles.items() if name and name in names}
        if not wanted:
            return {}
        text = [wanted["id"]] if "id" in wanted else []
        table = self.tools.frames.read(path, list(dict.fromkeys(wanted.values())), text=text)
        found = {role: table[name] for role, name in wanted.items()}
        answered = np.ones(len(next(iter(found.values()))), dtype=bool)
        for role in ("prediction", "score"):
            if role in found:
                answered &= ~_missing(found[role])
        return {role: values[answered] for role, values in found.items()}

    def _predictions(self, answers: Mapping[str, Array]) -> DriftReport | None:
        """Compare the window's predictions with those on the holdout."""
        if self.holdout is None:
            return None
        sides: tuple[dict[str, Array], dict[str, Array]] = ({}, {})
        for role in ("prediction", "score"):
            before, after = getattr(self.holdout, role), answers.get(role)
            if before is None or after is None or before.ndim != 1 or len(after) == 0:
                continue
            both = (before, after)
            if any(values.dtype.kind not in "biuf" for values in both):
                both = (canonical(before), canonical(after))
            for side, values in zip(sides, both, strict=True):
                side[role] = values.astype(float) if values.dtype.kind in "biuf" else values
        if not sides[0]:
            return None
        named = {"prediction": "prediction"} if "prediction" in sides[0] else {}
        given = self.settings.drift
        return self.tools.drift(
            *sides, sensitivity=given.sensitivity, alpha=self.settings.gate.alpha / 2, **named
        )

    def _performance(self, one: Slice, answers: Mapping[str, Array]) -> list[Finding]:
        """Compare the labelled rows with the holdout."""
        if self.holdout is None or "target" not in answers:
            return []
        there = ~_missing(answers["target"])
        if int(there.sum()) < self.settings.monitor.min_labels:
            return []
        parts = {role: values[there] for role, values in answers.items()}
        # Each row counts once already, and some may have no id.
        parts["id"] = np.arange(int(there.sum()))
        try:
            labelled = evaluation(**parts)
        except InvalidEvaluationError as problem:
            raise EvidenceError(
                f"window {one.window.name}: {problem}", remedy="fix what writes `monitor.data`"
            ) from None
        return performance(self.holdout, labelled, self.policy, self.functions)

    def _estimates(self, answers: Mapping[str, Array], past: Sequence[Watched]) -> dict[str, Estimated]:
        """Estimate the policy's metrics without labels, from calibrated scores."""
        if self.basis is None or "score" not in answers:
            return {}
        score = answers["score"].astype(np.float64)
        alarm = score >= 0.5
        if "prediction" in answers:
            alarm = canonical(answers["prediction"]) == self.positive
        named = {
            name: rule.metric
            for name, rule in self.policy.metrics.items()
            if rule.metric in METRICS and rule.source is None and rule.average == "binary"
        }
        history = {metric: misses(past, name, self.champion) for name, metric in named.items()}
        found = estimated(self.basis, score, alarm, list(dict.fromkeys(named.values())), history=history)
        return {name: found[metric] for name, metric in named.items() if metric in found}

    def _lost(self, guesses: Mapping[str, Estimated]) -> bool:
        """Return whether a whole interval lies beyond the margin below the holdout's value."""
        if self.holdout is None:
            return False
        from mlops_ci.core.gate.judge import rules_of  # noqa: PLC0415
        from mlops_ci.core.monitor.performance import level_of  # noqa: PLC0415

        for name, guess in guesses.items():
            rule = self.policy.metrics[name]
            rules = rules_of(name, rule, self.policy)
            before = level_of(name, rule, self.holdout, rules).value
            margin = rules.margin * abs(before) if rules.relative else rules.margin
            best = guess.upper if rules.sign > 0 else guess.lower
            if rule.gate and rules.sign * (best - before) < -margin:
                return True
        return False


def _missing(values: Array) -> Array:
    if values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind == "O":
        return np.array([one is None or one != one for one in values.tolist()])  # noqa: PLR0124 (NaN)
    return np.zeros(len(values), dtype=bool)


def _kept(one: Finding) -> dict[str, Any]:
    """Return the part of a finding that the ledger stores."""
    low, high = one.interval if one.interval else (None, None)
    return {
        "value": _short(one.candidate),
        "holdout": _short(one.champion),
        "lower": _short(low),
        "upper": _short(high),
        "margin": _short(one.margin),
        "outcome": one.outcome.value,
        "gated": one.gated,
        "n": one.n,
        "message": one.message,
    }


def _guess(one: Estimated) -> dict[str, Any]:
    return {
        "value": _short(one.value),
        "lower": _short(one.lower),
        "upper": _short(one.upper),
        "half": _short(one.half),
        "correction": _short(one.correction),
    }


def _short(value: float | None) -> float | None:
    """Round to six significant digits: the ledger is kept for years."""
    return None if value is None or value - value != 0 else float(f"{value:.6g}")
