"""Judgements: what a check decided about which bytes, stored with the candidate for its promotion."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_ci.core.bundle import Manifest
from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.policy import Policy
from mlops_ci.core.report import Approval, ModelRef, Source, plain
from mlops_ci.core.verdict import Verdict

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One check's decision.

    Attributes
    ----------
    manifest
        The evidence that was judged: lineage, digests, metrics.
    verdict
        As reached by the numbers and the policy.
    reasons
        Why an approval was asked for beyond the numbers (the change edits its own gate).
    approval
        The word that a held change was let through on, or None.
    champion
        The version it was compared with; None if nothing was in production.
    evaluation_digest, holdout_digest, policy_digest
        SHA-256 of the candidate's evaluation, of the holdout, and of the policy in force.
    """

    model: str
    manifest: Manifest
    verdict: Verdict
    reasons: Sequence[str] = ()
    approval: Approval | None = None
    champion: ModelRef | None = None
    evaluation_digest: str | None = None
    holdout_digest: str | None = None
    holdout: Mapping[str, Any] = field(default_factory=dict)
    policy_digest: str = ""
    source: Source = field(default_factory=Source)
    tool_version: str = ""
    schema_version: int = SCHEMA_VERSION

    def document(self) -> bytes:
        """Return the judgement as canonical JSON."""
        return canonical_json(plain(self))

    def digest(self) -> str:
        """Return the SHA-256 of the document."""
        return hashlib.sha256(self.document()).hexdigest()


def policy_digest(policy: Policy) -> str:
    """Return the SHA-256 that changes when the policy does, and only then."""
    return hashlib.sha256(canonical_json(plain(policy))).hexdigest()
