"""The audit's exit code is an answer: what pip-audit looked up is counted, by a service on this machine."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HASH = f"--hash=sha256:{'0' * 64}"
VULNERABLE = {
    "id": "GHSA-test",
    "summary": "told by a test",
    "affected": [
        {
            "package": {"name": "tiny", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Osv(http.server.BaseHTTPRequestHandler):
    """Knows of one vulnerability, in tiny 1.0; asked for a package `down`, it fails."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        known = {"vulns": [VULNERABLE]} if (name, asked["version"]) == ("tiny", "1.0") else {}
        self.send_response(503 if name == "down" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(known).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def audit(folder: Path, url: str, *packages: str, required: bool = False) -> tuple[int, list[str]]:
    listed = folder / "requirements.txt"
    listed.write_text("".join(f"{package} {HASH}\n" for package in packages))
    command = [sys.executable, str(ROOT / "scripts" / "audit.py"), "--requirement", str(listed)]
    command += ["--required"] * required + ["--", "--vulnerability-service", "osv", "--osv-url", url]
    done = subprocess.run(
        [*command, "--cache-dir", str(folder / "cache")], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


pytestmark = pytest.mark.e2e


def test_nothing_known_against_any_package(tmp_path: Path, service: str) -> None:
    for required in (False, True):
        assert audit(tmp_path, service, "tiny==1.1", "other==2.0", required=required) == (
            0,
            ["audit: 2 packages looked up, 0 known vulnerabilities"],
        )


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path, service: str) -> None:
    assert audit(tmp_path, service, "tiny==1.0", "other==2.0") == (
        1,
        [
            "audit: tiny 1.0: GHSA-test, fixed in 1.1",
            "audit: 2 packages looked up, 1 known vulnerabilities",
        ],
    )


@pytest.mark.parametrize(("required", "code"), [(False, 0), (True, 1)])
def test_no_service_is_said_and_no_success_where_it_is_required(
    tmp_path: Path, service: str, required: bool, code: int
) -> None:
    said = [
        "audit: no vulnerability service answered: nothing is known about any package, this is no clean bill"
    ]
    # Nobody listens; and a service that fails half way gave no answer either, whatever it said before.
    assert audit(tmp_path, "http://127.0.0.1:9/v1/query", "tiny==1.0", required=required) == (code, said)
    assert audit(tmp_path, service, "other==2.0", "down==1.0", required=required) == (code, said)


def test_a_request_that_is_wrong_is_no_missing_service(tmp_path: Path, service: str) -> None:
    code, said = audit(tmp_path, service, "tiny>=1.0")
    assert code == 1
    assert said[-1] == "audit: pip-audit failed"


def test_ci_requires_an_answer() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step] == [
        "scripts/dev audit --required"
    ]
