"""A git server over HTTP as a forge has one: git's own backend behind a token that may read, or write too."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class GitServer:
    """Serves the bare repositories of a folder; anyone may read, who pushes needs a token.

    Attributes
    ----------
    writers
        Tokens that may push; an empty one lets anyone.
    asked
        Each request as method, path and the user's name, in their order.
    """

    def __init__(self, folder: Path, writers: Iterable[str] = ()) -> None:
        self.folder, self.writers = folder, set(writers)
        self.asked: list[tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> GitServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes, Any]:
        """Return status, body and headers, as git's backend gives them."""
        address = urlsplit(path)
        name, _, token = _login(headers.get("Authorization", "")).partition(":")
        self.asked.append((method, path, name))
        if "receive-pack" in path:
            if not token and "" not in self.writers:
                return 401, b"", [("WWW-Authenticate", "Basic")]
            if token not in self.writers:
                return 403, b"Write access to repository not granted.", []
        # GitHub's addresses have no suffix.
        inner = address.path if ".git/" in address.path else _with_suffix(address.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
            "PATH_INFO": inner,
            "QUERY_STRING": address.query,
            "REQUEST_METHOD": method,
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
            "REMOTE_USER": name or "anyone",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "-c", "http.receivepack=true", "http-backend"],
            env=environment,
            input=body,
            capture_output=True,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        said = [tuple(line.split(": ", 1)) for line in head.decode().splitlines() if ": " in line]
        status = next((int(value.split()[0]) for key, value in said if key == "Status"), 200)
        return status, content, [(key, value) for key, value in said if key != "Status"]


def _login(header: str) -> str:
    kind, _, value = header.partition(" ")
    return base64.b64decode(value).decode() if kind.lower() == "basic" else ""


def _with_suffix(path: str) -> str:
    owner, repository, rest = path.lstrip("/").split("/", 2)
    return f"/{owner}/{repository}.git/{rest}"


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            status, content, headers = server.answer(self.command, self.path, self.headers, self._body())  # type: ignore[arg-type]
            self.send_response(status)
            for key, value in headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
