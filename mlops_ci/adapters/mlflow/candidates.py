"""Finds the runs of candidates, and the run that a candidate is written into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlops_ci.adapters.mlflow import runs
from mlops_ci.adapters.mlflow.client import clause, pages
from mlops_ci.adapters.mlflow.errors import EXISTS, INVALID, MISSING, or_none, retry_on_collision
from mlops_ci.adapters.ports import CandidateRecord
from mlops_ci.core import tags as tag
from mlops_ci.errors import EvidenceError, UsageError

PAGE = 500


def matching(client: Any, wanted: Mapping[str, str]) -> Iterator[Any]:
    """Yield the complete candidate runs that carry all these tags, newest first."""
    wanted = {**wanted, tag.COMPLETE: "true"}
    clauses = [clause(f"tags.`{n}`", v) for n, v in wanted.items() if n not in tag.ACCUMULATED]
    marked = clause(f"tags.`{tag.CANDIDATES}`", "true")
    experiments = [
        experiment.experiment_id
        for experiment in pages(
            lambda token: client.search_experiments(filter_string=marked, page_token=token)
        )
    ]
    if not experiments:
        return
    said = " and ".join(each for each in clauses if each)
    for run in pages(lambda token: client.search_runs(experiments, said, max_results=PAGE, page_token=token)):
        if all(_carries(run.data.tags, name, value) for name, value in wanted.items()):
            yield run


def same_candidate(client: Any, record: CandidateRecord) -> Any | None:
    """Return the complete run of an identical candidate, or None if there is none.

    Identical are those of one pipeline version whose model, evaluation, holdout and metrics agree;
    its artifacts must still be there.
    """
    identity = identity_of(record.tags, record.model)
    if not identity.get(tag.PIPELINE_VERSION) or not identity.get(tag.MODEL_DIGEST):
        return None
    metrics = runs.checked_metrics(record.metrics)
    for run in matching(client, {name: value for name, value in identity.items() if value}):
        agrees = identity_of(run.data.tags, run.data.tags[tag.MODEL]) == identity
        if agrees and metrics.items() <= run.data.metrics.items() and _whole(client, run):
            return run
    return None


def identity_of(tags: Mapping[str, Any], model: str) -> dict[str, str]:
    """Return the identity of a candidate: equal for equal candidates; empty if a digest is unknown."""
    return {**{name: str(tags.get(name, "")) for name in tag.IDENTITY}, tag.MODEL: model}


def adoptable(client: Any, record: CandidateRecord) -> Any | None:
    """Return the user's own run if the candidate may be written into it, else None.

    The pull request names the run, so it could name any: one that a registered version stands on,
    or that holds another candidate, is left as it is.

    Raises
    ------
    EvidenceError
        If there is no such run, or it or its experiment is deleted.
    """
    run_id = str(record.run_id)
    run = or_none(lambda: client.get_run(run_id), MISSING, INVALID)
    if run is None:
        raise EvidenceError(
            f"candidate.run_id names run '{run_id}', which MLflow does not have",
            remedy="Check that the pipeline logs to the same MLflow, or remove candidate.run_id.",
        )
    experiment = client.get_experiment(run.info.experiment_id)
    if run.info.lifecycle_stage == "deleted" or experiment.lifecycle_stage == "deleted":
        raise EvidenceError(
            f"candidate.run_id names run '{run_id}', which is deleted",
            remedy=f"Restore it (`mlflow runs restore --run-id {run_id}`), or train again.",
        )
    if client.search_model_versions(f"run_id = '{run.info.run_id}'", max_results=1):
        return None
    ours = tag.SCHEMA in run.data.tags
    other = identity_of(run.data.tags, run.data.tags.get(tag.MODEL, "")) != identity_of(
        record.tags, record.model
    )
    return None if ours and other else run


def experiment_for(client: Any, name: str, folder: Path | None) -> str:
    """Return the id of the experiment of that name, made if needed, and mark it as holding candidates.

    Parameters
    ----------
    folder
        Of an embedded database: its artifacts belong beside it, MLflow's default is the working directory.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        place = None if folder is None else str(folder / "mlruns" / quote(name, safe=""))
        # Another process may be making it at the same time: then theirs is as good.
        or_none(lambda: client.create_experiment(name, artifact_location=place), EXISTS)
        experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage == "deleted":
        raise UsageError(
            f"the MLflow experiment '{name}' is deleted",
            remedy=f"Restore it: `mlflow experiments restore --experiment-id {experiment.experiment_id}`.",
        )
    mark(client, experiment)
    return str(experiment.experiment_id)


def mark(client: Any, experiment: Any) -> None:
    """Mark an experiment, so that candidates are found without searching all experiments."""
    if experiment.tags.get(tag.CANDIDATES) != "true":
        retry_on_collision(
            lambda: client.set_experiment_tag(experiment.experiment_id, tag.CANDIDATES, "true")
        )


def _carries(tags: Mapping[str, str], name: str, value: str) -> bool:
    held = tags.get(name)
    if held is None:
        return False
    return value in held.split() if name in tag.ACCUMULATED else held == value


def _whole(client: Any, run: Any) -> bool:
    """Return whether what the run says it holds is still there: people delete large artifacts."""
    paths = [run.data.tags[name] for name in (tag.MODEL_PATH, tag.EVALUATION_PATH) if name in run.data.tags]
    return all(runs.exists(client, run, path) for path in paths)
