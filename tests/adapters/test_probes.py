"""What `doctor` asks of MLflow and GitHub changes nothing, and tells who may do what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.github import GitHub
from mlflow_parts import client_of

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.adapters.onboarding import action_reference
from mlops_ci.adapters.onboarding.probes import ServiceProbes, github_client


def probes(registry: MlflowRegistry | None = None, github: Any = None) -> ServiceProbes:
    return ServiceProbes(None, lambda: registry and registry._connection, github, [])  # type: ignore[arg-type]


def test_asking_for_the_right_to_move_aliases_moves_none(registry: MlflowRegistry) -> None:
    client = client_of(registry)
    assert probes(registry).registry("m").model_exists is False
    client.create_registered_model("m")
    state = probes(registry).registry("m")
    assert (state.model_exists, state.moves_aliases) == (True, True)
    assert state.version.split(".")[0] == "3"
    assert client.get_registered_model("m").aliases == {}


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    registry = MlflowRegistry("sqlite:///mlflow.db", root=tmp_path)
    assert probes(registry).registry("m").model_exists is False
    assert list(tmp_path.iterdir()) == []


def asked(github: GitHub, token: str = "job-token") -> ServiceProbes:
    return probes(github=github_client({"GITHUB_API_URL": github.url}, token, github.repository))


def test_a_token_that_may_comment(github: GitHub) -> None:
    state = asked(github).forge()
    assert state is not None
    assert (state.reads, state.comments) == (True, True)
    assert github.comments == {}


def test_a_token_that_may_only_read(github: GitHub) -> None:
    github.grants = set()
    state = asked(github).forge()
    assert state is not None
    assert (state.reads, state.comments) == (True, False)


def test_a_token_that_is_wrong(github: GitHub) -> None:
    state = asked(github, "expired").forge()
    assert state is not None
    assert (state.reads, state.comments) == (False, False)
    assert probes().forge() is None


@pytest.mark.parametrize(
    ("url", "reference"),
    [
        ("https://forge.example/acme/mlops-ci", "acme/mlops-ci@v1"),
        ("https://forge.example/acme/mlops-ci.git", "acme/mlops-ci@v1"),
        ("git@forge.example:acme/mlops-ci.git", "acme/mlops-ci@v1"),
        ("ssh://git@forge.example:2222/acme/mlops-ci.git", "acme/mlops-ci@v1"),
        ("/srv/git/mlops-ci", None),
        ("file:///srv/git/mlops-ci.git", None),
        ("", None),
    ],
)
def test_where_this_action_is_from(url: str, reference: str | None) -> None:
    assert action_reference._reference(url, "v1") == reference
