"""Request headers without those that clients may not set, and the security and CORS headers of responses."""

from collections.abc import Sequence
from typing import Final

from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import HeadersTooLarge
from nextbuy.kit.http.idempotency import HEADER as IDEMPOTENCY_KEY
from nextbuy.kit.http.idempotency import InvalidIdempotencyKey
from nextbuy.kit.wire import AGE, HOP_BY_HOP, IDENTITY, INTERNAL_HEADERS, Response

Pair = tuple[bytes, bytes]
SIZE_LIMIT: Final = 16 * 1024
"""Bytes of all header names and values together."""
COUNT_LIMIT: Final = 100
_DROPPED: Final = (HOP_BY_HOP - {"transfer-encoding"}) | INTERNAL_HEADERS | {"expect"}
"""Not forwarded. Transfer-encoding is not among them, because it shows whether a body follows."""
_SET_BY_SERVER: Final = HOP_BY_HOP | {"date", "server", "content-length", "content-type", AGE}
"""Set by the HTTP server, from the fields of `Response`, or (`AGE`) for the gateway alone."""
_REQUEST_HEADERS: Final = (
    "authorization, content-type, idempotency-key, if-match, if-none-match, traceparent, x-csrf-token, x-request-id"
)
"""Headers that pages of other origins may send."""
_KNOWN: Final = {
    name.encode(): name
    for name in (
        "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "content-length",
        "content-type", "cookie", "host", "idempotency-key", "if-match", "if-none-match", "origin", "referer",
        "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "stripe-signature", "traceparent", "transfer-encoding",
        "user-agent", "x-csrf-token", "x-request-id",
    )
}  # fmt: skip
"""Common headers, which need no decoding and are never dropped."""


def request_headers(raw: Sequence[Pair]) -> dict[str, str]:
    """Return a client's headers by lower-case name, without those that only the gateway may set.

    Raises:
        InvalidIdempotencyKey: there are two.
        HeadersTooLarge: more than `COUNT_LIMIT` headers, or more than `SIZE_LIMIT` bytes.
    """
    if len(raw) > COUNT_LIMIT:
        raise HeadersTooLarge(f"Too many headers. Send at most {COUNT_LIMIT}.")
    headers: dict[str, str] = {}
    size = 0
    known = _KNOWN.get
    for raw_name, raw_value in raw:
        size += len(raw_name) + len(raw_value)
        name = known(raw_name)
        if name is None:
            name = raw_name.decode("latin-1").lower()
            if name in _DROPPED:
                continue
        value = raw_value.decode("latin-1")
        if name in headers:
            if name == IDEMPOTENCY_KEY:
                raise InvalidIdempotencyKey("The request has two Idempotency-Keys. Send one.")
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    if size > SIZE_LIMIT:
        raise HeadersTooLarge(f"The headers are too long. Send at most {SIZE_LIMIT} bytes.")
    return headers


def identity_header(raw: Sequence[Pair]) -> str | None:
    """Return the identity of a service that a request claims, which `request_headers` removes; None without one."""
    return next((value.decode("latin-1") for name, value in raw if name.lower() == IDENTITY.encode()), None)


class ResponseHeaders:
    """The headers that the gateway adds to responses."""

    def __init__(self, settings: Settings) -> None:
        """Allow the CORS origins of the settings, and require TLS if the public URL does."""
        self._origins = {origin.encode() for origin in settings.cors_origins}
        self._defaults: list[Pair] = [
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]
        if settings.public_url.startswith("https://"):
            self._defaults.append((b"strict-transport-security", b"max-age=31536000"))

    def of(self, response: Response, correlation_id: str, origin: str | None) -> list[Pair]:
        """Return all headers of a response except content-length; headers from the service replace the defaults."""
        if response.headers:
            from_service = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in response.headers
                if name.lower() not in _SET_BY_SERVER
            ]
            names = {name for name, _ in from_service}
            headers = [*(pair for pair in self._defaults if pair[0] not in names), *from_service]
        else:
            headers = self._defaults.copy()
        if response.content_type:
            headers.append((b"content-type", response.content_type.encode("latin-1")))
        headers.append((b"x-request-id", correlation_id.encode()))
        if self._origins:
            self._allow(headers, origin)
        return headers

    def _allow(self, headers: list[Pair], origin: str | None) -> None:
        headers.append((b"vary", b"Origin"))
        allowed = b"" if origin is None else origin.encode("latin-1")
        if allowed in self._origins:
            headers.append((b"access-control-allow-origin", allowed))
            headers.append((b"access-control-allow-credentials", b"true"))
            headers.append(
                (
                    b"access-control-expose-headers",
                    b"ETag, X-Request-ID, Retry-After, Idempotency-Replayed, RateLimit, RateLimit-Policy",
                )
            )

    def preflight(self, origin: str | None) -> Response:
        """Return the response to a CORS preflight request (Fetch, 4.8)."""
        if origin is None or origin.encode("latin-1") not in self._origins:
            return Response(204, content_type="")
        return Response(
            204,
            content_type="",
            headers=[
                ("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE"),
                (
                    "access-control-allow-headers",
                    _REQUEST_HEADERS,
                ),
                ("access-control-max-age", "600"),
            ],
        )
