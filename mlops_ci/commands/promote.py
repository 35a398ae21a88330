"""`promote`: make the candidate of a merged commit the champion, after deciding again, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_ci.commands.canary import promote_reports as canary_reports
from mlops_ci.commands.canary.transitions import begin
from mlops_ci.commands.candidates import RecordedCandidate, decide_again, find_candidate, verify_model
from mlops_ci.commands.champion import TRIES, ChampionMover, champion_mover
from mlops_ci.commands.deployment import deploy
from mlops_ci.commands.promote_report import (
    AS_JUDGED,
    Confirmation,
    PromotionCase,
    exit_code,
    promote_report,
    superseded,
)
from mlops_ci.commands.tools import Tools
from mlops_ci.commands.version_facts import digests_of
from mlops_ci.core import tags
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import State
from mlops_ci.core.report import Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ConflictError, ServiceError, UsageError
from mlops_ci.settings import Settings

HELD = 3


def promote(
    settings: Settings,
    tools: Tools,
    source: Source,
    word: Confirmation = AS_JUDGED,
    *,
    dry_run: bool = False,
) -> Report:
    """Promote the candidate that the check judged for this commit, if it still passes.

    With the settings' `canary`, and a champion to compare with, it starts as a canary instead.

    Raises
    ------
    UsageError
        If the commit is not on the target branch.
    EvidenceError
        If there is no judged candidate for it, its bytes are not those that were judged, the alias was
        moved by hand or the ledger rewritten.
    ConflictError
        If others kept moving the champion.
    """
    require_merged(tools, source)
    mover = champion_mover(settings, tools)
    found = find_candidate(settings, tools, mover.registry, source)
    _, said = verify_model(settings, tools, found)

    def register(marks: Mapping[str, str]) -> ModelRef:
        return mover.registry.create_version(mover.model, found.record.ref, marks)

    offer = Offer(found=found, commit=source.head, register=register, said=said)
    return carry_out(mover, offer, source, word, dry_run=dry_run)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A proven candidate that may become the champion.

    Attributes
    ----------
    found
        The candidate, and what was judged of it.
    commit
        The merged commit that it stands for.
    register
        Makes it a version of the model, with these tags; once, however often it is called.
    said
        Notices about it.
    details
        What the ledger keeps of where it came from.
    """

    found: RecordedCandidate
    commit: str
    register: Callable[[Mapping[str, str]], ModelRef]
    said: Sequence[Notice] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def carry_out(
    mover: ChampionMover, offer: Offer, source: Source, word: Confirmation, *, dry_run: bool
) -> Report:
    """Decide about an offer and make it the champion; decide again if another process was faster."""
    for _ in range(TRIES):
        history = mover.settled_history(source, dry_run=dry_run)
        state = mover.state(history)
        newer = _newer(mover, state, offer.commit)
        if newer is not None:
            return superseded(mover.settings, source, state, newer)
        if _is_champion(mover, state, offer.found):
            return _already(mover, history, offer.found, source, dry_run=dry_run)
        waiting = canary_reports.running(mover, history, offer.found, source, dry_run=dry_run)
        if waiting is not None:
            return waiting
        case = _case(mover, offer, history, word)
        guarded = mover.settings.canary if _has_champion(mover, state) else None
        if exit_code(case, word) != 0 or dry_run:
            told = promote_report(mover, case, word, source)
            return canary_reports.planned(mover, told, guarded) if guarded else told
        ref = offer.register({tags.VERDICT: case.judged.verdict.verdict.value})
        intent = _intent(mover, case, offer, ref, source, word)
        try:
            if guarded:
                history, trouble = begin(mover, history, intent, guarded.rule)
                told = promote_report(mover, case, word, source, ref=ref, history=history)
                return canary_reports.started(mover, told, guarded, trouble)
            history = mover.ledger.append(history, intent)
        except ConflictError:
            mover.tools.console.info("Someone else moved the champion: deciding again.")
            continue
        history, trouble = deploy(mover, mover.apply_decision(history))
        return promote_report(mover, case, word, source, ref=ref, trouble=trouble, history=history)
    raise ConflictError("the ledger", f"others keep mover the champion of '{mover.model}'")


def require_merged(tools: Tools, source: Source) -> None:
    """Refuse a commit that is not on the target branch: only merged changes are promoted."""
    if not source.base or not source.head or source.base == source.head:
        return
    if tools.repository.merge_base(source.base, source.head) != source.head:
        raise UsageError(
            f"commit {source.head[:12]} is not on '{source.target}'",
            remedy=f"merge it, then run this on '{source.target}'; `check` is for what is not merged yet.",
        )


def _newer(mover: ChampionMover, state: State, commit: str) -> Entry | None:
    """Return the promotion of a later commit, if there is one: only `rollback` goes back."""
    decision, repository = state.decision, mover.tools.repository
    if decision is None or decision.event != "promote" or decision.commit in ("", commit):
        return None
    if not commit or repository.resolve(decision.commit) is None or repository.resolve(commit) is None:
        return None
    return decision if repository.merge_base(commit, decision.commit) == commit else None


def _has_champion(mover: ChampionMover, state: State) -> bool:
    """Return whether there is a champion for a canary to be compared with."""
    return bool(state.champion or mover.registry.aliases(mover.model).get(mover.alias))


def _is_champion(mover: ChampionMover, state: State, found: RecordedCandidate) -> bool:
    version = state.champion or mover.registry.aliases(mover.model).get(mover.alias)
    champion = mover.registry.version(mover.model, version) if version else None
    return champion is not None and found.digest is not None and champion.ref.digest == found.digest


def _case(mover: ChampionMover, offer: Offer, history: History, word: Confirmation) -> PromotionCase:
    found = offer.found
    judged, _, differs = decide_again(mover.settings, mover.tools, mover.registry, found)
    notices = [*offer.said, *judged.notices]
    if differs:
        text = f"Decided again, since {' and '.join(differs)} after the check."
        notices.append(Notice(text=text, level="warning"))
    approval = None
    if judged.verdict.exit_code == HELD:
        approval = found.judgement.approval
        if word.approve:
            approval = Approval(actor=mover.tools.actor, commit=offer.commit, reason=word.approve)
    return PromotionCase(
        found=found,
        judged=judged,
        history=history,
        state=mover.state(history),
        differs=differs,
        approval=approval,
        environment=mover.environment,
        notices=notices,
    )


def _intent(
    mover: ChampionMover, case: PromotionCase, offer: Offer, ref: ModelRef, source: Source, word: Confirmation
) -> Entry:
    found, judgement = case.found, case.found.judgement
    approval = case.approval
    lineage = judgement.manifest.lineage
    return mover.entry(
        "promote",
        "intent",
        source,
        commit=offer.commit,
        from_version=case.state.champion,
        to_version=ref.version,
        reason=word.again or "",
        candidate_commit=judgement.manifest.head,
        run_id=ref.run_id,
        pipeline_version=lineage.pipeline_version if lineage else "",
        digests=digests_of(found.record.tags)
        | {"verdict": judgement.digest(), "policy": judgement.policy_digest}
        | ({"model": found.digest} if found.digest else {}),
        data={item.path: item.checksum for item in (lineage.data if lineage else ()) if item.checksum},
        verdict=case.judged.verdict.verdict.value,
        approval={"actor": approval.actor, "reason": approval.reason, "commit": approval.commit}
        | ({"url": approval.url} if approval.url else {})
        if approval
        else {},
        details=offer.details,
    )


def _already(
    mover: ChampionMover, history: History, found: RecordedCandidate, source: Source, *, dry_run: bool
) -> Report:
    """Return the report if the champion already has these bytes; a missing deployment is made up for."""
    state, trouble = mover.state(history), ""
    undeployed = state.deployed is None or state.deployed.ok is False
    if state.decision is not None and state.decision.event == "promote" and undeployed and not dry_run:
        history, trouble = deploy(mover, history)
    text = f"The deployment is not what it should be: {trouble}"
    return Report(
        command="promote",
        model=mover.model,
        verdict=Result.PASS,
        exit_code=ServiceError.exit_code if trouble else 0,
        headline=f"{mover.model}: version {state.champion} is the champion already",
        next_step="There is nothing to promote: this commit stands for the same bytes.",
        candidate=found.record.ref,
        lineage=found.judgement.manifest.lineage,
        notices=(Notice(text=text, level="danger"),) if trouble else (),
        source=source,
        details={"ledger": {"address": mover.ledger.address, "head": history.head}},
    )
