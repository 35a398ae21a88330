"""What boto, with which MLflow's client reaches artifacts on S3 by itself, is held to.

MLflow makes its client of S3 of boto's default session, and gives it neither an end in time nor a doubt.
The events of that session, which is our own process's, are where both can be had.
"""

from __future__ import annotations

import time
from typing import Any

from mlops_ci.adapters.mlflow.errors import STORE
from mlops_ci.errors import ServiceError

PATIENCE = 300.0
"""Seconds without any answer after which nothing more is asked for one transfer.

A download tries five times what boto tries as often as it is told to, a minute each: a quarter of an hour.
"""
_OF_A_LISTING = ("Name", "IsTruncated", "KeyCount")


class Clock:
    """Since when a store has not answered: since the first request after its last answer."""

    def __init__(self) -> None:
        self.waiting: float | None = None

    def sending(self, **_: Any) -> None:
        """Send nothing more, by an error, where nothing has come back for too long."""
        now = time.monotonic()
        self.waiting = now if self.waiting is None else self.waiting
        if now - self.waiting > PATIENCE:
            raise ServiceError(
                STORE,
                f"no answer within {PATIENCE:.0f} s, it timed out",
                remedy="Look at the store, then run this again.",
            )

    def received(self, parsed_response: Any = None, **_: Any) -> None:
        """Take note of an answer; without one a try has failed."""
        if parsed_response is not None:
            self.waiting = None


_CLOCK = Clock()


def hold(artifact_uri: str) -> None:
    """Hold transfers from and to a place on S3 to `PATIENCE` and to real listings; others are left alone.

    To be called before MLflow's client first goes there, and before each transfer, whose time begins anew.

    Raises
    ------
    ModuleNotFoundError
        If boto is not installed, which MLflow needs for such a place.
    """
    if not artifact_uri.startswith("s3:"):
        return
    import boto3  # noqa: PLC0415 (heavy)

    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session()
    events = boto3.DEFAULT_SESSION.events
    for event, handler in (
        ("before-send.s3", _CLOCK.sending),
        ("response-received.s3", _CLOCK.received),
        ("after-call.s3.ListObjectsV2", check_listing),
    ):
        events.register(event, handler, unique_id=f"mlops-ci-{event}")
    _CLOCK.waiting = None


def check_listing(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    """Refuse an answer without what every listing has: to boto any XML is one, if an empty one.

    A proxy's page in the place of a listing would say that all is gone.

    Raises
    ------
    ServiceError
        If it is not a listing.
    """
    if http_response.status_code < 300 and not any(name in parsed for name in _OF_A_LISTING):
        raise ServiceError(
            STORE,
            "what it answers for a listing is not one",
            remedy="See what it answers there (a proxy's login page?), then run this again.",
        )
