"""A JSON client for a forge's REST API, with bounded retries of what is safe to repeat."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from mlops_ci.errors import ServiceError, UncertainError

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0
GATEWAY = frozenset({500, 502, 503, 504})
PAGE_SIZE = 100
IDEMPOTENT = frozenset({"GET", "PUT", "PATCH", "DELETE"})


class RefusedError(ServiceError):
    """The service rejected the request (4xx): repeating it would fail again.

    Attributes
    ----------
    status
        HTTP status.
    message
        The service's own words.
    """

    def __init__(self, service: str, problem: str, *, status: int, message: str, remedy: str = "") -> None:
        super().__init__(service, problem, remedy=remedy)
        self.status = status
        self.message = message


class _Bearer(requests.auth.AuthBase):
    """Set the header as an auth object: a plain header would lose to an entry in ``~/.netrc``."""

    def __init__(self, header: str, value: str) -> None:
        self._header, self._value = header, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


class Client:
    """One session with one service.

    Parameters
    ----------
    base_url
        Root of the API; paths are appended to it.
    service
        Name for messages (``GitHub``).
    headers
        Sent with every request.
    authorization
        Name and value of the header that carries the token, or None to send none.
    attempts
        Tries of one request.
    patience
        Seconds that this client may spend on tries that fail and waiting between them, over its whole life.
    sleep
        For tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        headers: Mapping[str, str],
        authorization: tuple[str, str] | None = None,
        attempts: int = 6,
        patience: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self._base = base_url.rstrip("/")
        self._attempts = attempts
        self._patience = patience
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers.update(headers)
        self._session.auth = _Bearer(*authorization) if authorization else None
        # Retries are ours: urllib3's know nothing of rate limits, or of what a POST may have done.
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0))

    def get(self, path: str, **params: str | int) -> Any:
        """Return the JSON answer to a GET."""
        return _json(self._send("GET", path, params=params), self.service)

    def pages(self, path: str, **params: str | int) -> Iterator[dict[str, Any]]:
        """Yield the items of a paginated list."""
        page = 1
        while True:
            response = self._send("GET", path, params={**params, "per_page": PAGE_SIZE, "page": page})
            yield from _json(response, self.service)
            if "next" not in response.links:
                return
            page += 1

    def send(self, method: str, path: str, body: Any = None, *, repeatable: bool = False) -> Any:
        """Return the JSON answer to a request that changes something; None if it has no body.

        `repeatable` says that a POST may be sent twice without harm.

        Raises
        ------
        UncertainError
            If a POST that is not repeatable got no answer.
        """
        response = self._send(method, path, body=body, repeatable=repeatable)
        return _json(response, self.service) if response.content else None

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        repeatable: bool = False,
    ) -> requests.Response:
        may_repeat = repeatable or method in IDEMPOTENT
        what = f"{method} {path}"
        for attempt in range(1, self._attempts + 1):
            started = time.monotonic()
            url = path if path.startswith(("http://", "https://")) else self._base + path
            try:
                response = self._session.request(
                    method, url, params=params, json=body, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
                )
            except requests.RequestException as error:
                problem, wait = f"{what} failed ({_reason(error)})", None
                unsent = isinstance(error, requests.ConnectTimeout) or _never_connected(error)
            else:
                wait = _asked_to_wait(response)
                if response.ok:
                    return response
                problem, unsent = (
                    f"{what} answered {response.status_code} {_message(response)}",
                    wait is not None,
                )
                if not unsent and response.status_code not in GATEWAY:
                    raise self._refused(response, problem)
            self._patience -= time.monotonic() - started
            if not (may_repeat or unsent):
                with suppress(ServiceError):  # no time is left to wait
                    self._wait(attempt, None, problem)  # what was accepted needs a moment to show
                raise UncertainError(self.service, problem)
            self._wait(attempt, wait, problem)
        raise ServiceError(self.service, f"{problem}, {self._attempts} times", remedy="try again later")

    def _wait(self, attempt: int, asked: float | None, problem: str) -> None:
        """Sleep before the next try, or raise if that would take too long."""
        if attempt == self._attempts:
            return
        # Jitter, so that jobs that failed together do not come back together.
        seconds = asked if asked is not None else 0.5 * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        if seconds > self._patience:
            asks = f"; it asks to wait {asked:.0f} s" if asked else ", and its time is up"
            raise ServiceError(self.service, problem + asks, remedy="run the job again later")
        self._patience -= seconds
        self._sleep(seconds)

    def _refused(self, response: requests.Response, problem: str) -> RefusedError:
        message = _message(response)
        remedy = "check the token" if response.status_code == 401 else ""
        return RefusedError(
            self.service, problem, status=response.status_code, message=message, remedy=remedy
        )


def _asked_to_wait(response: requests.Response) -> float | None:
    """Return the seconds that a rate limit asks to wait; None if the answer is not a rate limit.

    GitHub answers both of its limits with 403 or 429; the secondary one may name no time, and then
    its documentation asks for a minute.
    """
    if response.status_code not in {403, 429}:
        return None
    after = response.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    if response.headers.get("x-ratelimit-remaining") == "0":
        reset = response.headers.get("x-ratelimit-reset", "")
        return max(1.0, float(reset) - time.time()) if reset.isdigit() else 60.0
    if response.status_code == 429 or "rate limit" in _message(response).lower():
        return 60.0
    return None


def _never_connected(error: requests.RequestException) -> bool:
    """Return whether a request failed before anything was sent."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError  # noqa: PLC0415

    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError)


def _reason(error: requests.RequestException) -> str:
    """Return a short name of a failure; urllib3's messages span several lines and repeat the address."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if _never_connected(error):
        return "cannot connect"
    return "the connection broke" if isinstance(error, requests.ConnectionError) else type(error).__name__


def _message(response: requests.Response) -> str:
    """Return the service's own words, on one line and short."""
    try:
        body = response.json()
        text = str(body.get("message") or body.get("error") or "") if isinstance(body, dict) else ""
    except ValueError:
        text = ""
    return " ".join(text.split())[:300]


def _json(response: requests.Response, service: str) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ServiceError(
            service, f"{response.request.method} {response.url.split('?')[0]} answered with no JSON"
        ) from error
