"""What `promote` says of a case: promoted, refused, or what would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_ci.commands.candidates import Found
from mlops_ci.commands.judge import Judged
from mlops_ci.commands.moving import Mover
from mlops_ci.core.canary.state import rolled_back
from mlops_ci.core.ledger import Entry, History, State, model_digest
from mlops_ci.core.report import Action, Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError
from mlops_ci.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Word:
    """What the person who promotes says.

    Attributes
    ----------
    approve
        Why a held candidate is promoted, or None.
    again
        Why a version that was rolled back is promoted once more, or None.
    """

    approve: str | None = None
    again: str | None = None


AS_JUDGED = Word()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One attempt: what was found, and what is decided about it now."""

    found: Found
    judged: Judged
    history: History
    state: State
    differs: Sequence[str] = ()
    approval: Approval | None = None
    environment: str = ""
    notices: list[Notice] = field(default_factory=list)


def out_before(case: Case) -> Entry | None:
    """Return the rollback that took these very bytes out, also as a canary, or None."""
    outs = case.state.rolled_back.items()
    digest, there = case.found.digest, case.environment
    same = (entry for version, entry in outs if model_digest(case.history, version, there) == digest)
    return next(same, None) or rolled_back(case.history, digest, there)


def exit_code(case: Case, word: Word) -> int:
    """Return what the verdict, an approval and an earlier rollback come to."""
    code = 0 if case.approval else case.judged.verdict.exit_code
    return code or (3 if out_before(case) is not None and not word.again else 0)


def report(
    moving: Mover,
    case: Case,
    word: Word,
    source: Source,
    *,
    ref: ModelRef | None = None,
    trouble: str = "",
    history: History | None = None,
) -> Report:
    """Return the report of a promotion: done, refused, or (without `ref` and with 0) one that would be."""
    name, code = moving.model, exit_code(case, word)
    verdict, now = case.judged.verdict, case.judged.champion
    notices = list(case.notices)
    if case.approval is not None:
        text = f"Approved by {case.approval.actor}: {case.approval.reason}"
        notices.append(Notice(text=text, level="warning"))
    if trouble:
        notices.append(Notice(text=f"The deployment is not what it should be: {trouble}", level="danger"))
    line, step = _wording(name, case, word, ref, trouble, code)
    target = f"{name}@{moving.alias}"
    actions = [] if code else [Action(kind="create_version", target=name, applied=ref is not None)]
    if not code:
        version = ref.version if ref and ref.version else ""
        actions.append(Action(kind="set_alias", target=target, value=version, applied=ref is not None))
        if moving.settings.promotion.deploy_command:
            actions.append(Action(kind="deploy", target=name, value=version, applied=ref is not None))
    return Report(
        command="promote",
        model=name,
        verdict=verdict.verdict,
        exit_code=ServiceError.exit_code if trouble and not code else code,
        headline=line,
        next_step=step,
        champion=now.ref if now else None,
        candidate=ref or case.found.record.ref,
        findings=tuple(verdict.findings),
        alpha=moving.settings.gate.alpha,
        holdout=case.judged.holdout or None,
        lineage=case.found.judgement.manifest.lineage,
        notices=tuple(notices),
        actions=tuple(actions),
        approval=case.approval,
        source=source,
        details={
            "promoted_version": ref.version if ref else None,
            "judged_at": case.found.judgement.source.head,
            "decided_again_because": list(case.differs),
            "ledger": {"address": moving.ledger.address, "head": history.head if history else ""},
        },
    )


def _wording(
    name: str, case: Case, word: Word, ref: ModelRef | None, trouble: str, code: int
) -> tuple[str, str]:
    out = out_before(case)
    if ref is not None:
        line = f"{name}: version {ref.version} is the champion" + (", but is not served" if trouble else "")
        mend = "Fix the deployment, then run `mlops-ci reconcile`, or go back with `mlops-ci rollback`."
        return line, mend if trouble else "If it misbehaves, `mlops-ci rollback` goes back in seconds."
    if code == 0:
        return f"{name}: would be promoted", "Run this without --dry-run."
    if code == 1:
        return (
            f"{name}: not promoted, it would make the model in production worse",
            "Revert the change, or open a pull request that improves it: production keeps its champion.",
        )
    if code == 3 and out is not None and case.judged.verdict.exit_code in (0, 3):
        why = f" ({out.reason})" if out.reason else ""
        return (
            f"{name}: not promoted, these bytes were rolled back by {out.actor or 'someone'}{why}",
            "Revert the change, or promote it once more with `mlops-ci promote --again REASON`.",
        )
    if code == 3:
        return (
            f"{name}: not promoted, waiting for approval",
            "Someone with the right to deploy runs `mlops-ci promote --approve REASON`.",
        )
    return (
        f"{name}: not promoted, could not tell whether it is safe",
        "Fix what is said above; run it again.",
    )


def superseded(settings: Settings, source: Source, state: State, newer: Entry) -> Report:
    """Return the report where a later commit was promoted already."""
    name = settings.registry.model
    return Report(
        command="promote",
        model=name,
        verdict=Result.PASS,
        headline=f"{name}: not promoted, a later commit was promoted already",
        summary=f"Version {state.champion} comes from {newer.commit[:12]}, which holds {source.head[:12]}.",
        next_step="There is nothing to do; to go back, use `mlops-ci rollback`.",
        source=source,
        details={"promoted_version": None},
    )
