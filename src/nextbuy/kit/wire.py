"""The interface between clients and services: a function from a request in bytes to a response in bytes.

The HTTP server, the in-process transport and the gateway reach a service through `Handler` only, so a call in one
process crosses the same boundary as a call over the network.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Tagged
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.service_identity import ServiceIdentity

Reply = TypeVar("Reply")

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
EVENT_STREAM: Final = "text/event-stream"
STREAM_PATH: Final = "/api/stream"
"""The end of the path of each route that answers with Server-Sent Events, for as long as the client listens."""
READS: Final = ("GET", "HEAD")
"""The methods that change nothing. The fields of their requests are in the query; all others have a JSON body."""
REQUEST_ID: Final = "x-request-id"
DEADLINE: Final = "x-nextbuy-deadline-ms"
"""Milliseconds that the caller waits for a response."""
IDENTITY: Final = "x-nextbuy-service"
"""The signature of the gateway or service that sends the request (`ServiceIdentity`)."""
CLIENT: Final = "x-nextbuy-client"
"""The client's IP address. The gateway sets it, and removes it from requests that arrive with it."""
ORIGIN: Final = "x-nextbuy-origin"
"""The origin at which the client reached the gateway, if that is not the public URL. The gateway sets it."""
AGE: Final = "x-nextbuy-age"
"""On a response that is the same for everybody: the seconds since its data was read. The gateway replaces it."""
TOO_MANY_REQUESTS: Final = "/too-many-requests"
"""The page that the gateway shows to a browser beyond its rate limit."""
BACKGROUND: Final = "x-nextbuy-background"
"""Present on a call for background work (`kit/workload.py`)."""
INTERNAL_HEADERS: Final = frozenset({DEADLINE, IDENTITY, CLIENT, ORIGIN, BACKGROUND})
HOP_BY_HOP: Final = frozenset(
    {
        "connection", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that concern one connection and are not forwarded (RFC 9110, 7.6.1)."""

encode: Final = msgspec.json.Encoder(enc_hook=None).encode


class Request(Struct):
    """A request; header names are lower case, `query` is the part after the question mark.

    `trace` is the parsed `traceparent` header, if a sender in this process has parsed it. `sender` is the identity of
    the gateway or service that sends the request: the HTTP transport signs with it, and a received request has none.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    trace: SpanContext | None = None
    sender: ServiceIdentity | None = None

    @property
    def target(self) -> str:
        """The path with the query, as a client wrote it."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Response(Struct):
    """A response with its whole body."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = []


class StreamedResponse(Response):
    """A response whose body is still arriving, or is absent because of HEAD; `size` is its length, if known."""

    chunks: AsyncIterator[bytes] | None = None
    size: int | None = None

    async def whole(self) -> Response:
        """Return the response with its whole body."""
        chunks = [chunk async for chunk in self.chunks] if self.chunks is not None else []
        return Response(self.status, b"".join(chunks), self.content_type, self.headers)


class Encoded(Struct, Generic[Reply]):
    """A `Reply` that its use case has already encoded as JSON, with its entity tag, if it has one."""

    body: bytes
    etag: str = ""
    as_of: float | None = None
    """The monotonic time from which on changes may be missing. None if the reply is not the same for everybody."""


Handler = Callable[[Request], Awaitable[Response]]


def etag_of(reply: object) -> str:
    """Return the entity tag of a reply, or "" if it has none."""
    return reply.etag if isinstance(reply, Encoded | Tagged) else ""


def reply_response(status: int, reply: object) -> Response:
    """Return the reply of a use case as a response, with an ETag if it has one; a response is returned unchanged."""
    if isinstance(reply, Response):
        return reply
    etag = etag_of(reply)
    headers = [("etag", etag)] if etag else []
    if isinstance(reply, Encoded) and reply.as_of is not None:
        headers.append((AGE, f"{time.monotonic() - reply.as_of:.3f}"))
    body = reply.body if isinstance(reply, Encoded) else b"" if status == 204 else encode(reply)  # noqa: PLR2004
    return Response(status, body, headers=headers)


def problem_response(error: AppError, correlation_id: str) -> Response:
    """Return an error as a problem document (RFC 9457), with the headers that its status requires."""
    headers: list[tuple[str, str]] = []
    if error.retry_after is not None:
        headers.append(("retry-after", str(max(1, round(error.retry_after + 0.499)))))
    if error.status == 401:  # noqa: PLR2004
        headers.append(("www-authenticate", 'Bearer realm="nextbuy"'))
    headers.extend(error.headers)
    return Response(error.status, encode(error.problem(correlation_id)), PROBLEM, headers)
