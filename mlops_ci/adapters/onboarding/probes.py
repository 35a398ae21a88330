"""Read-only probes of the DVC remote, MLflow and the forge, for `doctor`."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_ci.adapters.dvc.pipeline import DvcPipeline
from mlops_ci.adapters.http import Client, RefusedError
from mlops_ci.adapters.mlflow.client import LOGIN, Connection
from mlops_ci.adapters.mlflow.errors import DENIED, INVALID, MISSING, or_none, public
from mlops_ci.adapters.onboarding.inspect import remotes_of
from mlops_ci.adapters.ports.onboarding import ForgeState, RegistryState, RemoteState
from mlops_ci.errors import MlopsCiError

# No registry has so many versions: an alias can be asked for, and never set.
_NO_VERSION = "999999999"


class ServiceProbes:
    """Probes of the services around one model; implements `ports.onboarding.Probes`.

    Parameters
    ----------
    pipeline
        The model's DVC project.
    connection
        Its registry; made late, since importing MLflow takes a second.
    github
        A client, and the repository's name; None without a token.
    """

    def __init__(
        self,
        pipeline: DvcPipeline,
        connection: Any,
        github: tuple[Client, str] | None,
        targets: Sequence[str],
    ) -> None:
        self._pipeline = pipeline
        self._connection = connection
        self._github = github
        self._targets = targets

    def remote(self, directory: str, *, offline: bool) -> RemoteState:
        """Return the state of the DVC project's remote; offline, only what files say."""
        urls = remotes_of(self._pipeline.root)
        try:
            run = self._pipeline.describe(self._targets)
            locked, stale = bool(run.lock_text), run.lock_changed
            if offline or not urls:
                return RemoteState(urls=urls, stale=stale, locked=locked)
            missing = tuple(self._pipeline.not_in_remote(self._targets)) if locked else ()
        except MlopsCiError as error:
            return RemoteState(urls=urls, problem=error.problem, remedy=error.remedy)
        return RemoteState(urls=urls, stale=stale, locked=locked, missing=missing)

    def registry(self, model: str) -> RegistryState:
        """Return the state of MLflow: its version, and whether our identity may move this model's aliases.

        Permission is asked for by setting an alias to a version that cannot exist: who may not, is denied;
        who may, is told that there is no such version. Nothing changes either way.
        """
        connection: Connection = self._connection()
        address = public(connection.tracking)
        if connection.absent:
            return RegistryState(address=address)
        with connection.calls("ask for the registered model") as client:
            exists = or_none(lambda: client.get_registered_model(model), MISSING) is not None
            moves = _may_move(client, model) if exists else None
        return RegistryState(
            address=address, version=_version(connection), model_exists=exists, moves_aliases=moves
        )

    def forge(self) -> ForgeState | None:
        """Return what the forge's token may do; None if there is no token to ask with.

        Writing is asked for by changing a comment that cannot exist (number 0): without the permission
        GitHub answers 403, with it 404.
        """
        if self._github is None:
            return None
        client, repository = self._github
        reads = _allowed(lambda: client.get(f"/repos/{repository}/pulls", per_page=1))
        path = f"/repos/{repository}/issues/comments/0"
        comments = _allowed(lambda: client.send("PATCH", path, {"body": "mlops-ci doctor"}))
        return ForgeState(repository=repository, reads=reads, comments=comments)


def _may_move(client: Any, model: str) -> bool | None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 (heavy)

    try:
        client.set_registered_model_alias(model, f"mlops-ci-doctor-{uuid.uuid4().hex[:8]}", _NO_VERSION)
    except MlflowException as failure:
        if failure.error_code in DENIED:
            return False
        return True if failure.error_code in (MISSING, INVALID) else None
    return None


def _version(connection: Connection) -> str:
    """Return the server's version; a database has that of the library here."""
    if not connection.tracking.startswith(("http://", "https://")):
        from mlflow.version import VERSION  # noqa: PLC0415 (heavy)

        return str(VERSION)
    import requests  # noqa: PLC0415

    try:
        address = f"{public(connection.tracking).rstrip('/')}/version"
        answer = requests.get(address, headers=_login(connection), timeout=10)
    except requests.RequestException:
        return ""
    text = answer.text.strip()
    return text if answer.ok and len(text) < 20 else ""


def _login(connection: Connection) -> dict[str, str]:
    """Return the header that MLflow's own client would log in with."""
    user, password, token = (os.environ.get(name) for name in LOGIN)
    if connection.token is None and user and password:
        said = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {said}"}
    token = connection.token or token
    return {"Authorization": f"Bearer {token}"} if token else {}


def _allowed(call: Any) -> bool | None:
    """Return whether a request was permitted; a 404 counts, since it came after the permission check."""
    try:
        call()
    except RefusedError as error:
        if error.status in {401, 403}:
            return False
        return True if error.status in {404, 422} else None
    return True


def github_client(env: Mapping[str, str], token: str, repository: str) -> tuple[Client, str]:
    """Return a client of GitHub's API for a repository."""
    client = Client(
        env.get("GITHUB_API_URL", "https://api.github.com"),
        service="GitHub",
        headers={
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "mlops-ci",
        },
        authorization=("Authorization", f"Bearer {token}"),
        attempts=2,
        patience=10,
    )
    return client, repository


def parsed_workflows(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return workflows as plain values; a text that is not YAML becomes its error."""
    import yaml  # noqa: PLC0415

    found: dict[str, Any] = {}
    for path, text in texts.items():
        try:
            found[path] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            found[path] = f"{Path(path).name}: {str(error).splitlines()[0]}"
    return found
