"""The port `Registry` on MLflow: champions, candidates' runs, versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_ci.adapters.mlflow import candidates, runs, s3, versions
from mlops_ci.adapters.mlflow.client import Connection
from mlops_ci.adapters.mlflow.conversion import Converter, live_run
from mlops_ci.adapters.mlflow.errors import INVALID, MISSING, or_none
from mlops_ci.adapters.ports import CandidateRecord, Champion
from mlops_ci.core import tags as tag
from mlops_ci.core.report import ModelRef
from mlops_ci.errors import EvidenceError


class MlflowRegistry:
    """An MLflow tracking server or database, and its model registry (implements `ports.Registry`).

    Parameters
    ----------
    tracking_uri, registry_uri
        Addresses; None takes MLflow's own settings from the environment, else ``mlflow.db`` in `root`,
        which is what MLflow itself does on a laptop.
    root
        Folder that relative database paths are taken from: the repository's root.
    experiment
        Experiment of runs that are made here; None names it ``mlops-ci/<model>``.
    token
        For this server alone; None leaves the login to MLflow's own variables.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        *,
        root: Path | None = None,
        experiment: str | None = None,
        token: str | None = None,
    ) -> None:
        self._connection = Connection(tracking_uri, registry_uri, (root or Path.cwd()).absolute(), token)
        self._experiment = experiment
        self._described = Converter(self._connection.website)

    def champion(self, model: str, alias: str) -> Champion | None:
        """Return the version that an alias names, or None if the model or the alias never was.

        Raises
        ------
        ServiceError
            If MLflow does not answer, denies access, or fails.
        EvidenceError
            If the alias is gone with the version it named, or the version's run is deleted.
        """
        if self._connection.absent:
            return None
        with self._connection.calls(f"read the champion of '{model}'") as client:
            version = versions.aliased(client, model, alias)
            return None if version is None else self._described.version(client, version)

    def version(self, model: str, version: str) -> Champion | None:
        """Return one version, or None if it does not exist (any more)."""
        if self._connection.absent:
            return None
        with self._connection.calls(f"read version {version} of '{model}'") as client:
            found = or_none(lambda: client.get_model_version(model, version), MISSING, INVALID)
            return None if found is None else self._described.version(client, found)

    def history(self, model: str, limit: int = 20) -> list[Champion]:
        """Return the newest versions, newest first; those whose run is gone come without metrics."""
        if self._connection.absent:
            return []
        with self._connection.calls(f"read the versions of '{model}'") as client:
            found = versions.newest(client, model, limit)
            return [self._described.version(client, version, strict=False) for version in found]

    def download(self, run_id: str, artifact: str, into: Path) -> Path:
        """Fetch one artifact (a file or a folder) of a run into a folder; return where it is.

        Raises
        ------
        EvidenceError
            If the run or the artifact is not there (any more).
        """
        into.mkdir(parents=True, exist_ok=True)
        with self._connection.calls(f"download '{artifact}' of run {run_id}", transfers=True) as client:
            run = or_none(lambda: client.get_run(run_id), MISSING, INVALID)
            if run is None or not runs.exists(client, run, artifact):
                raise EvidenceError(
                    f"'{artifact}' of run {run_id} is not in MLflow any more",
                    remedy="Restore the run or its artifacts; for a champion, `mlops-ci adopt` records "
                    "an evaluation anew.",
                )
            fetched = runs.fetch(client, run_id, artifact, into)
        # `mlflow.pyfunc.load_model("models:/...")` leaves this file in the very store if that is a local
        # folder; it is no part of the model, and would change its digest.
        if (fetched / "MLmodel").is_file():
            (fetched / "registered_model_meta").unlink(missing_ok=True)
        return fetched

    def record(self, candidate: CandidateRecord) -> ModelRef:
        """Write the candidate's run, marked as complete only at the end; return its reference.

        An identical candidate that was recorded before gives its run again. The user's own run
        (`candidate.run_id`) is adopted unless it already stands for something else.

        Raises
        ------
        EvidenceError
            If a metric is not finite, a file is missing, or the user's run does not exist.
        ServiceError
            If MLflow does not answer, denies access, or fails.
        """
        runs.checked_metrics(candidate.metrics)
        runs.layout(candidate.artifacts, adopted=False)
        with self._connection.calls(f"record the candidate of '{candidate.model}'", transfers=True) as client:
            run = candidates.same_candidate(client, candidate)
            if run is not None:
                runs.accumulate(client, run, candidate)
            else:
                run_id = self._written(client, candidate)
                run = client.get_run(run_id)
            return self._described.run(run)

    def find_candidates(self, model: str, tags: Mapping[str, str]) -> list[ModelRef]:
        """Return complete candidate runs that carry all these tags, newest first.

        The tags are a hint: recompute the digests of what is downloaded before it is relied on.
        """
        if self._connection.absent:
            return []
        with self._connection.calls(f"search candidates of '{model}'") as client:
            found = candidates.matching(client, {**tags, tag.MODEL: model})
            return [self._described.run(run) for run in found]

    def candidate(self, run_id: str) -> Champion:
        """Return a recorded candidate with its tags and metrics.

        Raises
        ------
        EvidenceError
            If the run is not there (any more).
        """
        with self._connection.calls(f"read the candidate of run {run_id}") as client:
            run = live_run(client, run_id, "the candidate")
            tags = dict(run.data.tags)
            return Champion(
                ref=self._described.run(run),
                tags=tags,
                metrics=dict(run.data.metrics),
                evaluation=tags.get(tag.EVALUATION_PATH),
                evaluation_run=run_id,
            )

    def holdout_uses(self, model: str, holdout_digest: str, *, excluding: str | None = None) -> int:
        """Return how many different candidates were judged on this holdout.

        Parameters
        ----------
        excluding
            Evaluation digest that does not count: the candidate at hand, which may be there already.
        """
        if self._connection.absent:
            return 0
        wanted = {tag.MODEL: model, tag.HOLDOUT_DIGEST: holdout_digest}
        with self._connection.calls(f"count the uses of the holdout of '{model}'") as client:
            found = candidates.matching(client, wanted)
            digests = {run.data.tags.get(tag.EVALUATION_DIGEST) for run in found}
        return len(digests - {None, excluding})

    def create_version(self, model: str, ref: ModelRef, tags: Mapping[str, str]) -> ModelRef:
        """Register the run's model as a new version, with the run's lineage tags and these.

        A run whose very bytes are a version of this model already gives that version again.

        Raises
        ------
        EvidenceError
            If the run is gone, incomplete, or holds no model.
        """
        with self._connection.calls(f"register a version of '{model}'") as client:
            run = live_run(client, ref.run_id, f"the candidate of '{model}'")
            if run.data.tags.get(tag.COMPLETE) != "true" or tag.MODEL_PATH not in run.data.tags:
                raise EvidenceError(
                    f"run {ref.run_id} is not a complete candidate with a model",
                    remedy="Run the check again: it records the candidate.",
                )
            lineage = {name: value for name, value in run.data.tags.items() if name.startswith(tag.PREFIX)}
            version = versions.create(client, model, run, {**lineage, **tags})
            return self._described.version(client, client.get_model_version(model, str(version.version))).ref

    def attach(
        self,
        model: str,
        version: str,
        artifacts: Mapping[str, Path],
        tags: Mapping[str, str],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Store artifacts and metrics with an existing version, and tag it.

        They go into the version's run; one that was registered without a run gets one that is made
        here and named by its tags.

        Raises
        ------
        EvidenceError
            If the version does not exist, or its run is deleted.
        """
        placed = runs.layout(artifacts, adopted=False)
        with self._connection.calls(
            f"attach evidence to version {version} of '{model}'", transfers=True
        ) as client:
            found = versions.existing(client, model, version)
            run_id = found.tags.get(tag.EVALUATION_RUN) or found.run_id
            if run_id:
                s3.hold(live_run(client, run_id, f"version {version} of '{model}'").info.artifact_uri)
            else:
                run_id = self._made(client, model, f"{model} v{version}")
            for target, local in placed.items():
                runs.upload(client, run_id, local, target)
            for name, value in runs.checked_metrics(metrics or {}).items():
                client.log_metric(run_id, name, value)
            if not found.run_id:
                client.set_terminated(run_id, "FINISHED")
            versions.tag_version(client, model, version, {**tags, tag.EVALUATION_RUN: run_id})

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version, and read it back."""
        with self._connection.calls(f"set the alias '{alias}' of '{model}'") as client:
            versions.point(client, model, alias, str(version))

    def drop_alias(self, model: str, alias: str) -> None:
        """Remove an alias; it may be gone already."""
        with self._connection.calls(f"remove the alias '{alias}' of '{model}'") as client:
            or_none(lambda: client.delete_registered_model_alias(model, alias), MISSING, INVALID)

    def aliases(self, model: str) -> dict[str, str]:
        """Return the version that each alias of a model names now."""
        if self._connection.absent:
            return {}
        with self._connection.calls(f"read the aliases of '{model}'") as client:
            registered = or_none(lambda: client.get_registered_model(model), MISSING)
            return {} if registered is None else {k: str(v) for k, v in registered.aliases.items()}

    def keep(self, run_id: str, artifacts: Mapping[str, Path], tags: Mapping[str, str]) -> None:
        """Add artifacts to a candidate's run, then tags."""
        placed = runs.layout(artifacts, adopted=False)
        with self._connection.calls(f"keep what was decided with run {run_id}", transfers=True) as client:
            for target, local in placed.items():
                runs.upload(client, run_id, local, target)
            for name, value in tags.items():
                client.set_tag(run_id, name, value)

    def anchor(self, model: str, version: str, alias: str) -> str | None:
        """Return the ledger's line that a version's tag names, also where its run is gone."""
        with self._connection.calls(f"read version {version} of '{model}'") as client:
            found = or_none(lambda: client.get_model_version(model, version), MISSING, INVALID)
            return found and found.tags.get(tag.ledger_head(alias))

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
        with self._connection.calls(f"tag version {version} of '{model}'") as client:
            versions.tag_version(client, model, version, tags)

    def _written(self, client: Any, candidate: CandidateRecord) -> str:
        run = candidates.adoptable(client, candidate) if candidate.run_id else None
        if run is not None:
            s3.hold(run.info.artifact_uri)
            candidates.mark(client, client.get_experiment(run.info.experiment_id))
            runs.write(client, run.info.run_id, candidate, adopted=True)
            return str(run.info.run_id)
        link = {tag.ADOPTED_RUN: candidate.run_id} if candidate.run_id else {}
        run_id = self._made(client, candidate.model, candidate.name, link)
        try:
            runs.write(client, run_id, candidate, adopted=False)
        except BaseException:
            # Best effort: what counts is that the run lacks the tag of a complete one.
            or_none(lambda: client.set_terminated(run_id, "FAILED"))
            raise
        return run_id

    def _made(self, client: Any, model: str, name: str, tags: Mapping[str, str] | None = None) -> str:
        experiment = self._experiment or f"mlops-ci/{model}"
        where = candidates.experiment_for(client, experiment, self._connection.folder)
        made = client.create_run(where, tags=dict(tags or {}), run_name=name or None).info
        s3.hold(made.artifact_uri)
        return str(made.run_id)
