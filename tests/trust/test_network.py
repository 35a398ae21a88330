"""No telemetry, and no network but the services that are configured: proven where every packet can be seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("unshare") or not shutil.which("ip") or os.geteuid() != 0,
        reason="needs root, unshare and iproute2",
    ),
]
# As on a laptop: nothing that libraries take for a sign to keep quiet.
LOUD = {
    "CI",
    "DO_NOT_TRACK",
    "DVC_NO_ANALYTICS",
    "MLFLOW_DISABLE_TELEMETRY",
    "DVC_TEST",
    "PYTEST_CURRENT_TEST",
}


def alone(folder: Path, *command: str) -> tuple[dict[str, Any], str]:
    """Run a command in a network namespace of its own, with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in LOUD and not name.startswith("GITHUB_")
    }
    environment = {**kept, "HOME": str(folder / "home")}
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    (folder / "home").mkdir(exist_ok=True)
    unshared = ["unshare", "--net", "--", sys.executable, str(HERE / "in_namespace.py")]
    done = subprocess.run(
        [*unshared, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_a_word_to_anyone_would_be_heard(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "for call in (lambda: socket.create_connection(('192.0.2.7', 443), 1), lambda: socket.getaddrinfo('telemetry.example', 443)):\n"
        "    try: call()\n"
        "    except OSError: pass\n"
    )
    heard, _ = alone(tmp_path, sys.executable, "-c", script)
    assert "192.0.2.7" in heard["sent"]
    assert any(one.startswith("DNS") and "telemetry.example" in one for one in heard["sent"]), heard


def test_demo_check_and_promote_speak_to_no_one(tmp_path: Path) -> None:
    heard, log = alone(tmp_path, sys.executable, "-m", "mlops_ci", "demo", "--dir", "demo")
    assert heard == {"code": 0, "sent": []}, log[-3000:]

    (work,) = [path.parent for path in (tmp_path / "demo").rglob("mlops-ci.yaml")]
    git = ("git", "-C", str(work), "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for command in (
        ("switch", "-q", "main"),
        ("merge", "-q", "--squash", "better"),
        ("commit", "-qm", "Better"),
        ("push", "-q"),
    ):
        subprocess.run([*git, *command], check=True, capture_output=True)
    promote = f"cd {work} && exec {sys.executable} -m mlops_ci promote --format json"
    heard, log = alone(tmp_path, "sh", "-c", promote)
    assert heard["sent"] == []
    assert heard["code"] == 0, log[-3000:]
    assert '"promoted_version": "2"' in log
