"""`check`: judge a candidate's evidence against the champion, keep it, and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlops_ci import __version__
from mlops_ci.adapters.ports import CandidateRecord, Champion, Evidence, Registry
from mlops_ci.commands.details import details
from mlops_ci.commands.matching import Matched, columns_of, match
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.compare import Results, compare
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.report import Action, Approval, ModelRef, Notice, Report, Source, plain
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.core.wording import headline, next_step, summary
from mlops_ci.errors import EvidenceError, HoldoutError, MlopsCiError, PipelineError, ServiceError
from mlops_ci.settings import Settings, policy_of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict, and what it was reached on."""

    verdict: Verdict
    champion: Champion | None = None
    holdout: dict[str, Any] = field(default_factory=dict)
    notices: Sequence[Notice] = ()
    matched: Matched | Evaluation | None = None


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
    candidate = candidate_evaluation(settings, tools, evidence)
    registry = tools.registry()
    judged = _judge(settings, tools, registry, manifest, candidate, approvals)
    ref = ModelRef(run_id=manifest.run_id, digest=manifest.model_digest, commit=manifest.head)
    kept = Action(kind="record_candidate", target=manifest.model, value=manifest.head, applied=not dry_run)
    if not dry_run:
        ref = registry.record(record_of(settings, tools, evidence, candidate, judged.verdict, source))
    approval = _approval(tools, source) if judged.verdict.held else None
    report = _report(settings, judged, manifest, source, approval, [*notices, *judged.notices])
    shown = details(settings, tools, registry, manifest, champion=judged.champion, matched=judged.matched)
    return replace(report, candidate=ref, actions=(kept,), details=shown)


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


def candidate_evaluation(settings: Settings, tools: Tools, evidence: Evidence) -> Evaluation | None:
    """Read the candidate's predictions; None where the settings name no predictions file."""
    manifest = evidence.manifest
    if manifest.predictions is None:
        if settings.evaluation.predictions:
            raise EvidenceError(f"the evidence has no predictions ({settings.evaluation.predictions})")
        return None
    labels = evidence.places[manifest.holdout] if manifest.holdout else None
    return tools.evaluations.read(evidence.places[manifest.predictions], columns_of(settings), labels)


def _judge(
    settings: Settings,
    tools: Tools,
    registry: Registry,
    manifest: Manifest,
    candidate: Evaluation | None,
    approvals: Sequence[str],
) -> Judged:
    """Compare with the champion in the way that its evidence allows."""
    name, policy = settings.registry.model, policy_of(settings)
    champion = registry.champion(name, settings.registry.champion)
    said = [Notice(text=text) for text in manifest.notices]
    holdout: dict[str, Any] = {}
    if candidate is not None:
        digest = holdout_digest(candidate)
        holdout = {
            "digest": digest,
            "n": len(candidate),
            "uses": registry.holdout_uses(name, digest, excluding=evaluation_digest(candidate)),
        }
    if champion is None:
        verdict = _without_champion(settings)
        return Judged(verdict=hold(verdict, approvals), holdout=holdout, notices=said, matched=candidate)
    reasons = list(approvals)
    same = manifest.model_digest is not None and champion.ref.digest == manifest.model_digest
    mine, theirs = Results(scalars=manifest.metrics), Results(scalars=champion.metrics)
    matched = None
    if candidate is not None and not same:
        matched = match(settings, tools, registry, champion, candidate)
        mine = replace(mine, evaluation=matched.candidate)
        theirs = replace(theirs, evaluation=matched.champion)
        holdout |= {"n": len(matched.candidate), "matched": matched.how}
        reasons += matched.approvals
        said += matched.notices
    verdict = compare(theirs, mine, policy, same_model=same)
    verdict = hold(verdict, reasons)
    said += [Notice(text=text, level="warning") for text in verdict.notices]
    return Judged(
        verdict=verdict, champion=champion, holdout=holdout, notices=said, matched=matched or candidate
    )


def _without_champion(settings: Settings) -> Verdict:
    action = settings.gate.on_no_champion
    text = (
        f"No version of '{settings.registry.model}' has the alias '{settings.registry.champion}'."
        " Promote one, or take in the model that is in production with `mlops-ci adopt`."
    )
    if action == "pass":
        return Verdict(verdict=Result.PASS, notices=(text,))
    held, blocked = action == "approve", action == "block"
    return Verdict(verdict=Result.INCONCLUSIVE, notices=(text,), held=held, blocked=blocked)


def hold(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """Hold a verdict that would merge for approval, where there are reasons that numbers cannot settle."""
    if not reasons or verdict.exit_code not in (0, 3):
        return verdict
    return replace(verdict, held=True, notices=(*verdict.notices, f"Needs approval: {'; '.join(reasons)}."))


def record_of(
    settings: Settings,
    tools: Tools,
    evidence: Evidence,
    candidate: Evaluation | None,
    verdict: Verdict,
    source: Source,
) -> CandidateRecord:
    """Return everything that is kept of the candidate, so that promotion never trains again."""
    manifest = evidence.manifest
    keep = settings.evaluation.log == "full"
    artifacts: dict[str, Path] = {}
    if manifest.model_path:
        place = evidence.places[manifest.model_path]
        artifacts[tags.MODEL_ARTIFACT if place.is_dir() else f"{tags.MODEL_ARTIFACT}/{place.name}"] = place
    if manifest.dvc_lock:
        artifacts[tags.DVC_LOCK_ARTIFACT] = evidence.places[manifest.dvc_lock]
    kept = tools.scratch / "manifest.json"
    kept.write_bytes(canonical_json(plain(manifest)))
    artifacts[tags.MANIFEST_ARTIFACT] = kept
    carried = {
        tags.MODEL_DIGEST: manifest.model_digest,
        tags.GIT_COMMIT: source.head or manifest.head,
        tags.PULL_REQUEST: str(source.pull_request) if source.pull_request else None,
        tags.VERDICT: verdict.verdict.value,
        tags.TOOL_VERSION: __version__,
    }
    if manifest.lineage:
        carried[tags.PIPELINE_VERSION] = manifest.lineage.pipeline_version
        carried[tags.DVC_LOCK_DIGEST] = manifest.lineage.dvc_lock_digest
    if candidate is not None:
        carried[tags.HOLDOUT_DIGEST] = holdout_digest(candidate)
        carried[tags.EVALUATION_DIGEST] = evaluation_digest(candidate)
        if keep:
            path = tools.scratch / "predictions.parquet"
            tools.evaluations.save(candidate, path)
            artifacts[tags.EVALUATION_ARTIFACT] = path
    overall = [finding for finding in verdict.findings if finding.slice is None]
    return CandidateRecord(
        model=manifest.model,
        run_id=manifest.run_id,
        name=f"{manifest.model} {manifest.head[:10]}",
        params=manifest.params,
        metrics=dict(manifest.metrics) | {f.metric: f.candidate for f in overall if f.candidate is not None},
        tags={key: value for key, value in carried.items() if value},
        artifacts=artifacts,
        datasets=_datasets(manifest),
    )


def _datasets(manifest: Manifest) -> list[tuple[str, str, str]]:
    data = manifest.lineage.data if manifest.lineage else ()
    return [(item.path, item.checksum, item.path) for item in data if item.kind == "data"]


def _approval(tools: Tools, source: Source) -> Approval | None:
    """Return someone's word for exactly this head, read from the forge now."""
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
        headline=headline(manifest.model, verdict, champion=versus, approval=approval),
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


def could_not_tell(model: str, error: MlopsCiError, source: Source, notices: Sequence[Notice] = ()) -> Report:
    """Return the report of a check that ended in an error: said aloud, and never a pass."""
    verdict = Verdict(verdict=Result.ERROR, findings=())
    return Report(
        command="check",
        model=model,
        verdict=Result.ERROR,
        exit_code=error.exit_code,
        headline=headline(model, verdict, champion=None, problem=error.problem),
        summary=error.problem,
        next_step=error.remedy or next_step(verdict, source.head, None, approvable=False),
        notices=tuple(notices),
        source=source,
    )
