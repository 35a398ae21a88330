"""Resolves the address and credential of the MLflow server that a model's settings name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_ci.errors import UsageError
from mlops_ci.settings import EnvironmentSettings, Settings

if TYPE_CHECKING:
    from mlops_ci.adapters.mlflow.client import Connection
    from mlops_ci.cli.session import Session


@dataclass(frozen=True, kw_only=True)
class MlflowAddress:
    """An MLflow server; None means MLflow's own variables, else the embedded default.

    Attributes
    ----------
    token
        For this server alone; None leaves the login to MLflow's own variables.
    """

    tracking: str | None
    registry: str | None
    token: str | None = None


def address_of(session: Session, settings: Settings) -> MlflowAddress:
    """Return the MLflow address: environment's own > flag > input > MLflow's variables > settings.

    Raises
    ------
    UsageError
        If a job names no server at all, or the variable of an environment's token is empty.
    """
    registry = settings.registry
    there = settings.promotion.environments.get(settings.promotion.environment or "", EnvironmentSettings())
    # An environment with a server of its own means that one: a job's variables are about another.
    tracking = None if there.tracking_uri else session.options.get("tracking_uri")
    tracking = tracking or registry.tracking_uri
    other = None if there.tracking_uri or there.registry_uri else session.options.get("registry_uri")
    if session.on_forge and not tracking and not (session.repository.root / "mlflow.db").exists():
        # The embedded default would be empty in a job: no champion, and so a pass that proves nothing.
        raise UsageError(
            "no MLflow server is named, so there is no champion to compare with",
            remedy="set the variable MLFLOW_TRACKING_URI, or registry.tracking_uri in mlops-ci.yaml; a run"
            " that a fork or Dependabot started gets neither variables nor secrets, and is judged by the"
            " workflows mlops-ci-forks.yml and mlops-ci-gate.yml",
        )
    return MlflowAddress(
        tracking=tracking,
        registry=other or registry.registry_uri or (registry.tracking_uri if there.tracking_uri else None),
        token=_token(there.token_variable),
    )


def connection_to(session: Session, settings: Settings) -> Connection:
    """Return the connection to a model's MLflow for traces, trends and probes."""
    from mlops_ci.adapters.mlflow.client import Connection  # noqa: PLC0415

    at = address_of(session, settings)
    return Connection(at.tracking, at.registry, session.repository.root.absolute(), at.token)


def _token(variable: str | None) -> str | None:
    if variable is None:
        return None
    token = os.environ.get(variable)
    if not token:
        raise UsageError(
            f"the variable {variable} is empty: it holds the token of this environment's MLflow",
            remedy="pass it to this job, or correct promotion.environments in mlops-ci.yaml",
        )
    return token
