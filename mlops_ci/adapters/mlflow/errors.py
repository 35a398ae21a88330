"""Translates MLflow's failures into our errors, with a remedy and without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from mlops_ci.errors import EvidenceError, MlopsCiError, ServiceError, UsageError

T = TypeVar("T")

MISSING = "RESOURCE_DOES_NOT_EXIST"
INVALID = "INVALID_PARAMETER_VALUE"
EXISTS = "RESOURCE_ALREADY_EXISTS"
DENIED = ("PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED")

# As sqlite, PostgreSQL, MySQL and SQL Server say that a row was inserted by someone else just now.
COLLIDED = re.compile(r"IntegrityError|UNIQUE constraint|UniqueViolation|duplicate key|Duplicate entry")

STORE = "MLflow's artifact store"
STORES = ("botocore", "boto3", "s3transfer", "azure", "google")
"""Libraries with which MLflow's client reaches a store of artifacts by itself, on S3 or at the others."""

# MLflow's words where it keeps the failures of several files as text alone.
_TRANSFERS = re.compile(r"one or more artifacts (?:from|to) (?!mlflow-artifacts:|https?:|file:)[\w+]+:")

SIGNS = (
    (r"connection refused", "refuses the connection"),
    (r"name or service not known|failed to resolve|nodename nor servname|name resolution", "is not known"),
    (r"certificate[ _]verify[ _]failed", "has a certificate that cannot be verified"),
    (r"timed out|timeout", "does not answer in time"),
    (r"too many 50\d|too many 429|error code 5\d\d|50\d server error", "answers with server errors"),
    (r"max retries exceeded|connection aborted|remote end closed", "cannot be reached"),
)


def public(uri: str) -> str:
    """Return an address without user, password and query, fit to be shown."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) if host else uri.partition("?")[0]


def _host(uri: str) -> str:
    return urlsplit(public(uri)).netloc.partition(":")[0]


def or_none(call: Callable[[], T], *codes: str) -> T | None:
    """Return what a call returns, or None if MLflow answers with one of these error codes."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 (heavy)

    try:
        return call()
    except MlflowException as failure:
        if failure.error_code in (codes or (MISSING,)):
            return None
        raise


def retry_on_collision(call: Callable[[], T], tries: int = 4) -> T:
    """Call again if two writers collided, which MLflow reports as its database's IntegrityError.

    Its setters of tags and aliases look first and insert then, so the first of two may fail.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 (heavy)

    for attempt in range(1, tries):
        try:
            return call()
        except MlflowException as failure:
            if not COLLIDED.search(str(failure)):
                raise
            time.sleep(0.1 * attempt)
    return call()


def translated(purpose: str, failure: Exception, uris: Sequence[str]) -> MlopsCiError:
    """Return an MLflow failure as one of our errors, naming the address without its secrets.

    Parameters
    ----------
    purpose
        What was tried, as in "cannot <purpose>".
    uris
        Addresses in use; the one that occurs in the failure's text is named, else the first.
    """
    code = getattr(failure, "error_code", "")
    whole = scrubbed(str(failure), uris)
    text = whole if len(whole) <= 300 else whole[:300] + "..."
    status = getattr(getattr(failure, "response", None), "status_code", 0)
    address = next((public(uri) for uri in uris if _host(uri) and _host(uri) in whole), public(uris[0]))
    if is_store_failure(failure):
        sign = next((said for pattern, said in SIGNS if re.search(pattern, whole, re.IGNORECASE)), None)
        return ServiceError(
            STORE,
            f"it {sign}, cannot {purpose}: {text}" if sign else f"cannot {purpose}: {text}",
            remedy="Check the store and our credential for it (on S3 MLFLOW_S3_ENDPOINT_URL and AWS_...), "
            "then run this again.",
        )
    if code in DENIED or status in (401, 403):
        return ServiceError(
            "MLflow",
            f"{address} denies access, cannot {purpose}",
            remedy="Check MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD: they may be missing, expired, or lack a permission.",
        )
    if code == INVALID:
        return UsageError(
            f"cannot {purpose}: MLflow refuses it: {text}", remedy="Correct the value that is named."
        )
    if code == MISSING:
        return EvidenceError(f"cannot {purpose}: {text}", remedy="It may have been deleted: look in MLflow.")
    if "out-of-date database schema" in text:
        return UsageError(
            f"cannot {purpose}: {address} was made by another version of MLflow",
            remedy=f"Run `mlflow db upgrade {address}` after a backup, or install the version that made it.",
        )
    if "404" in whole and "/mlflow/logged-models" in whole:
        return ServiceError(
            "MLflow",
            f"{address} is older than MLflow 3, cannot {purpose}",
            remedy="Upgrade the server to MLflow 3.1 or newer; `mlflow db upgrade` fixes its database.",
        )
    if code == "ENDPOINT_NOT_FOUND" or "not in a valid JSON format" in whole:
        text = "it does not answer as an MLflow server does"
    sign = next((said for pattern, said in SIGNS if re.search(pattern, whole, re.IGNORECASE)), None)
    problem = f"{address} {sign}, cannot {purpose}" if sign else f"{address}, cannot {purpose}: {text}"
    return ServiceError("MLflow", problem, remedy="Check the address and the server, then run this again.")


def is_store_failure(failure: BaseException) -> bool:
    """Return whether a failure came from the artifact store rather than MLflow's server."""
    if _TRANSFERS.search(" ".join(str(failure).split())):
        return True
    seen: BaseException | None = failure
    while seen is not None:
        if type(seen).__module__.partition(".")[0] in STORES:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def scrubbed(text: str, uris: Sequence[str]) -> str:
    """Return a failure's text on one line, without credentials."""
    for uri in uris:
        text = text.replace(uri, public(uri))
    return re.sub(r"//[^/@\s]+@", "//", " ".join(text.split()))
