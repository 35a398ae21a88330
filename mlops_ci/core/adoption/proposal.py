"""What to write in mlops-ci.yaml for a repository: one block a model, each line with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from mlops_ci.core.adoption.columns import Meaning, is_predictions, meaning
from mlops_ci.core.adoption.facts import Facts, ProjectFact, StageFact, Table
from mlops_ci.core.adoption.production import training_data
from mlops_ci.core.adoption.scalars import Scalar, gateable
from mlops_ci.core.gate.power import rows_for_disagreement

# Margins that a holdout may be able to settle, from strict to lenient, and the disagreement that is usual
# between two versions of one model.
MARGINS = (0.01, 0.02, 0.03, 0.05)
DISAGREEMENT = 0.06
DEFAULT_PREDICTIONS = "predictions.csv"

_MODEL_SUFFIX = re.compile(
    r"\.(pkl|pickle|joblib|skops|pt|pth|ckpt|safetensors|onnx|h5|keras|bin|model|ubj|cbm|txt|json)$",
    re.IGNORECASE,
)
_SURELY_MODEL = re.compile(
    r"\.(pkl|pickle|joblib|skops|pt|pth|ckpt|safetensors|onnx|h5|keras|ubj|cbm)$", re.I
)
_NAMED_MODEL = re.compile(r"model|checkpoint|weights|booster|classifier|regressor", re.IGNORECASE)
_TABULAR = re.compile(r"\.(csv|tsv|parquet|pq|feather|arrow|jsonl|ndjson)$", re.IGNORECASE)
_EVALUATES = re.compile(r"eval|test|score|validat", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A metric to gate, and why so."""

    name: str
    fields: Mapping[str, Any]
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelProposal:
    """The block of one model; paths are relative to the repository.

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
    metrics: tuple[Line, ...] = ()
    unknown: tuple[str, ...] = ()
    ready: bool = True
    trained_on: str = ""
    newer: str = ""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """All models, and what holds for them together."""

    models: tuple[ModelProposal, ...]
    tracking_uri: str = ""
    notes: tuple[str, ...] = field(default=())


def propose(facts: Facts, name: str | None = None, tracking_uri: str | None = None) -> Proposal:
    """Return what to write for a repository.

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


def is_table(path: str) -> bool:
    """Say whether a path is a table by its suffix."""
    return bool(_TABULAR.search(path))


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
    """Give each model a name of its own."""
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
    metrics: tuple[Line, ...]
    unknown: tuple[str, ...] = ()
    if predictions:
        metrics = _row_metrics(means, table.rows if table else None)
    else:
        known, others = gateable({file: facts.scalars[file] for file in files})
        metrics, unknown = tuple(_scalar_line(one) for one in known[:4]), tuple(others)
    ready = bool(metrics)
    if not ready:
        predictions, metrics = DEFAULT_PREDICTIONS, _row_metrics(Meaning(parts={}), None)
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
        scalars_file=files[0] if files and not any("from" in line.fields for line in metrics) else "",
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
    """Name the stage where the whole top dvc.yaml would be more, or another file."""
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


def settling_margin(rows: int | None) -> float:
    """Return the strictest usual margin that this many rows can settle in four checks of five."""
    if rows is None:
        return MARGINS[0]
    able = [margin for margin in MARGINS if rows_for_disagreement(margin, DISAGREEMENT, 0.05) <= rows]
    return able[0] if able else MARGINS[-1]


def _row_metrics(means: Meaning, rows: int | None) -> tuple[Line, ...]:
    if means.task == "numbers":
        return (
            Line(
                name="root_mean_squared_error",
                fields={"margin": "2%"},
                why="the loss you accept: 2% of the champion's error; choose your own",
            ),
        )
    margin = settling_margin(rows)
    needed = rows_for_disagreement(margin, DISAGREEMENT, 0.05)
    why = f"the loss you accept: {margin * 100:g} point{'s' if margin > 0.01 else ''}"
    if rows is not None and needed > rows:
        why += f"; your {rows:,} rows are few: about {needed:,} settle this one"
    elif rows is not None:
        why += f", about what {rows:,} rows can settle"
    else:
        why += f"; about {needed:,} rows settle it"
    first = Line(name="accuracy", fields={"margin": margin}, why=why)
    if means.task == "classes" or "prediction" not in means.parts:
        return (first,) if "score" not in means.parts or "prediction" in means.parts else (_auc(),)
    return (first, _auc()) if "score" in means.parts else (first,)


def _auc() -> Line:
    return Line(name="roc_auc", fields={"margin": 0.01}, why="needs y_score; `gate: false` only shows it")


def _scalar_line(one: Scalar) -> Line:
    fields = {
        "from": f"{one.file}:{one.key}",
        "greater_is_better": one.greater_is_better,
        "margin": "2%" if one.relative else 0.01,
        "on_point": "fail",
    }
    return Line(name=one.name, fields=fields, why="a single number: its loss may be chance")
