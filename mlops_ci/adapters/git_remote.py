"""Git on remotes: a safe way to call it, addresses without credentials, and short error messages."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlops_ci.errors import ServiceError, UsageError


def without_login(url: str, token: str | None) -> tuple[str, str | None]:
    """Return an address without its password (argument lists are public), and the token to use instead."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.password:
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), token or parts.password
    return url, token


def remote_environment(url: str, token: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return git's environment: only our configuration, and the token where only git sees it."""
    settings = {"protocol.allow": "never", "http.followRedirects": "false"}
    settings |= {f"protocol.{name}.allow": "always" for name in ("file", "http", "https", "ssh")}
    parts = urlsplit(url)
    if token and parts.scheme in ("http", "https") and parts.hostname:
        site = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        login = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings[f"http.{site}.extraHeader"] = f"Authorization: Basic {login}"
    kept = {
        name: environ[name]
        for name in (
            *("PATH", "HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "TMPDIR"),
            *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
        )
        if name in environ
    }
    # Some builds of git (Debian's, on GnuTLS) know only their own name for a forge's private authority.
    if "SSL_CERT_FILE" in kept:
        kept.setdefault("GIT_SSL_CAINFO", kept["SSL_CERT_FILE"])
    kept |= {name: value for name, value in environ.items() if name.lower().endswith("_proxy")}
    kept |= {"GIT_CONFIG_COUNT": str(len(settings))}
    for index, (name, value) in enumerate(settings.items()):
        kept |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
    return kept | {
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def last_words(said: str) -> str:
    """Return git's last meaningful line of output, shortened and without secrets."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and line.strip() != "Done"]
    telling = [line for line in lines if line.startswith(("remote:", "!", "fatal:", "error:"))]
    return " ".join((telling or lines or ["it said nothing"])[-3:])[-400:]


class GitCommand:
    """Calls git in one folder, without hooks, file monitors or the user's configuration.

    Parameters
    ----------
    folder
        Where git runs.
    environment
        The whole environment; see `remote_environment`.
    path
        Where git is looked for, as in PATH.
    options
        Further settings, as ``name=value``.
    timeout
        In seconds; a call that takes longer counts as failed.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        path: str | None,
        options: tuple[str, ...] = (),
        timeout: float = 120,
    ) -> None:
        git = shutil.which("git", path=path)
        if git is None:
            raise UsageError("git is not installed", remedy="Install git, or put it on PATH.")
        options = ("core.hooksPath=/dev/null", "core.fsmonitor=false", *options)
        self.command = [str(Path(git).absolute()), *(word for one in options for word in ("-c", one))]
        self._folder, self._environment, self._timeout = folder, environment, timeout

    def run(
        self,
        *arguments: str,
        cwd: Path | None = None,
        stdin: bytes = b"",
        more: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Call git; `more` is added to its environment. A timeout is reported as exit code 124."""
        try:
            return subprocess.run(
                [*self.command, *arguments],
                cwd=cwd or self._folder,
                env={**self._environment, **(more or {})},
                input=stdin,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"no answer in {self._timeout:g} s".encode()
            return subprocess.CompletedProcess(arguments, 124, b"", said)

    def checked(
        self,
        *arguments: str,
        cwd: Path | None = None,
        stdin: bytes = b"",
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Call git and return its output; raise a ServiceError if it fails."""
        done = self.run(*arguments, cwd=cwd, stdin=stdin, more=more)
        if done.returncode:
            words = last_words(done.stderr.decode(errors="replace"))
            raise ServiceError("git", f"git {arguments[0]} failed: {words}")
        return done.stdout.decode().strip()
