"""An ordinary HTTP client for JSON, from the standard library: what any program would use against the marketplace.

Each request has a connection of its own: a demo has few, and none can then meet one that was closed meanwhile.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

_SECONDS: Final = 30.0
_LARGEST: Final = 16 * 1024 * 1024
_FIRST_REFUSAL: Final = 400


class Unreachable(Exception):
    """Nothing answers, or what answers is no HTTP."""


@dataclass(frozen=True)
class Trace:
    """What ties the requests of one example together: sent as `traceparent` (W3C Trace Context) and `X-Request-ID`."""

    request_id: str
    trace_id: str = field(default_factory=lambda: token_hex(16))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request: a span of its own, sampled, so that it is recorded."""
        return {"traceparent": f"00-{self.trace_id}-{token_hex(8)}-01", "X-Request-ID": self.request_id}


@dataclass(frozen=True)
class Answer:
    """What came back, and how many milliseconds it took; `said` is the decoded JSON, or None where it is none."""

    status: int
    said: Any
    ms: float
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        """Whether the request was granted."""
        return self.status < _FIRST_REFUSAL

    @property
    def why(self) -> str:
        """What a refusal says of itself."""
        if not isinstance(self.said, dict):
            return "no reason was given"
        detail = str(self.said.get("detail") or self.said.get("title") or "no reason was given")
        known_as = self.said.get("correlation_id")
        return f"{detail} (logged as {known_as})" if known_as else detail


class Client:
    """Speaks to the marketplace at one address."""

    def __init__(self, url: str) -> None:
        """Speak to `url`, the gateway's."""
        self.url = url if "://" in url else f"http://{url}"

    def address(self, path: str) -> str:
        """Return the whole address of a path; a whole address is returned as it is."""
        return urljoin(self.url, path)

    async def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        Raises:
            Unreachable: there is none.
        """
        sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return await asyncio.to_thread(_exchange, method, self.address(path), payload, sent)


def _exchange(method: str, address: str, payload: bytes | None, headers: dict[str, str]) -> Answer:
    began = time.perf_counter()
    try:
        parts = urlsplit(address)
        kind = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
        if kind is None or not parts.hostname:
            message = f"{address} is no address of a web server"
            raise Unreachable(message)
        connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            connection.request(method, target, payload, headers)
            response = connection.getresponse()
            body = response.read(_LARGEST)
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        message = f"Nothing that can be understood answers at {address}: {str(error) or type(error).__name__}"
        raise Unreachable(message) from error
    ms = (time.perf_counter() - began) * 1000
    waits = response.headers.get("Retry-After", "")
    return Answer(response.status, _decoded(body), ms, float(waits) if waits.isdecimal() else None)


def _decoded(body: bytes) -> object:
    try:
        decoded: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded
