"""`promote`: make the candidate of a merged commit the champion; it never trains, and decides again."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_ci.commands.candidates import Found, decide_again, find, prove
from mlops_ci.commands.deploying import deploy
from mlops_ci.commands.moving import TRIES, Mover, digests_of, mover
from mlops_ci.commands.promote_report import AS_JUDGED, Case, Word, exit_code, report, superseded
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.ledger import Entry, History, State, project
from mlops_ci.core.report import Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Result
from mlops_ci.errors import ConflictError, ServiceError, UsageError
from mlops_ci.settings import Settings


def promote(
    settings: Settings,
    tools: Tools,
    source: Source,
    word: Word = AS_JUDGED,
    *,
    dry_run: bool = False,
) -> Report:
    """Promote what the check judged of this commit, if it still may be.

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
    _require_merged(tools, source)
    moving = mover(settings, tools)
    found = find(settings, tools, moving.registry, source)
    _, said = prove(settings, tools, moving.registry, found)
    for _ in range(TRIES):
        history = moving.settled(source, dry_run=dry_run)
        state = project(history)
        newer = _newer(tools, history, source)
        if newer is not None:
            return superseded(settings, source, state, newer)
        if _is_champion(moving, state, found):
            return _already(moving, history, found, source, dry_run=dry_run)
        case = _case(moving, found, history, said, word, source)
        if exit_code(case, word) != 0 or dry_run:
            return report(moving, case, word, source)
        ref = moving.registry.create_version(
            settings.registry.model, found.record.ref, {tags.VERDICT: case.judged.verdict.verdict.value}
        )
        try:
            history = moving.ledger.append(history, _intent(moving, case, ref, source, word))
        except ConflictError:
            tools.console.info("Someone else moved the champion: deciding again.")
            continue
        history, trouble = deploy(moving, moving.follow(history))
        return report(moving, case, word, source, ref=ref, trouble=trouble, history=history)
    raise ConflictError("the ledger", f"others keep moving the champion of '{settings.registry.model}'")


def _require_merged(tools: Tools, source: Source) -> None:
    """Refuse a commit that is not on the target branch: what is not merged is not promoted."""
    if not source.base or not source.head or source.base == source.head:
        return
    if tools.repository.merge_base(source.base, source.head) != source.head:
        raise UsageError(
            f"commit {source.head[:12]} is not on '{source.target}'",
            remedy=f"merge it, then run this on '{source.target}'; `check` is for what is not merged yet.",
        )


def _newer(tools: Tools, history: History, source: Source) -> Entry | None:
    """Return the promotion of a later commit, where this run is late: going back is for `rollback`."""
    decision = project(history).decision
    if decision is None or decision.event != "promote" or decision.commit in ("", source.head):
        return None
    if tools.repository.resolve(decision.commit) is None or not source.head:
        return None
    return decision if tools.repository.merge_base(source.head, decision.commit) == source.head else None


def _is_champion(moving: Mover, state: State, found: Found) -> bool:
    version = state.champion or moving.registry.aliases(moving.model).get(moving.alias)
    champion = moving.registry.version(moving.model, version) if version else None
    return champion is not None and found.digest is not None and champion.ref.digest == found.digest


def _case(
    moving: Mover, found: Found, history: History, said: Sequence[Notice], word: Word, source: Source
) -> Case:
    judged, _, differs = decide_again(moving.settings, moving.tools, moving.registry, found)
    notices = [*said, *judged.notices]
    if differs:
        text = f"Decided again, since {' and '.join(differs)} after the check."
        notices.append(Notice(text=text, level="warning"))
    approval = None
    if judged.verdict.held:
        approval = found.judgement.approval
        if word.approve:
            approval = Approval(actor=moving.tools.actor, commit=source.head, reason=word.approve)
    return Case(
        found=found,
        judged=judged,
        history=history,
        state=project(history),
        differs=differs,
        approval=approval,
        notices=notices,
    )


def _intent(moving: Mover, case: Case, ref: ModelRef, source: Source, word: Word) -> Entry:
    found, judgement = case.found, case.found.judgement
    approval = case.approval
    lineage = judgement.manifest.lineage
    return moving.entry(
        "promote",
        "intent",
        source,
        from_version=case.state.champion,
        to_version=ref.version,
        reason=word.again or "",
        candidate_commit=judgement.manifest.head,
        run_id=found.record.ref.run_id,
        pipeline_version=lineage.pipeline_version if lineage else found.pipeline_version,
        digests=digests_of(found.record.tags)
        | {"verdict": judgement.digest(), "policy": judgement.policy_digest}
        | ({"model": found.digest} if found.digest else {}),
        data={item.path: item.checksum for item in (lineage.data if lineage else ()) if item.checksum},
        verdict=case.judged.verdict.verdict.value,
        approval={"actor": approval.actor, "reason": approval.reason, "commit": approval.commit}
        | ({"url": approval.url} if approval.url else {})
        if approval
        else {},
    )


def _already(moving: Mover, history: History, found: Found, source: Source, *, dry_run: bool) -> Report:
    """Return the report where the champion is these very bytes already; a missing deployment is run."""
    state, trouble = project(history), ""
    undeployed = state.deployed is None or state.deployed.ok is False
    if state.decision is not None and state.decision.event == "promote" and undeployed and not dry_run:
        history, trouble = deploy(moving, history)
    text = f"The deployment is not what it should be: {trouble}"
    return Report(
        command="promote",
        model=moving.model,
        verdict=Result.PASS,
        exit_code=ServiceError.exit_code if trouble else 0,
        headline=f"{moving.model}: version {state.champion} is the champion already",
        next_step="There is nothing to promote: this commit stands for the same bytes.",
        candidate=found.record.ref,
        lineage=found.judgement.manifest.lineage,
        notices=(Notice(text=text, level="danger"),) if trouble else (),
        source=source,
        details={"ledger": {"address": moving.ledger.address, "head": history.head}},
    )
