"""MLflow's own permissions on a real server that asks for a login: `doctor` proves who may move aliases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guarded_repo import GuardedRepo, Outcome
from mlflow_parts import Server, client_of, start_server

from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.errors import ServiceError

pytestmark = pytest.mark.e2e

PASSWORD = "a-password-of-some-length"
SETTINGS = f"""\
[mlflow]
default_permission = READ
database_uri = sqlite:///{{folder}}/users.db
admin_username = admin
admin_password = {PASSWORD}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
MODEL = "moons"


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`mlflow server --app-name basic-auth`: whoever is not the administrator may read."""
    folder = tmp_path_factory.mktemp("asking-mlflow")
    (folder / "auth.ini").write_text(SETTINGS.format(folder=folder))
    more = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-test"}
    with start_server(folder, options=["--app-name", "basic-auth"], more=more) as server:
        yield server


def login(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}


# MLflow's module of the administrator's client imports its server.
@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_doctor_proves_that_the_checks_identity_cannot_move_aliases(
    asking: Server, unguarded: GuardedRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    def call(name: str, *arguments: str, password: str = PASSWORD) -> Outcome:
        env = {"MLFLOW_TRACKING_URI": asking.uri, **login(name, password)}
        return unguarded.call(*arguments, env=env)

    adopted = call("admin", "adopt", "--from-pipeline")
    assert adopted.code == 0, adopted.err
    for name, value in login("admin").items():
        monkeypatch.setenv(name, value)
    registry = MlflowRegistry(asking.uri)
    experiment = client_of(registry).get_experiment_by_name(f"mlops-ci/{MODEL}").experiment_id
    admin = AuthServiceClient(asking.uri)
    for name in ("checker", "promoter"):
        admin.create_user(name, PASSWORD)
    # All that a check needs beside reading: its runs.
    admin.grant_user_permission("checker", "experiment", experiment, "EDIT")
    admin.grant_user_permission("promoter", "registered_model", MODEL, "MANAGE")

    said = call("checker", "doctor").out
    assert "this identity may not move aliases, as it should be for a check" in said
    assert f"{asking.uri} answers (3." in said
    assert f"this identity may move the aliases of '{MODEL}'" in call("promoter", "doctor").out
    assert "denies access" in call("checker", "doctor", password="another").out
    # It is so: a check runs with that identity to its end, and its hand on the alias is refused.
    checked = call("checker", "check")
    assert checked.code == 0, checked.out + checked.err
    for name, value in login("checker").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceError, match="denies access, cannot set the alias"):
        MlflowRegistry(asking.uri).set_alias(MODEL, "champion", "1")
    assert registry.aliases(MODEL) == {"champion": "1"}
