"""A canary behind real nginx: its split, its access log as outcomes, and a rollback under load."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from canary_parts import Guarded
from mlflow_parts import free_port
from promotion_parts import SETTINGS, Story
from real_parts import running

from mlops_ci.core.canary.windows import seconds

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "templates" / "serving" / "nginx-split.sh"
SAMPLE = ROOT / "templates" / "serving" / "nginx.conf"
CANARY = """\
canary:
  outcomes: requests.jsonl
  id: request
  rates:
    false_positives: {column: y_pred, label: y_true, positive: malware, margin: 0.02}
    errors: {column: error, margin: 0.02}
  steps: [0.2, 0.5, 1]
  min_windows: 1
  window: 2
  settle: 0.5
"""


class Backend(socketserver.ThreadingUnixStreamServer):
    """A scanner of one version, on a Unix socket whose name holds the version.

    `alarms` is how often it calls a clean file malware.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, alarms: float) -> None:
        super().__init__(str(path), Scanner)
        self.alarms = alarms
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self) -> Any:
        request, _ = super().get_request()
        return request, ("local", 0)


class Scanner(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        wrong = random.random() < self.server.alarms
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Prediction", "malware" if wrong else "clean")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        return None


@dataclass
class Router:
    """nginx on a port, with our script's split and the log format of our sample."""

    folder: Path
    port: int
    backend: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NGINX": f"nginx -e {self.folder}/error.log -c {self.folder}/nginx.conf",
            "NGINX_SPLIT_CONF": str(self.folder / "split.conf"),
            "NGINX_BACKEND": self.backend,
        }

    def write(self) -> None:
        sample = SAMPLE.read_text()
        log = sample[sample.index("map $status") : sample.index("server {")]
        log = log.replace('"error":', '"y_true":"clean","y_pred":"$upstream_http_x_prediction","error":')
        server = sample[sample.index("server {") :]
        server = server.replace("8080", f"127.0.0.1:{self.port}")
        server = server.replace("/var/log/nginx/mlops-ci.jsonl", str(self.folder / "requests.jsonl"))
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            f"{user} daemon off; pid {self.folder}/nginx.pid; worker_processes 2;\n"
            "events { worker_connections 512; }\n"
            f"http {{ include {self.folder}/split.conf;\n{log}\n{server}\n}}\n"
        )


@contextlib.contextmanager
def router(folder: Path, backend: str) -> Iterator[Router]:
    if shutil.which("nginx") is None:
        pytest.fail("there is no nginx: run tests/end_to_end/setup.sh")
    folder.mkdir(exist_ok=True)
    one = Router(folder, free_port(), backend)
    (folder / "split.conf").write_text("")
    one.write()
    variables = {"MLOPS_CI_VERSION": "1", "MLOPS_CI_CHALLENGER": "", "MLOPS_CI_SHARE": "0"}
    # The first split is there before nginx is: only its reload has nothing to reload.
    subprocess.run(
        [str(SCRIPT)],
        env={**os.environ, **one.environment, **variables, "NGINX": "true"},
        check=True,
    )
    command = ["nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with running(command, folder / "nginx.log"):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            place = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
            with contextlib.suppress(OSError), contextlib.closing(place) as connection:
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            time.sleep(0.05)
        yield one


@dataclass
class Load:
    """Clients that ask without a pause over connections that stay open."""

    port: int
    path: str = "/"
    body: bytes | None = None
    answers: list[tuple[float, int, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    pause: float = 0.002
    reopened: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            self._ask_on(connection)

    def _ask_on(self, connection: http.client.HTTPConnection) -> None:
        headers = {"Content-Type": "application/json"} if self.body else {}
        while not self._stop.wait(self.pause):
            began = time.time()
            try:
                connection.request("POST" if self.body else "GET", self.path, self.body, headers)
                answer = connection.getresponse()
                answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as problem:
                # A connection that was idle may be closed by any HTTP server: every client asks again once.
                self.reopened += 1
                connection.close()
                try:
                    connection.request("POST" if self.body else "GET", self.path, self.body, headers)
                    answer = connection.getresponse()
                    answer.read()
                except OSError:
                    self.failures.append(repr(problem))
                    continue
            except OSError as problem:
                self.failures.append(repr(problem))
                connection.close()
                continue
            self.answers.append((began, answer.status, answer.getheader("X-Model-Version") or ""))

    def since(self, moment: float) -> list[tuple[float, int, str]]:
        return [one for one in self.answers if one[0] >= moment]


@dataclass
class Live(Guarded):
    """A guarded story by the real clock, whose outcomes are nginx's access log."""

    log: Path = Path()

    def run(self, verb: Any, effects: Any = None, **options: Any) -> Any:
        self.now = datetime.now(UTC)
        shutil.copy(self.log, self.root / "requests.jsonl")
        return super().run(verb, effects, **options)


def told(**figures: float) -> None:
    """Leave the figures of this run where a person asks for them."""
    place = os.environ.get("MLOPS_CI_FIGURES")
    if place:
        with Path(place).open("a") as file:
            file.write(json.dumps(figures) + "\n")


def live(story: Story, one: Router, monkeypatch: pytest.MonkeyPatch) -> Live:
    for name, value in one.environment.items():
        monkeypatch.setenv(name, value)
    lines = [line for line in SETTINGS.splitlines() if "_command" not in line]
    text = "\n".join(lines) + f"\n  deploy_command: {SCRIPT}\n" + CANARY
    return Live(replace(story, settings_text=text), log=one.folder / "requests.jsonl")


def test_a_surge_is_rolled_back_under_load_within_seconds_and_no_request_fails(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = Path(tempfile.mkdtemp(prefix="scanners-"))
    backends = [Backend(sockets / f"{version}.sock", alarms) for version, alarms in ((1, 0.02), (2, 0.5))]
    with router(tmp_path / "nginx", f"unix:{sockets}/{{version}}.sock") as one:
        team = live(story, one, monkeypatch)
        with Load(one.port) as load:
            time.sleep(0.5)
            team.start()
            began = time.time()
            report = team.look()
            # a slow machine serves too little for a proof at the first share
            while report.details["decision"] in ("continue", "step") and time.time() < began + 120:
                time.sleep(0.3)
                report = team.look()
            time.sleep(3)
        for backend in backends:
            backend.shutdown()
            backend.server_close()
        assert (report.exit_code, report.details["decision"]) == (1, "rollback"), report
        decided = next(
            e for e in team.story.history().entries if e.details.get("act") == "end" and e.phase == "intent"
        )
        moment = seconds(decided.time)
        last = max(at for at, _, version in load.answers if version == "2")
        told(
            requests=len(load.answers),
            failures=len(load.failures),
            reopened=load.reopened,
            seconds=round(last - moment, 2),
        )
        assert load.failures == []
        assert {status for _, status, _ in load.answers} == {200}
        assert last - moment < 5
        assert len(load.since(last)) > 100
        shares = [v == "2" for at, _, v in load.since(began) if at < moment]
        assert 0.1 < sum(shares) / len(shares) < 0.55  # the first share, or the first two


def test_a_configuration_that_nginx_refuses_changes_nothing(tmp_path: Path) -> None:
    with router(tmp_path / "nginx", "127.0.0.1:1{version}") as one:
        before = (one.folder / "split.conf").read_text()

        def run(**variables: str) -> int:
            given = {
                "MLOPS_CI_VERSION": "1",
                "MLOPS_CI_CHALLENGER": "2",
                "MLOPS_CI_SHARE": "0.05",
            } | variables
            environment = {**os.environ, **one.environment, **given}
            return subprocess.run([str(SCRIPT)], env=environment, check=False, capture_output=True).returncode

        assert run(NGINX_BACKEND="no;address:{version}") == 1
        assert run(MLOPS_CI_SHARE="1.5") == run(MLOPS_CI_SHARE="x") == run(MLOPS_CI_CHALLENGER="2; }") == 2
        assert (one.folder / "split.conf").read_text() == before
        assert run() == 0
        assert "5.00% 2;" in (one.folder / "split.conf").read_text()
        assert run() == 0
        assert run(MLOPS_CI_CHALLENGER="", MLOPS_CI_SHARE="0") == 0
        assert (one.folder / "split.conf").read_text() == before
        assert sorted(path.name for path in one.folder.glob("split*")) == ["split.conf"]


def test_two_versions_on_mlflows_own_server_behind_the_split(tmp_path: Path) -> None:
    import mlflow.sklearn
    from sklearn.dummy import DummyClassifier

    rows = [[0.0], [1.0]]
    # The last digit of a port is the version.
    base = 20_000 + 10 * (free_port() % 3_000)
    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for version in (1, 2):
                model = DummyClassifier(strategy="constant", constant=version).fit(rows, [1, 2])
                mlflow.sklearn.save_model(model, str(tmp_path / f"model-{version}"))
        quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        # MLflow starts uvicorn by its name.
        quiet["PATH"] = f"{Path(sys.executable).parent}:{quiet['PATH']}"
        for version in (1, 2):
            place = str(tmp_path / f"model-{version}")
            command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", place]
            command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(base + version)]
            stack.enter_context(running(command, tmp_path / f"serve-{version}.log", env=quiet))
        for version in (1, 2):
            wait_for(base + version, tmp_path / f"serve-{version}.log")
        one = stack.enter_context(router(tmp_path / "nginx", f"127.0.0.1:{base // 10}{{version}}"))
        body = json.dumps({"inputs": [[1.0]]}).encode()
        with Load(one.port, "/invocations", body, pause=0.01) as load:
            time.sleep(1)
            split(one, "2", "0.5")
            time.sleep(3)
            moment = time.time()
            split(one, "", "0")
            time.sleep(3)
        last = max(at for at, _, version in load.answers if version == "2")
        told(
            mlflow_requests=len(load.answers),
            failures=len(load.failures),
            reopened=load.reopened,
            seconds=round(last - moment, 2),
        )
        assert load.failures == []
        assert {status for _, status, _ in load.answers} == {200}
        between = [version for at, _, version in load.answers if moment - 2 < at < moment]
        assert 0.3 < between.count("2") / len(between) < 0.7
        assert last - moment < 5


def split(one: Router, challenger: str, share: str) -> None:
    variables = {"MLOPS_CI_VERSION": "1", "MLOPS_CI_CHALLENGER": challenger, "MLOPS_CI_SHARE": share}
    subprocess.run([str(SCRIPT)], env={**os.environ, **one.environment, **variables}, check=True)


def wait_for(port: int, log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        place = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(place) as connection:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.3)
    pytest.fail(f"MLflow's server did not start:\n{log.read_text()[-2000:]}")
