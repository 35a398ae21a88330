"""Artifacts on S3 that MLflow's client reaches by itself: when it stops waiting, and what it takes for a listing."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_ci.adapters.mlflow import s3
from mlops_ci.errors import ServiceError


@pytest.mark.parametrize(
    "listing", [{"Name": "bucket"}, {"IsTruncated": False}, {"KeyCount": 0}], ids=["name", "whole", "count"]
)
def test_an_empty_listing_is_one(listing: dict[str, Any]) -> None:
    s3.check_listing(SimpleNamespace(status_code=200), listing)


def test_a_page_is_no_listing() -> None:
    with pytest.raises(ServiceError, match=r"MLflow's artifact store: .*not one"):
        s3.check_listing(SimpleNamespace(status_code=200), {"ResponseMetadata": {}})


def test_a_refusal_is_left_to_boto() -> None:
    s3.check_listing(SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied"}})


def test_tries_without_an_answer_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(s3, "time", SimpleNamespace(monotonic=lambda: now))
    clock = s3.Clock()
    for _ in range(6):
        clock.sending(request=None)
        clock.received(parsed_response=None, exception=TimeoutError())
        now += 60.0
    with pytest.raises(ServiceError, match="no answer within 300 s"):
        clock.sending()


def test_a_long_transfer_that_is_answered_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(s3, "time", SimpleNamespace(monotonic=lambda: now))
    clock = s3.Clock()
    for _ in range(100):
        clock.sending()
        clock.received(parsed_response={"Body": None})
        now += 60.0


def test_other_places_do_not_need_boto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    for place in ("mlflow-artifacts:/1/a", "/a/folder", "gs://bucket/a", ""):
        s3.hold(place)
    with pytest.raises(ModuleNotFoundError):
        s3.hold("s3://bucket/a")
