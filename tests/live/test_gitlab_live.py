"""What a real GitLab makes of the component; see README.md. Skipped without a project and a token."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml

PROJECT, TOKEN, COMPONENT = (
    os.environ.get(f"MLOPS_CI_LIVE_GITLAB_{name}", "") for name in ("PROJECT", "TOKEN", "COMPONENT")
)
pytestmark = pytest.mark.skipif(
    not (PROJECT and TOKEN and COMPONENT), reason="needs MLOPS_CI_LIVE_GITLAB_PROJECT, _TOKEN and _COMPONENT"
)
CHOICES: list[dict[str, Any]] = [
    {},
    {"comment": "off", "promote": True},
    {"install": "echo one: two # three", "newer-data": "no"},
]


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let these tests, and these alone, reach the network."""


@pytest.mark.parametrize("inputs", CHOICES)
def test_gitlab_takes_the_component(inputs: dict[str, Any]) -> None:
    import requests

    root = os.environ.get("CI_API_V4_URL", "https://gitlab.com/api/v4")
    include = {"component": COMPONENT, **({"inputs": inputs} if inputs else {})}
    answer = requests.post(
        f"{root}/projects/{PROJECT}/ci/lint",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"content": yaml.safe_dump({"include": [include]}), "include_jobs": True},
        timeout=60,
    )
    answer.raise_for_status()
    said = answer.json()
    assert said["valid"], said["errors"]
    assert {job["name"] for job in said["jobs"]} >= {"mlops-ci-reproduce", "mlops-ci-check"}
