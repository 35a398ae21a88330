"""A fake service on this machine: keeps what it was asked, misbehaves on request, obeys a description."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from fakes.openapi import Contract
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server


@dataclass
class Fault:
    """A misbehaviour: for the next `times` requests of a route (of all routes without one).

    With `after`, the request is carried out before its answer is lost or replaced; `then` is
    called once it was.
    """

    route: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    text: str | None = None
    reset: bool = False
    delay: float = 0.0
    after: bool = False
    times: int = 1
    then: Callable[[], object] | None = None


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    route: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class RefusalError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = answer({"message": message}, status)
        self.response.headers.extend(headers or {})


class FakeServer:
    """Routes requests to methods named after the route; subclasses hold the state.

    Parameters
    ----------
    contract
        Judges every request and every answer, but those of `unchecked` routes.
    routes
        Method and path by name.
    prefixes
        Roots under which the API is shown as well.
    """

    def __init__(
        self,
        contract: Contract,
        routes: Mapping[str, tuple[str, str]],
        *,
        port: int = 0,
        prefixes: tuple[str, ...] = (),
        unchecked: frozenset[str] = frozenset(),
    ) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.violations: list[str] = []
        self.lock = threading.RLock()
        self._contract, self._prefixes, self._unchecked = contract, prefixes, unchecked
        self._routes = Map([Rule(path, endpoint=name, methods=[way]) for name, (way, path) in routes.items()])
        self._server = make_server(
            "127.0.0.1", port, self._serve, threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, route: str | None = None, **values: Any) -> None:
        """Misbehave at the next request of a route; see `Fault`."""
        self.faults.append(Fault(route=route, **values))

    def count(self, route: str) -> int:
        """Return how many requests of a route came in."""
        return sum(seen.route == route for seen in self.requests)

    def admit(self, request: Request, route: str, values: dict[str, Any]) -> str:
        """Return who asks, or raise `RefusalError`; may take values off the path."""
        raise NotImplementedError

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        for prefix in self._prefixes:
            if environ["PATH_INFO"].startswith(prefix + "/"):
                environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
                break
        request = Request(environ)
        request.get_data()
        try:
            response = self._handle(request)
        except RefusalError as refusal:
            response = refusal.response
        except Exception as error:
            self.violations.append(f"the fake itself failed at {request.method} {request.path}: {error!r}")
            raise
        if response is None:
            # Closing with a linger time of zero sends RST: the client sees "connection reset".
            connection = environ["werkzeug.socket"]
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RD)
            connection.close()
            raise ConnectionAbortedError
        return response(environ, start_response)

    def _handle(self, request: Request) -> Response | None:
        try:
            route, values = self._routes.bind_to_environ(request.environ).match()
        except HTTPException as error:
            self.violations.append(f"{request.method} {request.path}: no such endpoint in the fake")
            raise RefusalError(error.code or 404, "Not Found") from error
        body = request.get_json(silent=True) if request.data else None
        with self.lock:
            self.requests.append(Seen(route, request.method, request.path, dict(request.headers), body))
            fault = next((item for item in self.faults if item.route in {None, route} and item.times), None)
            if fault:
                fault.times -= 1
        if fault is None:
            return self._carry_out(request, route, dict(values), body)
        time.sleep(fault.delay)
        lost = fault.reset or fault.status is not None
        response = None if lost and not fault.after else self._carry_out(request, route, dict(values), body)
        if fault.then:
            fault.then()
        if fault.status is not None:
            said = {"message": fault.message}
            response = Response(fault.text, fault.status) if fault.text else answer(said, fault.status)
            response.headers.extend(fault.headers)
        return None if fault.reset else response

    def _carry_out(self, request: Request, route: str, values: dict[str, Any], body: Any) -> Response:
        who = self.admit(request, route, values)
        checked = route not in self._unchecked
        problem = self._contract.request_problem(request) if checked else None
        if problem:
            self.violations.append(f"{request.method} {request.path}: {problem}")
            raise RefusalError(400, problem)
        with self.lock:
            response: Response = getattr(self, f"_{route}")(request, who, body, **values)
        problem = self._contract.response_problem(request, response) if checked else None
        if problem:
            self.violations.append(f"answer to {request.method} {request.path}: {problem}")
        return response


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Write no line a request."""


def answer(value: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(value), status=status, content_type="application/json; charset=utf-8")


def page(request: Request, items: list[Any], show: Callable[[Any], Any]) -> Response:
    """Return one page of a list, as GitHub and GitLab cut them."""
    size = min(100, int(request.args.get("per_page", 30)))
    number = int(request.args.get("page", 1))
    response = answer([show(item) for item in items[(number - 1) * size : number * size]])
    if number * size < len(items):
        query = "&".join(f"{key}={value}" for key, value in request.args.items() if key != "page")
        # Another host than the one asked, as behind a proxy: a client must count pages itself.
        target = f"https://elsewhere.example{request.path}?{query}&page={number + 1}"
        response.headers["Link"] = f'<{target}>; rel="next"'
    return response
