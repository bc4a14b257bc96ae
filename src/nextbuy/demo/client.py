"""A plain HTTP client for JSON, built on the standard library, to use the marketplace as any program could.

Each request has its own connection: the demo makes few, and none can fail on a connection that the server has closed.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

_TIMEOUT: Final = 30.0
_MAX_BYTES: Final = 16 * 1024 * 1024
_FIRST_ERROR: Final = 400


class Unreachable(Exception):
    """The server does not answer, or does not speak HTTP."""


@dataclass(frozen=True)
class Trace:
    """The ids that join the requests of one example: sent as `traceparent` (W3C Trace Context) and `X-Request-ID`."""

    request_id: str
    trace_id: str = field(default_factory=lambda: token_hex(16))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request: a new span, sampled, so that it is recorded."""
        return {"traceparent": f"00-{self.trace_id}-{token_hex(8)}-01", "X-Request-ID": self.request_id}


@dataclass(frozen=True)
class Response:
    """A response, and the milliseconds that it took; `json` is None if the body is not JSON."""

    status: int
    json: Any
    ms: float
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return self.status < _FIRST_ERROR

    @property
    def reason(self) -> str:
        """Why the request was refused, for people."""
        if not isinstance(self.json, dict):
            return "no reason given"
        detail = str(self.json.get("detail") or self.json.get("title") or "no reason given")
        correlation_id = self.json.get("correlation_id")
        return f"{detail} (logged as {correlation_id})" if correlation_id else detail


class Client:
    """A client of the marketplace at one URL."""

    def __init__(self, url: str) -> None:
        """Send requests to the gateway at `url`."""
        self.url = url if "://" in url else f"http://{url}"

    def absolute_url(self, path: str) -> str:
        """Return the URL of a path; an absolute URL is returned unchanged."""
        return urljoin(self.url, path)

    async def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send a request and return the response, whatever its status.

        Raises:
            Unreachable: the server does not answer.
        """
        all_headers = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            all_headers["Content-Type"] = "application/json"
        return await asyncio.to_thread(_exchange, method, self.absolute_url(path), payload, all_headers)


def _exchange(method: str, url: str, payload: bytes | None, headers: dict[str, str]) -> Response:
    began = time.perf_counter()
    try:
        parts = urlsplit(url)
        connect = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
        if connect is None or not parts.hostname:
            raise Unreachable(f"{url} is not the URL of a web server")
        connection = connect(parts.hostname, parts.port, timeout=_TIMEOUT)
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            connection.request(method, target, payload, headers)
            response = connection.getresponse()
            body = response.read(_MAX_BYTES)
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(f"No valid response from {url}: {str(error) or type(error).__name__}") from error
    ms = (time.perf_counter() - began) * 1000
    retry_after = response.headers.get("Retry-After", "")
    return Response(response.status, _decode(body), ms, float(retry_after) if retry_after.isdecimal() else None)


def _decode(body: bytes) -> object:
    try:
        decoded: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded
