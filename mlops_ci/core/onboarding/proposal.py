"""Proposes mlops-ci.yaml for a repository: one block per model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from mlops_ci.core.onboarding.columns import Meaning, is_predictions, meaning
from mlops_ci.core.onboarding.facts import Facts, ProjectFact, StageFact, Table
from mlops_ci.core.onboarding.metrics import ProposedMetric, row_metrics, scalar_metric
from mlops_ci.core.onboarding.production import training_data
from mlops_ci.core.onboarding.scalars import gateable
from mlops_ci.core.table_files import is_table

DEFAULT_PREDICTIONS = "predictions.csv"

_MODEL_SUFFIX = re.compile(
    r"\.(pkl|pickle|joblib|skops|pt|pth|ckpt|safetensors|onnx|h5|keras|bin|model|ubj|cbm|txt|json)$",
    re.IGNORECASE,
)
_SURELY_MODEL = re.compile(
    r"\.(pkl|pickle|joblib|skops|pt|pth|ckpt|safetensors|onnx|h5|keras|ubj|cbm)$", re.I
)
_NAMED_MODEL = re.compile(r"model|checkpoint|weights|booster|classifier|regressor", re.IGNORECASE)
_EVALUATES = re.compile(r"eval|test|score|validat", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ModelProposal:
    """The proposed block of one model; paths are relative to the repository.

    Attributes
    ----------
    ready
        Whether the gate has something to compare: predictions, or scalars.
    rows
        Rows of the holdout, where the predictions are here.
    trained_on, newer
        The table that the model is trained on, and the file of DVC that newer data come in.
    """

    name: str
    directory: str = "."
    targets: tuple[str, ...] = ()
    model: str = ""
    run_id: str = ""
    environment: tuple[str, ...] = ()
    scalars_file: str = ""
    predictions: str = ""
    meaning: Meaning = field(default_factory=lambda: Meaning(parts={}))
    rows: int | None = None
    metrics: tuple[ProposedMetric, ...] = ()
    unknown: tuple[str, ...] = ()
    ready: bool = True
    trained_on: str = ""
    newer: str = ""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The proposed blocks of all models, and what they share."""

    models: tuple[ModelProposal, ...]
    tracking_uri: str = ""
    notes: tuple[str, ...] = field(default=())


def propose(facts: Facts, name: str | None = None, tracking_uri: str | None = None) -> Proposal:
    """Return the proposal for a repository.

    Parameters
    ----------
    name
        Of the registered model, where the user said it; for several models, what their names start with.
    tracking_uri
        Of MLflow, where the user said it.
    """
    pairs = [
        (project, stage, out) for project in facts.projects for stage, out in _evaluations(project, facts)
    ]
    base = name or (facts.registered[0] if facts.registered else slug(facts.name))
    several = len(pairs) > 1
    models = [
        _model(facts, project, stage, out, _named(base, project, stage, out, several=several))
        for project, stage, out in pairs
    ]
    if not models:
        project = facts.projects[0] if facts.projects else ProjectFact()
        models = [_model(facts, project, None, "", base)]
    return Proposal(models=tuple(_distinct(models)), tracking_uri=tracking_uri or facts.tracking_uri)


def slug(text: str) -> str:
    """Return a name that MLflow and git take: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "model"


def model_of(project: ProjectFact, stage: StageFact | None) -> str:
    """Return the output that is the model: what the evaluation stage reads, else what any stage writes."""
    made = {out for one in project.stages for out in one.outs}
    candidates = [dep for dep in stage.deps if dep in made] if stage else []
    candidates += [] if stage and candidates else [out for one in project.stages for out in one.outs]
    for rule in (_SURELY_MODEL, _NAMED_MODEL):
        found = [path for path in candidates if rule.search(path) and not is_table(path)]
        if found:
            return found[0]
    return ""


def _evaluations(project: ProjectFact, facts: Facts) -> list[tuple[StageFact, str]]:
    """Return each stage that writes predictions, with the file; else each that writes metrics."""
    tables = {table.path: table for table in facts.tables}
    written = [(stage, out) for stage in project.stages for out in stage.outs]
    predictions = [
        (stage, out)
        for stage, out in written
        if is_table(out) and is_predictions(tables.get(out, Table(path=out)))
    ]
    if predictions:
        return predictions
    scored = [(stage, out) for stage, out in written if any(_within(file, out) for file in facts.scalars)]
    judged = [pair for pair in scored if _EVALUATES.search(pair[0].address)]
    return judged or scored[-1:]


def _within(file: str, out: str) -> bool:
    return file == out or file.startswith(f"{out}/")


def _named(base: str, project: ProjectFact, stage: StageFact, out: str, *, several: bool) -> str:
    if not several:
        return base
    folder = stage.file.rpartition("/")[0] or (project.directory if project.directory != "." else "")
    parts = [PurePosixPath(folder).name if folder else base, stage.item]
    if not stage.item and not folder:
        parts.append(PurePosixPath(out).stem)
    return "-".join(slug(part) for part in parts if part)


def _distinct(models: Sequence[ModelProposal]) -> list[ModelProposal]:
    """Make the models' names unique."""
    seen: dict[str, int] = {}
    out = []
    for one in models:
        seen[one.name] = seen.get(one.name, 0) + 1
        out.append(replace(one, name=f"{one.name}-{seen[one.name]}") if seen[one.name] > 1 else one)
    return out


def _model(facts: Facts, project: ProjectFact, stage: StageFact | None, out: str, name: str) -> ModelProposal:
    table = next((one for one in facts.tables if one.path == out and is_table(out)), None)
    predictions = out if is_table(out) else ""
    files = [file for file in facts.scalars if not stage or any(_within(file, made) for made in stage.outs)]
    files = files or ([] if len(facts.scalars) != 1 else list(facts.scalars))
    run_id = _run_id(facts, files)
    means = meaning(table) if table else Meaning(parts={})
    metrics: tuple[ProposedMetric, ...]
    unknown: tuple[str, ...] = ()
    if predictions:
        metrics = row_metrics(means, table.rows if table else None)
    else:
        known, others = gateable({file: facts.scalars[file] for file in files})
        metrics, unknown = tuple(scalar_metric(one) for one in known[:4]), tuple(others)
    ready = bool(metrics)
    if not ready:
        predictions, metrics = DEFAULT_PREDICTIONS, row_metrics(Meaning(parts={}), None)
    model = model_of(project, stage)
    trained_on, newer = training_data(facts, project, model)
    return ModelProposal(
        name=name,
        directory=project.directory,
        targets=_targets(project, stage),
        model=model,
        run_id=run_id,
        # Stages that log runs must find the server, unless the code says where it is.
        environment=("MLFLOW_TRACKING_URI",)
        if run_id and facts.tracking_from.startswith("the variable")
        else (),
        scalars_file=files[0] if files and not any("from" in metric.fields for metric in metrics) else "",
        predictions=predictions,
        meaning=means,
        rows=table.rows if table else None,
        metrics=metrics,
        unknown=unknown,
        ready=ready,
        trained_on=trained_on,
        newer=newer,
    )


def _targets(project: ProjectFact, stage: StageFact | None) -> tuple[str, ...]:
    """Return the stage as a target, unless the whole top dvc.yaml amounts to the same."""
    if stage is None:
        return ()
    needs_all = not stage.file and not stage.item
    return () if needs_all and len({one.file for one in project.stages}) == 1 else (stage.address,)


def _run_id(facts: Facts, files: Sequence[str]) -> str:
    for file in [*files, *facts.texts]:
        for key, value in facts.texts.get(file, {}).items():
            if key.lower().endswith("run_id") and re.fullmatch(r"[0-9a-f]{32}", value):
                return f"{file}:{key}"
    return ""
