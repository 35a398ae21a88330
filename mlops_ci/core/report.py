"""The Report: returned by every command, given to templates, and serialised as the JSON output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal

from mlops_ci.core.lineage import Lineage, Stage
from mlops_ci.core.verdict import Finding, Result

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Action:
    """One external change, as data: with ``--dry-run`` it is shown and not applied.

    Attributes
    ----------
    kind, target, value
        What is done, to what, and the new value.
    applied
        Whether it was done.
    """

    kind: str
    target: str
    value: str = ""
    applied: bool = False


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A sentence that every reader must see.

    `level` ``warning`` and ``danger`` stand above the findings, ``note`` below them.
    """

    text: str
    level: Literal["note", "warning", "danger"] = "note"


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """One side of a comparison.

    Attributes
    ----------
    version
        Registry version, as text; None for a candidate that is not registered.
    run_id
        Its MLflow run, or None.
    digest
        SHA-256 of the model's bytes, or None if they are not known.
    url
        Where a person can look at it, or None.
    commit
        The git commit it was made from, or None.
    """

    version: str | None = None
    run_id: str | None = None
    digest: str | None = None
    url: str | None = None
    commit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A person's approval of a held change."""

    actor: str
    commit: str
    reason: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The run and the change that a report is about; an older report never overwrites a newer one.

    Attributes
    ----------
    head, base
        Full SHA of the change's head, and of the target branch's tip.
    target
        Name of the target branch.
    pull_request
        Its number, or None.
    run_id, run_attempt
        Of the forge's workflow run; (0, 0) outside a forge.
    run_url
        Where its log is.
    time
        UTC, ISO 8601, seconds.
    """

    head: str = ""
    base: str = ""
    target: str = ""
    pull_request: int | None = None
    run_id: int = 0
    run_attempt: int = 0
    run_url: str = ""
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a command; the template API and the JSON output, versioned by `schema_version`.

    Attributes
    ----------
    command, model
        The verb, and the registered model's name.
    verdict, exit_code
        As decided; `exit_code` is what the process ends with.
    headline, summary
        One line, and one to three sentences, in words a person without statistics understands.
    next_step
        What to do now, as a sentence.
    holdout
        ``digest``, ``n``, ``uses``, and ``matched``: how rows were paired; None without predictions.
    alpha
        One-sided error rate of each proof.
    champion, candidate
        The two sides; None if there is none.
    findings
        One for each metric and slice that was compared.
    drift
        What `mlops-ci drift --format json` gives; None if drift was not looked at.
    lineage, stages
        Where the candidate comes from, and what its pipeline did.
    notices
        Sentences that every reader must see.
    actions
        What was, or with ``--dry-run`` would be, changed outside.
    approval
        The word that a held change was let through on, or None.
    source
        The run and the change.
    details
        What single commands add; its keys may change between minor versions.
    schema_version
        Of this format.
    """

    command: str
    model: str = ""
    verdict: Result | None = None
    exit_code: int = 0
    headline: str = ""
    summary: str = ""
    next_step: str = ""
    champion: ModelRef | None = None
    candidate: ModelRef | None = None
    findings: Sequence[Finding] = ()
    alpha: float | None = None
    holdout: Mapping[str, Any] | None = None
    drift: Mapping[str, Any] | None = None
    lineage: Lineage | None = None
    stages: Sequence[Stage] = ()
    notices: Sequence[Notice] = ()
    actions: Sequence[Action] = ()
    approval: Approval | None = None
    source: Source = Source()
    details: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: finite numbers, text, lists and dicts."""
        return {item.name: plain(getattr(self, item.name)) for item in fields(self)}


def plain(value: Any) -> Any:
    """Convert values to plain JSON; NaN and infinity, which JSON lacks, become None."""
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    return value
