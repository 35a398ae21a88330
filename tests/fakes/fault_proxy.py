"""A proxy between us and a service that breaks one request, or all from one on, in one of many ways."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MODES = ("slow", "reset", "lost", "half", "429", "500", "503", "html", "expired")
"""``slow`` answers after the client's patience; ``lost`` carries out and breaks; ``half`` cuts the answer;
``html`` is a portal's page with status 200; ``expired`` is a certificate."""


@dataclass(frozen=True)
class Fault:
    """What happens to requests `at` and later: to `times` of them, or to all."""

    mode: str
    at: int
    times: int | None = None

    def hits(self, number: int) -> bool:
        """Say whether the request of this number meets it."""
        return self.at <= number and (self.times is None or number < self.at + self.times)


class FaultProxy:
    """Passes requests on to a service on this machine.

    Parameters
    ----------
    upstream
        Address of the service.
    delay
        Seconds of a slow answer.
    certificates
        Folder with what `make_certificates` makes: then it speaks TLS.

    Attributes
    ----------
    seen
        Each request as ``METHOD path``, in their order, since the last `arm`.
    """

    def __init__(self, upstream: str, *, delay: float = 3.0, certificates: Path | None = None) -> None:
        self.upstream, self.delay = urlsplit(upstream), delay
        self.seen: list[str] = []
        self.fault: Fault | None = None
        self._contexts = _contexts(certificates) if certificates else None
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(self)
        scheme = "https" if certificates else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}{self.upstream.path}"

    def arm(self, fault: Fault | None = None) -> None:
        """Begin to count anew, with a fault to come or none."""
        with self._lock:
            self.seen, self.fault = [], fault

    def __enter__(self) -> FaultProxy:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fault_of(self, request: str) -> str:
        """Count a request; return the mode of the fault that it meets, or nothing."""
        with self._lock:
            self.seen.append(request)
            hit = self.fault is not None and self.fault.hits(len(self.seen) - 1)
            return self.fault.mode if hit and self.fault else ""

    def wrapped(self, connection: socket.socket) -> socket.socket:
        """Return a connection with the certificate that is due: one request a connection."""
        if self._contexts is None:
            return connection
        with self._lock:
            due = self.fault is not None and self.fault.mode == "expired" and self.fault.hits(len(self.seen))
        connection.settimeout(10)
        try:
            return self._contexts[due].wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            with self._lock:
                self.seen.append("handshake")
            raise


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # A wrapped connection is another object than the one that the server closes at the end.
        with contextlib.suppress(OSError), self.proxy.wrapped(request) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # some clients take the 100 of an older one for the answer

    def _serve(self) -> None:
        proxy = self.server.proxy
        self.close_connection = True
        body = _body(self)
        mode = proxy.fault_of(f"{self.command} {urlsplit(self.path).path}")
        if mode == "slow":
            proxy.closing.wait(proxy.delay)
            return
        if mode == "reset":
            self._break()
            return
        if mode in ("429", "500", "503"):
            self._answer(int(mode), [("Retry-After", "1")] if mode == "429" else [], b'{"message": "busy"}')
            return
        if mode == "html":
            self._answer(200, [("Content-Type", "text/html")], b"<html><body>Please log in.</body></html>")
            return
        status, headers, content = self._forward(body)
        if mode == "lost":
            self._break()
            return
        self._answer(status, headers, content, half=mode == "half")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        up = self.server.proxy.upstream
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
        if self.headers.get("Transfer-Encoding"):
            kept["Content-Length"] = str(len(body))
        connection = http.client.HTTPConnection(up.hostname or "", up.port, timeout=60)
        connection.request(self.command, self.path, body=body, headers=kept)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        dropped = ("connection", "transfer-encoding", "content-length", "keep-alive")
        length = (
            [("Content-Length", answer.getheader("Content-Length", "0"))] if self.command == "HEAD" else []
        )
        return (
            answer.status,
            [(k, v) for k, v in answer.getheaders() if k.lower() not in dropped] + length,
            content,
        )

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False
    ) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self.wfile.flush()
            self._break()

    def _break(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
        body = b""
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        return body
    return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))


def make_certificates(folder: Path) -> Path:
    """Make an authority, and a good and an expired certificate of it for 127.0.0.1; return the folder."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test authority")])

    def signed(name: x509.Name, begin: int, end: int, *, is_authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(authority).public_key(key.public_key())
        )
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + datetime.timedelta(days=begin))
        builder = builder.not_valid_after(now + datetime.timedelta(days=end))
        builder = builder.add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        if not is_authority:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(key, hashes.SHA256())

    host = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(signed(authority, -9, 9, is_authority=True).public_bytes(pem))
    for name, begin, end in (("good", -2, 2), ("expired", -4, -2)):
        certificate = signed(host, begin, end, is_authority=False)
        (folder / f"{name}.pem").write_bytes(private + certificate.public_bytes(pem))
    return folder


def _contexts(folder: Path) -> dict[bool, ssl.SSLContext]:
    found = {}
    for expired in (False, True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / ("expired.pem" if expired else "good.pem"))
        found[expired] = context
    return found


@contextlib.contextmanager
def through(upstream: str, **options: Any) -> Iterator[FaultProxy]:
    """Run a proxy before a service."""
    with FaultProxy(upstream, **options) as proxy:
        yield proxy
