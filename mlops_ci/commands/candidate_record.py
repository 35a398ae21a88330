"""Reads a candidate's evaluation, and builds the record of it that the registry keeps."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path

from mlops_ci import __version__
from mlops_ci.adapters.ports import CandidateRecord, Evidence, Registry
from mlops_ci.commands.judge import Judged
from mlops_ci.commands.matching import columns_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.judgement import Judgement, policy_digest
from mlops_ci.core.lineage import canonical_json
from mlops_ci.core.report import Approval, ModelRef, Notice, Report, Source, plain
from mlops_ci.core.verdict import Verdict
from mlops_ci.errors import EvidenceError, MlopsCiError
from mlops_ci.settings import Settings, policy_of


def candidate_evaluation(
    settings: Settings, tools: Tools, evidence: Evidence, labels: Path | None
) -> Evaluation | None:
    """Read the candidate's predictions; None if the settings name no predictions file.

    `labels` is the file that targets are joined from by id; None takes those of the predictions file.
    """
    manifest = evidence.manifest
    if manifest.predictions is None:
        if settings.evaluation.predictions:
            raise EvidenceError(f"the evidence has no predictions ({settings.evaluation.predictions})")
        return None
    return tools.evaluations.read(evidence.places[manifest.predictions], columns_of(settings), labels)


def record_of(
    settings: Settings,
    tools: Tools,
    evidence: Evidence,
    candidate: Evaluation | None,
    verdict: Verdict,
    source: Source,
) -> CandidateRecord:
    """Return the record of a candidate: all that promotion needs, so that it never trains again."""
    manifest = evidence.manifest
    artifacts = _artifacts(tools, evidence)
    if candidate is not None and settings.evaluation.log == "full":
        path = tools.scratch / "predictions.parquet"
        tools.evaluations.save(candidate, path)
        artifacts[tags.EVALUATION_ARTIFACT] = path
    measured = {
        finding.metric: finding.candidate
        for finding in verdict.findings
        if finding.slice is None and finding.candidate is not None and isfinite(finding.candidate)
    }
    return CandidateRecord(
        model=manifest.model,
        run_id=manifest.run_id,
        name=f"{manifest.model} {manifest.head[:10]}",
        params=manifest.params,
        metrics={**manifest.metrics, **measured},
        tags=_tags(manifest, candidate, verdict, source),
        artifacts=artifacts,
        datasets=_datasets(manifest),
    )


def _artifacts(tools: Tools, evidence: Evidence) -> dict[str, Path]:
    """Return the files of the evidence that are kept, by their place in the run."""
    manifest = evidence.manifest
    artifacts: dict[str, Path] = {}
    if manifest.model_path:
        place = evidence.places[manifest.model_path]
        artifacts[tags.MODEL_ARTIFACT if place.is_dir() else f"{tags.MODEL_ARTIFACT}/{place.name}"] = place
    if manifest.dvc_lock:
        artifacts[tags.DVC_LOCK_ARTIFACT] = evidence.places[manifest.dvc_lock]
    if "reference" in manifest.profiles:
        artifacts[tags.PROFILE_ARTIFACT] = evidence.places[manifest.profiles["reference"]]
    written = tools.scratch / "manifest.json"
    written.write_bytes(canonical_json(plain(manifest)))
    artifacts[tags.MANIFEST_ARTIFACT] = written
    return artifacts


def _tags(
    manifest: Manifest, candidate: Evaluation | None, verdict: Verdict, source: Source
) -> dict[str, str]:
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
    return {key: value for key, value in carried.items() if value}


def _datasets(manifest: Manifest) -> list[tuple[str, str, str]]:
    data = manifest.lineage.data if manifest.lineage else ()
    return [(item.path, item.checksum, item.path) for item in data if item.kind == "data"]


def judgement_of(
    settings: Settings,
    manifest: Manifest,
    candidate: Evaluation | None,
    judged: Judged,
    approval: Approval | None,
    source: Source,
) -> Judgement:
    """Return the judgement for promotion: what was decided, and about which bytes."""
    return Judgement(
        model=manifest.model,
        manifest=manifest,
        verdict=judged.verdict,
        reasons=tuple(dict.fromkeys(judged.reasons)),
        approval=approval,
        champion=judged.champion.ref if judged.champion else None,
        evaluation_digest=evaluation_digest(candidate) if candidate is not None else None,
        holdout_digest=holdout_digest(candidate) if candidate is not None else None,
        holdout=judged.holdout,
        policy_digest=policy_digest(policy_of(settings)),
        source=source,
        tool_version=__version__,
    )


def keep_judgement(tools: Tools, registry: Registry, ref: ModelRef, judgement: Judgement) -> None:
    """Store a judgement with the candidate's run, beside earlier ones."""
    name = f"{judgement.digest()[:16]}.json"
    place = tools.scratch / name
    place.write_bytes(judgement.document())
    path = f"{tags.VERDICT_FOLDER}/{name}"
    marks = {tags.VERDICT: judgement.verdict.verdict.value, tags.VERDICT_PATH: path}
    registry.keep(ref.run_id or "", {path: place}, marks)


def with_page(tools: Tools, registry: Registry, report: Report) -> Report:
    """Store the HTML report with the candidate's run; if that fails, return a report with a notice."""
    run_id = report.candidate.run_id if report.candidate else None
    if tools.page is None or not run_id:
        return report
    place = tools.scratch / "report.html"
    place.write_text(tools.page(report), encoding="utf-8")
    try:
        registry.keep(run_id, {tags.PAGE_ARTIFACT: place}, {})
    except MlopsCiError as error:
        said = Notice(text=f"The report's page could not be kept with the MLflow run: {error.problem}")
        return replace(report, notices=(*report.notices, said))
    return report
