"""Connects to MLflow: resolves its address, makes a quiet client, and translates its failures."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mlops_ci.adapters.mlflow.errors import public, translated
from mlops_ci.errors import MlopsCiError, ServiceError, UsageError

T = TypeVar("T")

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# MLflow reads these at each call. Nothing is said to anyone but us: no telemetry, no addresses
# on stdout, no progress bars; and MLflow's log handlers stay off the root logger.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
# MLflow's own defaults (7 retries, 120 s each) leave a user of a dead server waiting for minutes.
# Until the server has answered once, it gets two tries of 10 s; later calls may be large uploads.
FIRST = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
LATER = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
BUDGET = 300.0
"""Seconds that all calls of one connection may take together, transfers of artifacts apart that succeed."""
# Where clients send artifacts to S3 themselves, boto tries as often as we ask MLflow, a minute each.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
    "AWS_MAX_ATTEMPTS": "3",
}


LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def resolved(uri: str | None, root: Path) -> str:
    """Return the tracking address: as given, else MLflow's from the environment, else a local default.

    The default is what MLflow itself takes in the repository's root, ``sqlite:///mlflow.db``; a
    relative sqlite path is taken from the root, too, so that it does not depend on the working directory.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme == "sqlite" and not uri.startswith("sqlite:////"):
        return f"sqlite:///{root / uri.partition(':///')[2]}"
    if scheme == "file" or ("://" not in uri and not uri.startswith(("databricks", "uc:", "arn:"))):
        raise UsageError(
            f"MLflow's plain file store is not supported any more ('{uri}')",
            remedy="Name a server (http://...) or a database (sqlite:///mlflow.db) as registry.tracking_uri; "
            "`mlflow migrate-filestore` moves old runs into one.",
        )
    return uri


def clause(attribute: str, value: str) -> str | None:
    """Return a condition of an MLflow filter, or None if the value cannot be quoted safely.

    MLflow's filter language has no escapes. What the filter leaves open is always decided here, on
    the answers, so that a filter only saves time.
    """
    return f"{attribute} = '{value}'" if re.fullmatch(r"[\w.:/@+ -]+", value) else None


def pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the items of all pages; `page` fetches one by its token."""
    token: str | None = None
    while True:
        some = page(token)
        yield from some
        token = some.token
        if not token:
            return


@contextmanager
def quiet(
    patience: Mapping[str, str], token: str | None = None, addresses: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Silence MLflow and bound its timeouts and retries, unless the user has set them.

    A token takes the place of the login in MLflow's variables, which is for another server. The addresses
    are set as variables, too: MLflow 3.1 looks for a run's artifacts there, whatever its client was told.
    """
    mine = {**PATIENCE, **patience}
    before = {name: os.environ.get(name) for name in (*QUIET, *mine, *LOGIN, *(addresses or {}))}
    os.environ.update(
        {**QUIET, **(addresses or {})},
        **{name: value for name, value in mine.items() if name not in os.environ},
    )
    if token is not None:
        for name in LOGIN:
            os.environ.pop(name, None)
        os.environ[LOGIN[-1]] = token
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Connection:
    """One MLflow registry.

    Parameters
    ----------
    tracking_uri, registry_uri
        Addresses, or None for MLflow's own settings (environment), else sqlite in `root`.
    root
        Folder that relative database paths are taken from.
    token
        For this server alone, or None for MLflow's own variables.
    """

    def __init__(
        self, tracking_uri: str | None, registry_uri: str | None, root: Path, token: str | None = None
    ) -> None:
        self.token = token
        self.tracking = resolved(tracking_uri, root)
        registry_uri = registry_uri or os.environ.get("MLFLOW_REGISTRY_URI")
        self.registry = resolved(registry_uri, root) if registry_uri else self.tracking
        self._client: Any = None
        self._reached = False
        self._spent = 0.0

    @property
    def folder(self) -> Path | None:
        """The folder of an embedded sqlite database, or None for any other registry."""
        if not self.tracking.startswith("sqlite:///"):
            return None
        return Path(self.tracking.removeprefix("sqlite:///").partition("?")[0]).parent

    @property
    def absent(self) -> bool:
        """True if the registry is an sqlite file that does not exist yet: reading must not make one."""
        path = self.registry.removeprefix("sqlite:///").partition("?")[0]
        return self.registry.startswith("sqlite:") and not Path(path).exists()

    @property
    def website(self) -> str | None:
        """Root address of the web UI, or None."""
        if not self.tracking.startswith(("http://", "https://")):
            return None
        return public(self.tracking).rstrip("/")

    @contextmanager
    def calls(self, purpose: str, *, transfers: bool = False) -> Iterator[Any]:
        """Yield the client (an `mlflow.MlflowClient`); its failures are raised as our errors.

        Parameters
        ----------
        purpose
            What is being tried, as in "cannot <purpose>".
        transfers
            True where it moves artifacts, which may be large.

        Raises
        ------
        ServiceError
            If MLflow does not answer, denies access, or fails.
        UsageError
            If it refuses a value, or a package for this kind of registry is missing.
        EvidenceError
            If something it should have is not there.
        """
        if self._spent > BUDGET:
            problem = f"{public(self.tracking)} is too slow, its {BUDGET:.0f} s are up: cannot {purpose}"
            raise ServiceError("MLflow", problem, remedy="Look at the server, then run this again.")
        started, arrived = time.monotonic(), False
        addresses = {"MLFLOW_TRACKING_URI": self.tracking, "MLFLOW_REGISTRY_URI": self.registry}
        with quiet(LATER if self._reached else FIRST, self.token, addresses):
            try:
                self._client = self._client or self._connect()
                yield self._client
                self._reached = arrived = True
            except MlopsCiError:
                raise
            except ModuleNotFoundError as failure:
                raise UsageError(
                    f"the registry at {public(self.tracking)} needs the package '{failure.name}'",
                    remedy=f"Install it beside mlops-ci: `pip install {failure.name}` "
                    "(in the action: the input `extra-packages`).",
                ) from failure
            except ImportError as failure:
                raise UsageError(
                    f"MLflow does not work with what is installed beside it: {failure}",
                    remedy="Install a newer MLflow, or the versions of its time.",
                ) from failure
            except Exception as failure:
                # Artifact stores raise the classes of libraries that we do not know; our own slips
                # must stay what they are.
                if type(failure).__module__ == "builtins" and not isinstance(failure, OSError):
                    raise
                raise translated(purpose, failure, (self.tracking, self.registry)) from failure
            finally:
                self._spent += 0.0 if transfers and arrived else time.monotonic() - started

    def _connect(self) -> Any:
        for uri in (self.tracking, self.registry):
            self._require_database(uri)
        from mlflow import MlflowClient  # noqa: PLC0415 (heavy)

        return MlflowClient(tracking_uri=self.tracking, registry_uri=self.registry)

    def _require_database(self, uri: str) -> None:
        if uri.partition(":")[0].partition("+")[0] not in DATABASES:
            return
        if not all(importlib.util.find_spec(name) for name in ("sqlalchemy", "alembic")):
            raise UsageError(
                f"{public(uri)} is a database, which needs the full MLflow",
                remedy="Run `pip install 'mlops-ci[local]'`, or name a server as registry.tracking_uri.",
            )
        path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
        # Tried without this, an impossible path costs a minute of MLflow's own retries.
        if uri.startswith("sqlite:") and not path.parent.is_dir():
            raise UsageError(
                f"there is no folder '{path.parent}' for the registry's database",
                remedy="Create it, or correct registry.tracking_uri.",
            )
