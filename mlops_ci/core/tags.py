"""Names of the tags and artifacts in the registry; tags are search hints, never proof."""

from __future__ import annotations

PREFIX = "mlops_ci."

SCHEMA = "mlops_ci.schema"
"""Version of this vocabulary."""
COMPLETE = "mlops_ci.complete"
"""``true`` once everything is written: a run without it was cut short and is never used."""
CANDIDATES = "mlops_ci.candidates"
"""Of an experiment: ``true`` where it holds candidate runs."""
MODEL = "mlops_ci.model"
"""Registered name that the candidate would be promoted under."""
ADOPTED_RUN = "mlops_ci.adopted_run"
"""The user's own run of the same training, where the candidate's run is another one."""

COPIED_FROM = "mlops_ci.copied_from"
"""Of a candidate that came from another environment: which version of which model it is a copy of."""

PIPELINE_VERSION = "mlops_ci.pipeline_version"
MODEL_DIGEST = "mlops_ci.model_digest"
EVALUATION_DIGEST = "mlops_ci.evaluation_digest"
HOLDOUT_DIGEST = "mlops_ci.holdout_digest"
DVC_LOCK_DIGEST = "mlops_ci.dvc_lock_digest"

GIT_COMMIT = "mlops_ci.git_commit"
"""Commits that gave exactly this candidate, oldest first, separated by spaces."""
PULL_REQUEST = "mlops_ci.pull_request"
"""Pull requests that gave exactly this candidate, oldest first, separated by spaces."""

MODEL_PATH = "mlops_ci.model_path"
"""Artifact path of the model: a folder in MLflow's format, or the bare file."""
LOADABLE = "mlops_ci.loadable"
"""``true`` if MLflow can load the model, ``false`` for a bare file."""
EVALUATION_PATH = "mlops_ci.evaluation_path"
"""Artifact path of the per-row predictions."""
EVALUATION_RUN = "mlops_ci.evaluation_run"
"""Of a version: the run that holds its evaluation, where that is not the version's own."""
VERDICT = "mlops_ci.verdict"
"""What the check that recorded the candidate decided."""
VERDICT_PATH = "mlops_ci.verdict_path"
"""Artifact path of the newest judgement (see ``core.judgement``)."""
TOOL_VERSION = "mlops_ci.tool_version"

IDENTITY = (MODEL, PIPELINE_VERSION, MODEL_DIGEST, EVALUATION_DIGEST, HOLDOUT_DIGEST)
"""Two candidates that agree on these are one and the same."""
ACCUMULATED = (GIT_COMMIT, PULL_REQUEST)
"""Tags whose values add up when an identical candidate comes again."""

MODEL_ARTIFACT = "model"
EVALUATION_ARTIFACT = "evaluation/predictions.parquet"
DVC_LOCK_ARTIFACT = "evidence/dvc.lock"
MANIFEST_ARTIFACT = "evidence/manifest.json"
PROFILE_ARTIFACT = "evidence/profile.json"
"""Profile of the data that the model was trained on: monitoring never needs the data itself."""
VERDICT_FOLDER = "mlops_ci/verdicts"
PAGE_ARTIFACT = "mlops_ci/report.html"
"""The newest check's report as a page."""


def ledger_head(name: str) -> str:
    """Return the name of the version tag with the digest of the ledger line that moved alias `name` to it.

    It is the SHA-256 of that line: an anchor against rewriting. One an alias, since staging and
    production may have ledgers of their own.
    """
    return f"{PREFIX}ledger_head.{name}"


def alias(name: str) -> str:
    """Return the name of the model tag with the version that an alias was last set to.

    A registry drops an alias silently with the version it names; without this trace a deleted
    champion would look like a model that never had one.
    """
    return f"{PREFIX}alias.{name}"
