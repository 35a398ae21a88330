"""`check`: judge a candidate's evidence against the champion, keep it, and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlops_ci.adapters.ports import Evidence
from mlops_ci.commands.candidate_record import (
    candidate_evaluation,
    judgement_of,
    keep_judgement,
    record_of,
    with_page,
)
from mlops_ci.commands.drift import with_drift
from mlops_ci.commands.holdout_labels import trusted_labels
from mlops_ci.commands.judge import Judged, drift_of, judge
from mlops_ci.commands.report_details import details
from mlops_ci.commands.tools import Tools
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.report import Action, Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.wording import headline, next_step, summary
from mlops_ci.errors import EvidenceError, HoldoutError, PipelineError, ServiceError
from mlops_ci.settings import Settings

HELD = 3


def check(
    settings: Settings,
    tools: Tools,
    evidence: Evidence,
    source: Source,
    *,
    approvals: Sequence[str] = (),
    notices: Sequence[Notice] = (),
    dry_run: bool = False,
) -> Report:
    """Decide whether merging this candidate makes the model in production worse.

    Parameters
    ----------
    settings
        The settings in force: the target branch's.
    evidence
        What `reproduce` gathered; hostile until checked.
    approvals
        Why this change needs someone's approval whatever its numbers say (it edits its own gate).
    notices
        What is already known and has to be said.

    Raises
    ------
    EvidenceError
        If there is nothing trustworthy to decide on.
    ServiceError
        If the registry or the forge fails.
    """
    manifest = evidence.manifest
    _refuse(manifest, source)
    labels, doubts = trusted_labels(settings, tools, evidence, source)
    candidate = candidate_evaluation(settings, tools, evidence, labels)
    registry = tools.registry()
    approvals = [*approvals, *doubts]
    judged = judge(settings, tools, registry, manifest, candidate, approvals)
    drift = drift_of(settings, tools, evidence)
    verdict, moved = with_drift(judged.verdict, drift, manifest.drift_unread, settings.gate.on_drift)
    # Kept with the judgement: a promotion decides again without the data, and must know of it.
    why = (
        [] if verdict == judged.verdict else ["the data drifted" if drift else "drift could not be looked at"]
    )
    judged = replace(
        judged, verdict=verdict, notices=(*judged.notices, *moved), reasons=(*judged.reasons, *why)
    )
    ref = ModelRef(run_id=manifest.run_id, digest=manifest.model_digest, commit=manifest.head)
    kept = Action(kind="record_candidate", target=manifest.model, value=manifest.head, applied=not dry_run)
    approval = _approval(tools, source) if judged.verdict.exit_code == HELD else None
    if not dry_run:
        ref = registry.record(record_of(settings, tools, evidence, candidate, judged.verdict, source))
        judgement = judgement_of(settings, manifest, candidate, judged, approval, source)
        keep_judgement(tools, registry, ref, judgement)
    edits = [Notice(text=f"This change touches its own gate: {text}", level="danger") for text in approvals]
    report = _report(settings, judged, manifest, source, approval, [*edits, *notices, *judged.notices])
    report = replace(
        report,
        candidate=ref,
        actions=(kept,),
        drift=drift.to_dict() if drift else None,
        details=details(settings, tools, registry, manifest, judged),
    )
    return report if dry_run else with_page(tools, registry, report)


def _refuse(manifest: Manifest, source: Source) -> None:
    """Refuse evidence of a failed run, of another commit, or of rows that the model was trained on."""
    if manifest.failure is not None:
        kind = ServiceError if manifest.failure.exit_code == ServiceError.exit_code else PipelineError
        if kind is ServiceError:
            raise ServiceError("reproduce", manifest.failure.problem, remedy=manifest.failure.remedy)
        raise PipelineError(manifest.failure.problem, remedy=manifest.failure.remedy)
    if source.head and manifest.head != source.head:
        raise EvidenceError(
            f"the evidence is of commit {manifest.head[:12]}, this check is about {source.head[:12]}",
            remedy="let both jobs run in one workflow run",
        )
    if manifest.train_overlap:
        raise HoldoutError(
            f"{manifest.train_overlap:,} holdout rows are among the training rows: the comparison would"
            " flatter the candidate",
            remedy="split so that no row is in both",
        )


def _approval(tools: Tools, source: Source) -> Approval | None:
    """Return an approval of exactly this head, as the forge has it now."""
    change = tools.forge.pull_request()
    if change is None or (source.head and change.head != source.head):
        return None
    given = tools.forge.approvals(change)
    return given[0] if given else None


def _report(
    settings: Settings,
    judged: Judged,
    manifest: Manifest,
    source: Source,
    approval: Approval | None,
    notices: Sequence[Notice],
) -> Report:
    verdict, champion = judged.verdict, judged.champion
    versus = f"champion v{champion.ref.version}" if champion else None
    rows = 0 if judged.holdout.get("matched", "none") == "none" else judged.holdout["n"]
    said = list(notices)
    if approval is not None:
        said.append(Notice(text=f"Approved by {approval.actor}: {approval.reason}", level="warning"))
    return Report(
        command="check",
        model=manifest.model,
        verdict=verdict.verdict,
        exit_code=0 if approval else verdict.exit_code,
        headline=headline(
            manifest.model, verdict, champion=versus, approval=approval, reasons=judged.reasons
        ),
        summary=summary(verdict, versus, rows) if versus else "",
        next_step=next_step(verdict, source.head, approval, approvable=source.pull_request is not None),
        champion=champion.ref if champion else None,
        findings=tuple(verdict.findings),
        alpha=settings.gate.alpha,
        holdout=judged.holdout or None,
        lineage=manifest.lineage,
        stages=manifest.stages,
        notices=tuple(said),
        approval=approval,
        source=source,
    )
