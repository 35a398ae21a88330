"""Converts MLflow's runs and model versions to the values of the ports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mlops_ci.adapters.mlflow.errors import INVALID, MISSING, or_none
from mlops_ci.adapters.ports import Champion
from mlops_ci.core import tags as tag
from mlops_ci.core.report import ModelRef
from mlops_ci.errors import EvidenceError


def live_run(client: Any, run_id: str | None, whose: str) -> Any:
    """Return a run; an EvidenceError if it is gone or deleted."""
    run = or_none(lambda: client.get_run(run_id), MISSING, INVALID) if run_id else None
    if run is None:
        raise EvidenceError(
            f"run {run_id} of {whose} is not in MLflow any more",
            remedy="Point the alias at a version that still has its run, or use `mlops-ci adopt`.",
        )
    if run.info.lifecycle_stage == "deleted":
        raise EvidenceError(
            f"run {run_id} of {whose} is deleted",
            remedy=f"Restore it: `mlflow runs restore --run-id {run_id}`.",
        )
    return run


class Converter:
    """Converts runs and versions, with links to their pages.

    Parameters
    ----------
    site
        Root of the pages that a person can look at, or None.
    """

    def __init__(self, site: str | None) -> None:
        self._site = site

    def version(self, client: Any, found: Any, *, strict: bool = True) -> Champion:
        """Return a version with what its run knows; one without a run has its own tags only."""
        run = None
        if found.run_id:
            try:
                run = live_run(client, found.run_id, f"version {found.version} of '{found.name}'")
            except EvidenceError:
                if strict:
                    raise
        if strict and found.status != "READY":
            raise EvidenceError(
                f"version {found.version} of '{found.name}' is {found.status}",
                remedy="Wait until MLflow has registered it, or choose another version.",
            )
        tags = {**(run.data.tags if run else {}), **found.tags}
        return Champion(
            ref=ModelRef(
                version=str(found.version),
                run_id=found.run_id or None,
                digest=tags.get(tag.MODEL_DIGEST),
                url=self._page("models", found.name, "versions", found.version),
                commit=_first(tags.get(tag.GIT_COMMIT)),
            ),
            tags=tags,
            metrics=dict(run.data.metrics) if run else {},
            evaluation=tags.get(tag.EVALUATION_PATH),
            evaluation_run=tags.get(tag.EVALUATION_RUN) or found.run_id or None,
            created=_utc(found.creation_timestamp),
        )

    def run(self, run: Any) -> ModelRef:
        """Return a reference to a candidate's run."""
        return ModelRef(
            run_id=run.info.run_id,
            digest=run.data.tags.get(tag.MODEL_DIGEST),
            url=self._page("experiments", run.info.experiment_id, "runs", run.info.run_id),
            commit=_first(run.data.tags.get(tag.GIT_COMMIT)),
        )

    def _page(self, *path: Any) -> str | None:
        return self._site and f"{self._site}/#/" + "/".join(quote(str(part), safe="") for part in path)


def _first(words: str | None) -> str | None:
    return next(iter((words or "").split()), None)


def _utc(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(int(milliseconds) // 1000, UTC).isoformat()
