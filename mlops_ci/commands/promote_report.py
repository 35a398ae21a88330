"""The reports of `promote`: promoted, refused, held, or superseded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_ci.commands.candidates import RecordedCandidate
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.commands.judge import Judged
from mlops_ci.core.canary.state import rolled_back
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import State, model_digest
from mlops_ci.core.report import Action, Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ServiceError
from mlops_ci.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the person who promotes has confirmed.

    Attributes
    ----------
    approve
        Why a held candidate is promoted, or None.
    again
        Why a version that was rolled back is promoted once more, or None.
    """

    approve: str | None = None
    again: str | None = None


AS_JUDGED = Confirmation()


@dataclass(frozen=True, kw_only=True)
class PromotionCase:
    """One attempt to promote: the candidate found, and the decision about it."""

    found: RecordedCandidate
    judged: Judged
    history: History
    state: State
    differs: Sequence[str] = ()
    approval: Approval | None = None
    environment: str = ""
    notices: list[Notice] = field(default_factory=list)


def earlier_rollback(case: PromotionCase) -> Entry | None:
    """Return the entry that rolled back these bytes, as champion or as canary, or None."""
    outs = case.state.rolled_back.items()
    digest, there = case.found.digest, case.environment
    same = (entry for version, entry in outs if model_digest(case.history, version, there) == digest)
    return next(same, None) or rolled_back(case.history, digest, there)


def exit_code(case: PromotionCase, word: Confirmation) -> int:
    """Return the exit code for the verdict, an approval and an earlier rollback."""
    code = 0 if case.approval else case.judged.verdict.exit_code
    return code or (3 if earlier_rollback(case) is not None and not word.again else 0)


def promote_report(
    mover: ChampionMover,
    case: PromotionCase,
    word: Confirmation,
    source: Source,
    *,
    ref: ModelRef | None = None,
    trouble: str = "",
    history: History | None = None,
) -> Report:
    """Return the report of a promotion: done (`ref` is given), refused, or a dry run."""
    code = exit_code(case, word)
    verdict, champion = case.judged.verdict, case.judged.champion
    headline, next_step = _wording(mover.model, case, word, ref, trouble, code)
    return Report(
        command="promote",
        model=mover.model,
        verdict=verdict.verdict,
        exit_code=ServiceError.exit_code if trouble and not code else code,
        headline=headline,
        next_step=next_step,
        champion=champion.ref if champion else None,
        candidate=ref or case.found.record.ref,
        findings=tuple(verdict.findings),
        alpha=mover.settings.gate.alpha,
        holdout=case.judged.holdout or None,
        lineage=case.found.judgement.manifest.lineage,
        notices=(*case.notices, *_warnings(case, trouble)),
        actions=() if code else _actions(mover, ref),
        approval=case.approval,
        source=source,
        details={
            "promoted_version": ref.version if ref else None,
            "judged_at": case.found.judgement.source.head,
            "decided_again_because": list(case.differs),
            "ledger": {"address": mover.ledger.address, "head": history.head if history else ""},
        },
    )


def _warnings(case: PromotionCase, trouble: str) -> list[Notice]:
    notices = []
    if case.approval is not None:
        text = f"Approved by {case.approval.actor}: {case.approval.reason}"
        notices.append(Notice(text=text, level="warning"))
    if trouble:
        notices.append(Notice(text=f"The deployment is not what it should be: {trouble}", level="danger"))
    return notices


def _actions(mover: ChampionMover, ref: ModelRef | None) -> tuple[Action, ...]:
    """Return what a promotion changes outside: applied once there is a new version."""
    name, applied = mover.model, ref is not None
    version = ref.version if ref and ref.version else ""
    actions = [
        Action(kind="create_version", target=name, applied=applied),
        Action(kind="set_alias", target=f"{name}@{mover.alias}", value=version, applied=applied),
    ]
    if mover.settings.promotion.deploy_command:
        actions.append(Action(kind="deploy", target=name, value=version, applied=applied))
    return tuple(actions)


def _wording(
    name: str, case: PromotionCase, word: Confirmation, ref: ModelRef | None, trouble: str, code: int
) -> tuple[str, str]:
    out = earlier_rollback(case)
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
    """Return the report if a later commit was promoted already."""
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
