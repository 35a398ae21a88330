"""Pairs champion and candidate on the same holdout rows, rescoring the champion where needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mlops_ci.adapters.ports import Champion, Columns, Registry
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import Evaluation, differing, evaluation_digest, holdout_digest
from mlops_ci.core.report import Notice
from mlops_ci.errors import EvidenceError, HoldoutError
from mlops_ci.settings import EvaluationSettings, Settings

ENOUGH = 0.5


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Two evaluations of the same rows; `champion` is None if it has none."""

    champion: Evaluation | None
    candidate: Evaluation
    how: str = "all rows"
    notices: list[Notice] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)


def columns_of(settings: Settings) -> Columns:
    """Return the roles of the predictions file's columns; those set explicitly are required."""
    evaluation = settings.evaluation
    further = [item if isinstance(item, str) else item.column for item in evaluation.slices]
    for metric in settings.metrics.values():
        further += [metric.column] if metric.column else []
        further += metric.slices if isinstance(metric.slices, list) else []
    return Columns(
        id=evaluation.id,
        target=evaluation.target,
        prediction=evaluation.prediction,
        score=evaluation.score,
        group=evaluation.group,
        weight=evaluation.weight,
        time=evaluation.time,
        further=tuple(dict.fromkeys(further)),
        required=frozenset(further) | _written(evaluation),
    )


def _written(evaluation: EvaluationSettings) -> frozenset[str]:
    names: list[str] = []
    for key in ("target", "prediction", "score", "group", "weight", "time"):
        value = getattr(evaluation, key)
        if key in evaluation.model_fields_set and value:
            names += [value] if isinstance(value, str) else value
    return frozenset(names)


def match(
    settings: Settings, tools: Tools, registry: Registry, champion: Champion, candidate: Evaluation
) -> Matched:
    """Find the champion's evaluation on the candidate's rows.

    In this order: its own evaluation where the holdout is the same; a kept or new rescoring of the
    champion on the changed holdout; the rows both have, where they are at least half of each.

    Raises
    ------
    HoldoutError
        If too few rows are common.
    """
    own = own_evaluation(tools, registry, champion)
    if own is None:
        text = (
            f"The champion (version {champion.ref.version}) has no predictions in the registry, so only"
            " logged scalars can be compared. Take them in with `mlops-ci adopt --predictions FILE`."
        )
        return Matched(
            champion=None, candidate=candidate, how="none", notices=[Notice(text=text, level="warning")]
        )
    digest = holdout_digest(candidate)
    if holdout_digest(own) == digest:
        return _design_kept(Matched(champion=own, candidate=candidate))
    kept = _load(
        tools, registry, champion, rescored_path(digest) if champion.ref.run_id else None, optional=True
    )
    if kept is None and settings.evaluation.score_command and tools.shell:
        kept = _rescored_now(settings, tools, registry, champion, digest)
    if kept is not None and holdout_digest(kept) == digest:
        text = f"The holdout changed; the champion was scored again on its {len(candidate):,} rows."
        return Matched(champion=kept, candidate=candidate, how="rescored", notices=[Notice(text=text)])
    return _design_kept(_common(own, candidate))


def _design_kept(matched: Matched) -> Matched:
    """Return the match with the champion's groups and weights where the change has others.

    They say how much a row counts, so a change that moves them moves both models' metrics. Weights that the
    champion does not have yet count for both, once someone approves of them.
    """
    ours, theirs = matched.candidate, matched.champion
    said = []
    for what in ("group", "weight"):
        one, other = getattr(ours, what), getattr(theirs, what)
        if one is not None and other is not None and differing(one, other).any():
            ours = replace(ours, **{what: other})
            said.append(f"the {what}s of the holdout changed, and the champion's were used for both models")
        elif what == "weight" and one is not None and other is None:
            said.append("the weights of the holdout are new, and were used for both models")
    notices = [Notice(text=f"{text[0].upper()}{text[1:]}.", level="danger") for text in said]
    return replace(
        matched,
        candidate=ours,
        notices=[*matched.notices, *notices],
        approvals=[*matched.approvals, *said],
    )


def _common(champion: Evaluation, candidate: Evaluation) -> Matched:
    _, mine, theirs = np.intersect1d(candidate.id, champion.id, assume_unique=True, return_indices=True)
    ours, others = candidate.take(mine), champion.take(theirs)
    if ours.target is not None and others.target is not None:
        same = ~differing(ours.target, others.target)
        relabelled = int((~same).sum())
        ours, others = ours.take(same), others.take(same)
    else:
        relabelled = 0
    share = min(len(ours) / len(candidate), len(ours) / len(champion))
    what = (
        f"{len(candidate) - len(mine):,} rows are new, {len(champion) - len(theirs):,} are gone,"
        f" {relabelled:,} have another label"
    )
    if share < ENOUGH:
        raise HoldoutError(
            f"the holdout changed: {what}; {len(ours):,} rows in common are too few to compare on",
            remedy="set `evaluation.score_command`, run `mlops-ci adopt --rescore` on the target branch,"
            " or bring the holdout back",
        )
    text = f"This change alters the holdout: {what}. Compared on the {len(ours):,} rows that both have."
    return Matched(
        champion=others,
        candidate=ours,
        how="common rows",
        notices=[Notice(text=text, level="danger")],
        approvals=["the holdout changed, and only the common rows were compared"],
    )


def answers_differ(tools: Tools, registry: Registry, champion: Champion, candidate: Evaluation) -> list[str]:
    """Return why an evaluation cannot be the champion's own: its answers on the same rows differ.

    Scores may differ in their last digits, as devices do.
    """
    if champion.tags.get(tags.EVALUATION_DIGEST) == evaluation_digest(candidate):
        return []
    own = own_evaluation(tools, registry, champion)
    if own is None:
        return []
    _, mine, theirs = np.intersect1d(candidate.id, own.id, assume_unique=True, return_indices=True)
    ours, others = candidate.take(mine), own.take(theirs)
    found = []
    for what, one, other in (
        ("labels", ours.target, others.target),
        ("predictions", ours.prediction, others.prediction),
        ("scores", ours.score, others.score),
    ):
        if one is None or other is None or one.shape != other.shape:
            continue
        if what == "labels" or one.dtype.kind not in "fc" or other.dtype.kind not in "fc":
            same = ~differing(one, other)
        else:
            same = np.isclose(one, other, rtol=1e-3, atol=1e-6)
        rows = int((~same.reshape(len(same), -1).all(axis=1)).sum())
        if rows:
            found.append(
                f"the model is the champion's, byte for byte, but its {what} differ on {rows:,} rows"
            )
    return found


def own_evaluation(tools: Tools, registry: Registry, champion: Champion) -> Evaluation | None:
    """Return the evaluation stored with a version, or None if it has none."""
    return _load(tools, registry, champion, champion.evaluation)


def rescored_path(digest: str) -> str:
    """Return the artifact path of a champion's evaluation on another holdout."""
    return f"evaluation/{digest}.parquet"


def rescored(settings: Settings, tools: Tools, registry: Registry, champion: Champion) -> Evaluation:
    """Score the champion on the present holdout with the user's `score_command`, or reuse the stored result.

    Raises
    ------
    HoldoutError
        If the command is not set, fails, or writes no predictions.
    """
    command, run_id = settings.evaluation.score_command, champion.ref.run_id
    if tools.shell is None or command is None or run_id is None:
        raise HoldoutError(
            "the champion cannot be scored here",
            remedy="set `evaluation.score_command`; a version without a run takes `--predictions`",
        )
    artifact = champion.tags.get(tags.MODEL_PATH, tags.MODEL_ARTIFACT)
    model = registry.download(run_id, artifact, tools.scratch / "champion-model")
    output = tools.scratch / "champion-predictions.parquet"
    holdout = tools.root / (settings.evaluation.holdout or settings.evaluation.predictions or "")
    with tools.console.group(f"Scoring champion version {champion.ref.version}"):
        tools.shell(
            command,
            {"MLOPS_CI_MODEL": str(model), "MLOPS_CI_HOLDOUT": str(holdout), "MLOPS_CI_OUTPUT": str(output)},
        )
    if not output.exists():
        raise HoldoutError(
            "`evaluation.score_command` succeeded but wrote nothing to MLOPS_CI_OUTPUT",
            remedy="let it write a predictions file with the columns of `evaluation` to that path",
        )
    labels = tools.root / settings.evaluation.holdout if settings.evaluation.holdout else None
    return tools.evaluations.read(output, columns_of(settings), labels)


def _rescored_now(
    settings: Settings, tools: Tools, registry: Registry, champion: Champion, digest: str
) -> Evaluation:
    """Score the champion on the changed holdout, and store the result for the next check."""
    scored = rescored(settings, tools, registry, champion)
    if holdout_digest(scored) != digest:
        raise HoldoutError(
            "`evaluation.score_command` wrote other rows or labels than the candidate's holdout has",
            remedy="let it score exactly the rows of MLOPS_CI_HOLDOUT",
        )
    kept = tools.scratch / "rescored.parquet"
    tools.evaluations.save(scored, kept)
    registry.attach(settings.registry.model, champion.ref.version or "", {rescored_path(digest): kept}, {})
    return scored


def _load(
    tools: Tools, registry: Registry, champion: Champion, artifact: str | None, *, optional: bool = False
) -> Evaluation | None:
    if artifact is None or champion.evaluation_run is None:
        return None
    try:
        path = registry.download(champion.evaluation_run, artifact, tools.scratch / "champion")
    except EvidenceError:
        if optional:
            return None
        raise
    return tools.evaluations.load(path)
