"""Finds the judged candidate of a merged commit by its pipeline version, and verifies it by digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.adapters.ports import Champion, PipelineRun, Registry, Repository
from mlops_ci.commands.judge import Judged, judge
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.judgement import Judgement, policy_digest
from mlops_ci.core.lineage import pipeline_version
from mlops_ci.core.report import Notice, Source
from mlops_ci.errors import EvidenceError, UsageError
from mlops_ci.settings import Settings, policy_of

REMEDY = "run `mlops-ci check` on this commit: it judges what the pipeline produces, and records it"


@dataclass(frozen=True, kw_only=True)
class RecordedCandidate:
    """A recorded candidate, and its judgement.

    `home` is the registry that has its run. `pipeline` describes the merged commit as it stands; it is None
    where that commit is not asked, since a champion of another environment is promoted.
    """

    record: Champion
    judgement: Judgement
    home: Registry
    pipeline: PipelineRun | None = None

    @property
    def digest(self) -> str | None:
        """SHA-256 of the model that was judged."""
        return self.judgement.manifest.model_digest


def find_candidate(settings: Settings, tools: Tools, registry: Registry, source: Source) -> RecordedCandidate:
    """Return the candidate of the checked-out commit, however the merge changed the commit itself.

    It is looked for by pipeline version, which a squash, a rebase or a merge queue leaves alone, then by
    commit. Where dvc.lock is current, the outputs that it names must be those that were judged. Of several
    that agree, one of the change that was merged comes before one of any other, and the newest counts.

    Raises
    ------
    EvidenceError
        If none was recorded and judged.
    """
    run = tools.pipeline().describe(settings.pipeline.targets)
    version = pipeline_version(run.stages, run.environment)
    name = settings.registry.model
    refs = registry.find_candidates(name, {tags.PIPELINE_VERSION: version})
    if not refs and source.head:
        refs = registry.find_candidates(name, {tags.GIT_COMMIT: source.head})
    unjudged = others = 0
    for record in _merged_first(tools, [registry.candidate(ref.run_id or "") for ref in refs], source):
        run_id, path = record.ref.run_id or "", record.tags.get(tags.VERDICT_PATH)
        if path is None:
            unjudged += 1
            continue
        kept = registry.download(run_id, path, tools.scratch / "judgement")
        judgement = tools.read_judgement(kept)
        if judgement.model == name and _same_outputs(run, judgement):
            return RecordedCandidate(record=record, judgement=judgement, home=registry, pipeline=run)
        others += 1
    problem = (
        f"no candidate of '{name}' was recorded for commit {source.head[:12]} (pipeline version"
        f" {version[:12]})"
    )
    if unjudged:
        problem = f"the candidate for commit {source.head[:12]} was recorded, but never judged"
    if others:
        problem = (
            f"{others} recorded candidates of '{name}' have this pipeline version, but none has the outputs"
            " that the merged dvc.lock names"
        )
    raise EvidenceError(problem, remedy=REMEDY)


def _merged_first(tools: Tools, records: Sequence[Champion], source: Source) -> list[Champion]:
    """Return candidates of the change that was merged before those of others, and else as they are.

    A pipeline version is what a change's own job says of itself; its commit and number are the forge's word.
    So a change that nobody merged cannot put its model in the place of another's by the version alone.
    """
    if len(records) < 2 or not source.head:
        return list(records)
    repository = tools.repository
    named = set(re.findall(r"[#!](\d+)\b", repository.message(source.head)))

    def other(record: Champion) -> bool:
        commits = record.tags.get(tags.GIT_COMMIT, "").split()
        merged = any(_holds(repository, source.head, one) for one in commits)
        return not (merged or named & set(record.tags.get(tags.PULL_REQUEST, "").split()))

    return sorted(records, key=other)


def _holds(repository: Repository, head: str, commit: str) -> bool:
    """Say whether a commit is in the history of another; one that is not here, or unrelated, is not."""
    try:
        return repository.resolve(commit) is not None and repository.merge_base(commit, head) == commit
    except UsageError:
        return False


def _same_outputs(run: PipelineRun, judgement: Judgement) -> bool:
    """Return whether the outputs of a current dvc.lock are those that were judged."""
    if run.lock_changed:
        return True
    judged = {path: checksum for stage in judgement.manifest.stages for path, checksum in stage.outs.items()}
    merged = {path: checksum for stage in run.stages for path, checksum in stage.outs.items()}
    return bool(merged) and all(judged.get(path) == checksum for path, checksum in merged.items())


def verify_model(settings: Settings, tools: Tools, found: RecordedCandidate) -> tuple[Path, list[Notice]]:
    """Download the model and verify that it is, byte for byte, what was judged; return its path.

    Raises
    ------
    EvidenceError
        If it is gone, or is anything else.
    """
    run_id, manifest = found.record.ref.run_id or "", found.judgement.manifest
    path = found.record.tags.get(tags.MODEL_PATH)
    if path is None or manifest.model_digest is None:
        raise EvidenceError("the candidate has no model", remedy="set `candidate.model` in mlops-ci.yaml")
    model = found.home.download(run_id, path, tools.scratch / "promoted")
    try:
        digest = tools.files.digest(model)
    except EvidenceError:
        raise EvidenceError(f"the model of run {run_id} is not in MLflow any more", remedy=REMEDY) from None
    if digest != manifest.model_digest:
        raise EvidenceError(
            f"the model of run {run_id} is not what was judged: its SHA-256 is {digest[:12]},"
            f" that of the judged one {manifest.model_digest[:12]}",
            remedy="someone changed the artifact: find out who, then run the check again.",
        )
    if found.pipeline is None:
        return model, []
    named = _named(settings, found.pipeline)
    if named is None:
        text = (
            "The merged dvc.lock does not name the model's bytes (it is not current), so they are bound to"
            " this commit by the pipeline version alone."
        )
        return model, [Notice(text=text)]
    if tools.pipeline().checksum(model) != named:
        raise EvidenceError(
            f"the model of run {run_id} is not the one that the merged dvc.lock names ({named[:12]})",
            remedy="someone changed the run in MLflow: find out who, then run the check again.",
        )
    return model, []


def _named(settings: Settings, run: PipelineRun) -> str | None:
    """Return the checksum of the model in a current dvc.lock; None if it has no entry of its own."""
    if run.lock_changed or settings.candidate.model is None:
        return None
    wanted = settings.candidate.model.rstrip("/")
    outs = {path: checksum for stage in run.stages for path, checksum in stage.outs.items()}
    return outs.get(wanted) or None


def decide_again(
    settings: Settings, tools: Tools, registry: Registry, found: RecordedCandidate
) -> tuple[Judged, Evaluation | None, list[str]]:
    """Judge the recorded evaluation again, against the present champion and by the present policy.

    Returns
    -------
    The judgement of now, the candidate's evaluation, and what differs from the check: in words.

    Raises
    ------
    EvidenceError
        If the evaluation is not what was judged, or was not kept and anything differs.
    """
    before, manifest = found.judgement, found.judgement.manifest
    evaluation: Evaluation | None = None
    if found.record.evaluation and found.record.evaluation_run:
        place = found.home.download(
            found.record.evaluation_run, found.record.evaluation, tools.scratch / "candidate"
        )
        evaluation = tools.evaluations.load(place)
        if evaluation_digest(evaluation) != before.evaluation_digest:
            raise EvidenceError(
                f"the predictions of run {found.record.ref.run_id} are not those that were judged",
                remedy="someone changed the artifact: find out who, then run the check again.",
            )
        if holdout_digest(evaluation) != before.holdout_digest:
            raise EvidenceError("the candidate's holdout is not the one it was judged on", remedy=REMEDY)
    champion = registry.champion(settings.registry.model, settings.registry.champion)
    differs = _differences(settings, before, champion, elsewhere=found.home is not registry)
    if evaluation is None and before.evaluation_digest is not None:
        if differs:
            raise EvidenceError(
                f"{'; '.join(differs)}, and the candidate's predictions were not kept to decide again",
                remedy=REMEDY,
            )
        return (
            Judged(
                verdict=before.verdict,
                champion=champion,
                holdout=dict(before.holdout),
                reasons=before.reasons,
            ),
            None,
            [],
        )
    return judge(settings, tools, registry, manifest, evaluation, before.reasons), evaluation, differs


def _differences(
    settings: Settings, before: Judgement, champion: Champion | None, *, elsewhere: bool
) -> list[str]:
    now = champion.ref if champion else None
    then = before.champion
    changed = (now and (now.version, now.digest)) != (then and (then.version, then.digest))
    text = f"the champion changed from {_version(then)} to {_version(now)}"
    if elsewhere:
        # Another registry counts its versions by itself: what it shares with the judged one are bytes.
        changed = now is None or then is None or now.digest is None or now.digest != then.digest
        text = f"the champion here ({_version(now)}) is not the one of the check"
    said: Sequence[tuple[bool, str]] = (
        (changed, text),
        (before.policy_digest != policy_digest(policy_of(settings)), "the policy changed"),
    )
    return [text for changed, text in said if changed]


def _version(ref: object) -> str:
    version = getattr(ref, "version", None)
    return f"version {version}" if version else "none"
