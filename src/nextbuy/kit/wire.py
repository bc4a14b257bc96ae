"""The seam at which both ends of every request meet: a function over bytes.

`Request` in, `Response` out: the HTTP server, the in-process transport and the gateway all speak to a service through
`Handler` and nothing else, so one process keeps the honesty of the wire.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError
from nextbuy.kit.observability.telemetry import SpanContext

Reply = TypeVar("Reply")

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
REQUEST_ID: Final = "x-request-id"
DEADLINE: Final = "x-nextbuy-deadline-ms"
"""Milliseconds that the caller still has; a callee gives up by then."""
IDENTITY: Final = "x-nextbuy-service"
"""The signed identity of the service that makes an internal call."""
CLIENT: Final = "x-nextbuy-client"
"""The address that the gateway saw; set by the gateway, dropped from what clients send."""
INTERNAL_HEADERS: Final = frozenset({DEADLINE, IDENTITY, CLIENT})

encode: Final = msgspec.json.Encoder(enc_hook=None).encode


class Request(Struct):
    """A request as bytes; header names are lower case, `query` is what follows the question mark.

    `trace` is what the `traceparent` header says, where whoever made the request in this process knows it already.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    trace: SpanContext | None = None


class Response(Struct):
    """An answer as bytes."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = []


class Encoded(Struct, Generic[Reply]):
    """A reply that is JSON already, kept from an earlier answer."""

    body: bytes


Handler = Callable[[Request], Awaitable[Response]]


def problem_response(error: AppError, correlation_id: str) -> Response:
    """Return an error as the answer that tells of it (RFC 9457), with Retry-After where the error knows it."""
    headers: list[tuple[str, str]] = []
    if error.retry_after is not None:
        headers.append(("retry-after", str(max(1, round(error.retry_after + 0.499)))))
    if error.status == 401:  # noqa: PLR2004
        headers.append(("www-authenticate", 'Bearer realm="nextbuy"'))
    return Response(error.status, encode(error.problem(correlation_id)), PROBLEM, headers)
