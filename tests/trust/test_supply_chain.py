"""What runs is what was locked: by hash, copied, and nothing that a stage edits comes back in the next job."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sysconfig
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
needs_uv = pytest.mark.skipif(UV is None, reason="needs uv")


def test_the_action_installs_by_hash_and_copies() -> None:
    script = (ROOT / "scripts" / "setup-action.sh").read_text()
    assert "UV_LINK_MODE=copy" in script
    assert "sync --quiet --locked --no-editable" in script
    assert "--require-hashes" in script
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    assert ["setup-action.sh" in step["run"] for step in steps] == [True, False]  # before any stage can run
    assert "-I -m mlops_ci" in steps[1]["run"]


def test_every_locked_package_and_the_installer_have_hashes() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    for package in lock["package"]:
        if package["name"] == "mlops-ci":
            continue
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one["hash"]) for one in files), package["name"]
    pinned = re.sub(r"\\\n\s*", "", (ROOT / "scripts" / "uv-requirements.txt").read_text())
    lines = [line for line in pinned.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert all(re.match(r"uv==[\d.]+ --hash=sha256:", " ".join(line.split())) for line in lines), lines


def test_a_release_is_built_once_attested_and_published_without_a_password() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    assert build["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    assert any("attest-build-provenance@" in step.get("uses", "") for step in build["steps"])
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "release"
    assert "password" not in str(release)


def wheel(folder: Path, text: str) -> None:
    """Write tiny-1.0, whose module holds a text."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "tiny.py": text,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data.encode()).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    files["tiny-1.0.dist-info/RECORD"] = "\n".join([*record, "tiny-1.0.dist-info/RECORD,,"]) + "\n"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project that locked tiny-1.0 from an index on this machine."""
    wheel(tmp_path / "index" / "tiny", "VALUE = 'honest'\n")
    handler = functools.partial(Quiet, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        (tmp_path / "pyproject.toml").write_text(
            '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tiny==1.0"]\n'
            f'[tool.uv]\npackage = false\n[[tool.uv.index]]\nurl = "http://127.0.0.1:{server.server_port}"\ndefault = true\n'
        )
        listed(tmp_path)
        done = uv(tmp_path, "lock")
        assert done.returncode == 0, done.stderr
        yield tmp_path
        server.shutdown()


def listed(folder: Path) -> None:
    """Write the index's page: the file, and the hash that it has now."""
    (path,) = (folder / "index" / "tiny").glob("*.whl")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "index" / "tiny" / "index.html").write_text(
        f'<a href="{path.name}#sha256={digest}">{path.name}</a>'
    )


def uv(folder: Path, *arguments: str, cache: str = "cache") -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # As scripts/setup-action.sh has it.
    environment = {**kept, "UV_CACHE_DIR": str(folder / cache), "UV_LINK_MODE": "copy"}
    command = [str(UV), *arguments, "--project", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def installed(project: Path) -> Path:
    (found,) = (project / ".venv").rglob("tiny.py")
    return found


@needs_uv
def test_another_wheel_than_the_locked_one_is_refused(project: Path) -> None:
    wheel(project / "index" / "tiny", "VALUE = 'changed'\n")
    listed(project)
    done = uv(project, "sync", "--locked", cache="another")
    assert done.returncode != 0
    assert "Hash mismatch" in done.stderr
    assert not (project / ".venv").exists() or not list((project / ".venv").rglob("tiny.py"))


@needs_uv
def test_an_edited_file_does_not_reach_the_cache(project: Path) -> None:
    assert uv(project, "sync", "--locked").returncode == 0
    assert installed(project).stat().st_nlink == 1
    installed(project).write_text("VALUE = 'tampered by a stage'\n")
    shutil.rmtree(project / ".venv")
    assert uv(project, "sync", "--locked").returncode == 0
    assert installed(project).read_text() == "VALUE = 'honest'\n"
