"""`adopt`: register the model that is already in production as the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_ci.adapters.ports import Champion, Evidence, Registry
from mlops_ci.commands.candidate_record import candidate_evaluation, record_of
from mlops_ci.commands.champion import name_champion
from mlops_ci.commands.holdout_labels import trusted_labels
from mlops_ci.commands.matching import columns_of, rescored
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import Evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.report import Action, ModelRef, Report, Source
from mlops_ci.core.verdict import Result, Verdict
from mlops_ci.errors import EvidenceError, UsageError
from mlops_ci.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the user knows about the model in production.

    Attributes
    ----------
    version
        A version of the registered model; None takes the one that the alias names.
    predictions
        Its predictions on the holdout, as a file.
    rescore
        Whether to score it now with `evaluation.score_command`.
    metrics
        Scalars, where nothing else is known: comparisons with them are ``point only``.
    """

    version: str | None = None
    predictions: Path | None = None
    rescore: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)


def adopt_version(
    settings: Settings,
    tools: Tools,
    source: Source,
    known: Known,
    *,
    dry_run: bool = False,
) -> Report:
    """Make a registered version the champion, and attach an evaluation or scalars to it.

    Raises
    ------
    EvidenceError
        If there is no such version, or its predictions cannot be read.
    """
    registry, name, alias = tools.registry(), settings.registry.model, settings.registry.champion
    current = registry.champion(name, alias)
    chosen = registry.version(name, known.version) if known.version else current
    if chosen is None or chosen.ref.version is None:
        wanted = (
            f"has no version {known.version}" if known.version else f"has no version with the alias '{alias}'"
        )
        raise EvidenceError(
            f"the registered model '{name}' {wanted}",
            remedy="name one with --version, or take in this branch's pipeline with --from-pipeline",
        )
    number = chosen.ref.version
    evaluation = _evaluation(settings, tools, registry, chosen, known)
    actions = []
    if evaluation is not None or known.metrics:
        value = f"{len(evaluation):,} rows" if evaluation is not None else ", ".join(known.metrics)
        actions.append(
            Action(kind="attach_evidence", target=f"{name} v{number}", value=value, applied=not dry_run)
        )
    if current is None or current.ref.version != number:
        actions.append(Action(kind="set_alias", target=f"{name}@{alias}", value=number, applied=not dry_run))
    if not actions:
        raise UsageError(
            "there is nothing to take in: the alias names this version already",
            remedy="give --predictions, --rescore or --metric",
        )
    if not dry_run:
        if evaluation is not None or known.metrics:
            artifacts, marks = _kept(tools, evaluation)
            registry.attach(name, number, artifacts, marks, known.metrics)
        if current is None or current.ref.version != number:
            name_champion(settings, tools, source, number)
    return _adopted(settings, source, chosen.ref, actions)


def adopt_pipeline(
    settings: Settings, tools: Tools, source: Source, evidence: Evidence, *, dry_run: bool = False
) -> Report:
    """Register what this branch's pipeline produced as the champion: it is the model in production.

    Raises
    ------
    UsageError
        If a champion exists already.
    EvidenceError
        If the pipeline produces no model, or no predictions.
    """
    registry, name, alias = tools.registry(), settings.registry.model, settings.registry.champion
    current = registry.champion(name, alias)
    if current is not None:
        raise UsageError(
            f"'{name}' has a champion already: version {current.ref.version}",
            remedy="let a pull request pass the gate, or name another version with --version",
        )
    if evidence.manifest.model_path is None:
        raise EvidenceError("the settings name no model", remedy="set `candidate.model` in mlops-ci.yaml")
    labels, _ = trusted_labels(settings, tools, evidence, source)
    evaluation = candidate_evaluation(settings, tools, evidence, labels)
    actions = [
        Action(kind=kind, target=target, applied=not dry_run)
        for kind, target in (("create_version", name), ("set_alias", f"{name}@{alias}"))
    ]
    ref = ModelRef(digest=evidence.manifest.model_digest, commit=source.head)
    if not dry_run:
        verdict = Verdict(verdict=Result.PASS)
        run = registry.record(record_of(settings, tools, evidence, evaluation, verdict, source))
        ref = registry.create_version(name, run, {})
        registry.set_alias(name, alias, ref.version or "")
        actions = [replace(action, value=ref.version or "") for action in actions]
    return _adopted(settings, source, ref, actions)


def _evaluation(
    settings: Settings, tools: Tools, registry: Registry, champion: Champion, known: Known
) -> Evaluation | None:
    labels = tools.root / settings.evaluation.holdout if settings.evaluation.holdout else None
    if known.predictions is not None:
        return tools.evaluations.read(known.predictions, columns_of(settings), labels)
    return rescored(settings, tools, registry, champion) if known.rescore else None


def _kept(tools: Tools, evaluation: Evaluation | None) -> tuple[dict[str, Path], dict[str, str]]:
    if evaluation is None:
        return {}, {}
    path = tools.scratch / "adopted.parquet"
    tools.evaluations.save(evaluation, path)
    marks = {
        tags.EVALUATION_PATH: tags.EVALUATION_ARTIFACT,
        tags.EVALUATION_DIGEST: evaluation_digest(evaluation),
        tags.HOLDOUT_DIGEST: holdout_digest(evaluation),
    }
    return {tags.EVALUATION_ARTIFACT: path}, marks


def _adopted(settings: Settings, source: Source, ref: ModelRef, actions: list[Action]) -> Report:
    name = settings.registry.model
    done = all(action.applied for action in actions)
    version = f"version {ref.version}" if ref.version else "this pipeline's model"
    return Report(
        command="adopt",
        model=name,
        headline=f"{name}: {version} {'is' if done else 'would be'} the champion",
        next_step="Open a pull request that changes the model: it is compared with this champion.",
        champion=ref,
        actions=tuple(actions),
        source=source,
    )
