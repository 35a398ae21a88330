"""A canary's guarded rates as plain numbers, for its report and its HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_ci.core.canary.decide import Rule, judged
from mlops_ci.core.canary.evidence import Evidence
from mlops_ci.core.verdict import Finding, Outcome

SHOWN = 200
"""Windows that a report carries, the newest."""
_FOUND = {
    "harm": Outcome.WORSE,
    "safe": Outcome.NON_INFERIOR,
    "worse, within the margin": Outcome.NON_INFERIOR,
}


def rate(
    name: str, evidence: Evidence, rule: Rule, windows: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return one rate as plain numbers; e-values are capped at a billion, beyond which they read the same."""
    margin = rule.margins[name]
    challenger = evidence.k1 / evidence.n1 if evidence.n1 else None
    difference = float(evidence.difference) if evidence.blocks else None
    return {
        "name": name,
        "challenger": challenger,
        "champion": challenger - difference if challenger is not None and difference is not None else None,
        "difference": difference,
        "standard_error": float(evidence.standard_error) if evidence.blocks else None,
        "margin": margin,
        "harm": _e_value(evidence.harm_peak),
        "harm_part": _part(evidence.harm_peak, rule.harm_threshold),
        "safe": _e_value(evidence.safe_peak),
        "safe_part": _part(evidence.safe_peak, rule.safety_threshold),
        "found": judged(evidence, margin, rule).words,
        "n_champion": int(evidence.n0),
        "n_challenger": int(evidence.n1),
        "trail": _trail(name, rule, windows),
    }


def _e_value(log: float) -> float:
    return float(f"{math.exp(min(float(log), 20.7)):.3g}")


def _trail(name: str, rule: Rule, windows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Return, window by window, how near the rate was to proofs of safety and of harm."""
    return [
        [
            _part(one["log_safe"].get(name, 0.0), rule.safety_threshold),
            _part(one["log_harm"].get(name, 0.0), rule.harm_threshold),
        ]
        for one in windows[-SHOWN:]
    ]


def _part(log: float, threshold: float) -> float:
    """Return how near the evidence is to a proof, between 0 and 1."""
    return round(min(max(float(log) / math.log(threshold), 0.0), 1.0), 3)


def finding(found: Mapping[str, Any]) -> Finding:
    """Return a rate (from `rate`) as a finding of the report."""
    difference = found["difference"]
    return Finding(
        metric=str(found["name"]),
        outcome=_FOUND.get(str(found["found"]), Outcome.INCONCLUSIVE),
        greater_is_better=False,
        champion=found["champion"],
        candidate=found["challenger"],
        difference=None if difference is None else -difference,
        margin=found["margin"],
        method="e-values of harm and of safety, valid at every look",
        n=found["n_champion"] + found["n_challenger"],
        message=str(found["found"]),
    )
