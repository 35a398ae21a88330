"""Helpers for git remotes: its environment, addresses without credentials, and short error messages."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from urllib.parse import urlsplit


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
