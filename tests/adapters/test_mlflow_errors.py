"""What a user is told when the registry fails: quickly, with a remedy, and without secrets."""

from __future__ import annotations

import contextlib
import http.server
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow_parts import candidate, free_port

from mlops_ci.adapters.mlflow import versions
from mlops_ci.adapters.mlflow.client import resolved
from mlops_ci.adapters.mlflow.errors import public, translated
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.errors import ServiceError, UsageError


@contextmanager
def answering(status: int, body: str, kind: str = "application/json") -> Iterator[str]:
    """Serve one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = answer  # noqa: N815 (the standard library's names)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://bot:s3cr3t-p4ss@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def failure(uri: str, kind: type[Exception] = ServiceError) -> tuple[str, float]:
    """Return what is said, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        MlflowRegistry(uri).champion("m", "champion")
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(caught.value)
    return str(caught.value), time.monotonic() - start


def test_nobody_listens() -> None:
    said, seconds = failure(f"http://bot:s3cr3t@127.0.0.1:{(port := free_port())}/prefix")
    assert f"MLflow: http://127.0.0.1:{port}/prefix refuses the connection, cannot read the champion" in said
    assert "run this again" in said
    assert seconds < 10


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said, seconds = failure("http://bot:s3cr3t@mlflow.invalid")
    assert "http://mlflow.invalid is not known" in said
    assert seconds < 10


@pytest.mark.slow
def test_a_server_that_never_answers() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        said, seconds = failure(f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert "does not answer in time" in said
    assert seconds < 30


def test_the_users_own_patience_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        said, seconds = failure(f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert "does not answer in time" in said
    assert seconds < 5


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, '{"error_code": "UNAUTHENTICATED", "message": "token expired"}'),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}'),
        (401, "You are not authenticated"),
        (403, "<html>forbidden</html>"),
    ],
)
def test_denied(status: int, body: str) -> None:
    with answering(status, body) as uri:
        said, _ = failure(uri)
    assert f"{public(uri)} denies access" in said
    assert "MLFLOW_TRACKING_TOKEN" in said


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_server_errors(status: int) -> None:
    with answering(status, "oops", "text/plain") as uri:
        said, seconds = failure(uri)
    assert f"{public(uri)} answers with server errors" in said
    assert seconds < 15


def test_a_login_page_and_a_wrong_address() -> None:
    for status in (200, 404):
        with answering(status, "<html>please log in</html>", "text/html") as uri:
            said, _ = failure(uri)
        assert "does not answer as an MLflow server does" in said


def test_a_server_of_mlflow_2_is_told_as_one() -> None:
    page = "<!doctype html><title>404 Not Found</title>"
    path = "/api/2.0/mlflow/logged-models/search"
    from mlflow.exceptions import MlflowException

    raised = MlflowException(
        f"API request to endpoint {path} failed with error code 404 != 200. Body: '{page}'"
    )
    said = str(translated("record the candidate", raised, ["http://user:secret@mlflow.example:5000"]))
    assert "http://mlflow.example:5000 is older than MLflow 3, cannot record the candidate" in said
    assert "Upgrade the server to MLflow 3.1 or newer" in said
    assert "secret" not in said


def test_no_folder_for_the_database(tmp_path: Path) -> None:
    registry = MlflowRegistry("sqlite:///no/such/mlflow.db", root=tmp_path)
    assert registry.champion("m", "champion") is None
    with pytest.raises(UsageError, match="there is no folder"):
        registry.record(candidate(tmp_path))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database" * 1000)
    start = time.monotonic()
    with pytest.raises(ServiceError, match=r"mlflow\.db.*not a database"):
        MlflowRegistry(None, root=tmp_path).champion("m", "champion")
    assert time.monotonic() - start < 20


def test_a_database_of_another_version_of_mlflow(sqlite_registry: MlflowRegistry, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("update alembic_version set version_num = '451aebb31d03'")
        database.commit()
    with pytest.raises(UsageError, match="made by another version of MLflow") as caught:
        sqlite_registry.champion("m", "champion")
    assert f"mlflow db upgrade sqlite:///{tmp_path}/mlflow.db" in caught.value.remedy


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "file:///x/mlruns", "file:mlruns"])
def test_the_file_store_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plain file store") as caught:
        MlflowRegistry(uri, root=tmp_path)
    assert "migrate-filestore" in caught.value.remedy


def test_a_database_needs_the_full_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "alembic" else real(name, *rest)
    )
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(UsageError, match="needs the full MLflow") as caught:
        MlflowRegistry(None, root=tmp_path).champion("m", "champion")
    assert "pip install 'mlops-ci[local]'" in caught.value.remedy


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolved(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolved("sqlite:///data/runs.db", tmp_path) == f"sqlite:///{tmp_path}/data/runs.db"
    assert resolved("sqlite:////x/runs.db", tmp_path) == "sqlite:////x/runs.db"
    assert resolved("https://u:p@host/a", tmp_path) == "https://u:p@host/a"
    assert resolved("databricks", tmp_path) == "databricks"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from-environment")
    assert resolved(None, tmp_path) == "http://from-environment"
    assert resolved("http://set", tmp_path) == "http://set"
    assert public("postgresql://u:p@host/db?password=x") == "postgresql://host/db"
    assert public("https://u:p@host:1/a?token=x#y") == "https://host:1/a"
    assert public("sqlite:////x/runs.db") == "sqlite:////x/runs.db"


def test_mlflow_comes_late_and_works_without_a_word(tmp_path: Path) -> None:
    """No import before the first call, no output, no process, no thread of telemetry."""
    script = f"""
import sys, threading
started = []
sys.addaudithook(lambda event, args: started.append(args) if event == "subprocess.Popen" else None)
from pathlib import Path
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
registry = MlflowRegistry(None, root=Path({str(tmp_path)!r}))
heavy = {{"mlflow", "pandas", "sklearn", "scipy", "sqlalchemy"}} & set(sys.modules)
assert not heavy, heavy
assert registry.champion("m", "champion") is None
assert "mlflow" not in sys.modules
from mlops_ci.adapters.ports import CandidateRecord
registry.record(CandidateRecord(model="m"))
assert not [args for args in started if "git" in str(args)], started
assert [thread.name for thread in threading.enumerate()] == ["MainThread"], threading.enumerate()
"""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=elsewhere, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "said",
    [
        '(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "model_version_tag_pk"',
        "(sqlite3.IntegrityError) UNIQUE constraint failed: model_version_tags.key",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'x' for key 'PRIMARY'\")",
    ],
)
def test_two_writers_of_one_tag_are_no_failure(said: str) -> None:
    """MLflow looks, then inserts: the slower of two gets the database's own words, whichever it is."""
    from mlflow.exceptions import MlflowException

    calls = []

    class Client:
        def set_model_version_tag(self, *arguments: str) -> None:
            calls.append(arguments)
            if len(calls) == 1:
                raise MlflowException(f"BAD_REQUEST: {said} DETAIL: Key already exists.")

    versions.tag_version(Client(), "m", "1", {"name": "value"})
    assert calls == [("m", "1", "name", "value")] * 2


def test_a_store_of_artifacts_that_fails_is_not_called_mlflows_server() -> None:
    """Its libraries, S3's among them, are not installed here: only where they come from counts."""
    from mlflow.exceptions import MlflowException

    kind = type("EndpointConnectionError", (Exception,), {"__module__": "botocore.exceptions"})
    bare = kind('Could not connect to the endpoint URL: "http://store.example/mlflow"')
    wrapped = MlflowException("boto failed")
    wrapped.__cause__ = kind("read timeout on endpoint")
    listed = MlflowException("failures occurred while downloading one or more artifacts from s3://b/a: reset")
    server = "http://mlflow.example"
    for failure in (bare, wrapped, listed):
        said = str(translated("download 'x'", failure, [server]))
        assert said.startswith("MLflow's artifact store: ")
        assert "cannot download 'x'" in said
        assert server not in said
    by_server = MlflowException("downloading one or more artifacts from mlflow-artifacts:/1/a: reset")
    assert str(translated("download 'x'", by_server, [server])).startswith("MLflow: ")


def test_transfers_that_fail_use_up_the_budget(
    sqlite_registry: MlflowRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite_registry._connection
    times = iter([0.0, 400.0, 800.0])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr("mlops_ci.adapters.mlflow.client.time", clock)
    with connection.calls("send much", transfers=True):
        pass
    with pytest.raises(ServiceError), connection.calls("send more", transfers=True):
        raise TimeoutError("timed out")
    with pytest.raises(ServiceError, match="too slow, its 300 s are up"), connection.calls("go on"):
        pass
