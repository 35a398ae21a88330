"""Fixtures for all tests: no network but this machine's, and a GitHub that lives here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.github import GitHub

LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on a connection to anywhere else, instead of waiting for it or depending on it."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and str(address[0]) not in LOCAL:
            raise RuntimeError(f"a test may not connect to {address[0]}")
        return connect(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOCAL | {socket.gethostname()}:
            raise RuntimeError(f"a test may not look up {name}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)


@pytest.fixture
def github() -> Iterator[GitHub]:
    """Serve a GitHub with pull request 7; whatever breaks GitHub's description fails the test."""
    with GitHub() as server:
        server.add_pull(7, "a" * 40)
        yield server
        assert server.violations == []
