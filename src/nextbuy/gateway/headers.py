"""The headers: those of clients, made safe for services, and those that every answer carries."""

from collections.abc import Sequence
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import Scope
from nextbuy.kit.wire import INTERNAL_HEADERS, Response

Pair = tuple[bytes, bytes]
HEADERS_LIMIT: Final = 16 * 1024
HEADERS_MOST: Final = 100
HOP_BY_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""RFC 9110, 7.6.1: for the next hop alone."""
_DROPPED: Final = (HOP_BY_HOP - {"transfer-encoding"}) | INTERNAL_HEADERS | {"expect"}
"""Of a request; transfer-encoding still tells whether a body follows."""
_SERVERS_OWN: Final = HOP_BY_HOP | {"date", "server", "content-length", "content-type"}
"""Of an answer: said by this server itself, or by the fields of `Response`."""
_KNOWN: Final = {
    name.encode(): name
    for name in (
        "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "content-length",
        "content-type", "cookie", "host", "idempotency-key", "if-none-match", "origin", "referer", "sec-fetch-dest",
        "sec-fetch-mode", "sec-fetch-site", "stripe-signature", "traceparent", "transfer-encoding", "user-agent",
        "x-csrf-token", "x-request-id",
    )
}  # fmt: skip
"""Names that need not be decoded each time."""


class HeadTooLarge(AppError, slug="headers-too-large"):
    """The request has too many headers, or too long ones."""

    status, title = 431, "Headers too large"


def incoming(raw: Sequence[Pair]) -> dict[str, str]:
    """Return a client's headers by lower-case name, without those that are not its to send.

    Raises:
        HeadTooLarge: there is too much of them.
    """
    if len(raw) > HEADERS_MOST:
        raise HeadTooLarge(f"A request may have {HEADERS_MOST} headers.")
    headers: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in raw:
        size += len(raw_name) + len(raw_value)
        name = _KNOWN.get(raw_name)
        if name is None:
            name = raw_name.decode("latin-1").lower()
            if name in _DROPPED:
                continue
        value = raw_value.decode("latin-1")
        if name in headers:
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    if size > HEADERS_LIMIT:
        raise HeadTooLarge(f"The headers of a request may have {HEADERS_LIMIT} bytes.")
    return headers


def header_of(scope: Scope, wanted: bytes) -> str | None:
    """Return one header of a request that is not otherwise read."""
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text
    return None


class Outgoing:
    """Makes the headers of answers."""

    def __init__(self, settings: Settings) -> None:
        """Follow the settings: the origins that may read answers, and whether the outside sees TLS."""
        self._origins = {origin.encode(): origin for origin in settings.cors_origins}
        self._defaults: list[Pair] = [
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]
        if settings.public_url.startswith("https://"):
            self._defaults.append((b"strict-transport-security", b"max-age=31536000"))

    def of(self, answer: Response, correlation_id: str, origin: str | None) -> list[Pair]:
        """Return all headers of an answer; what the service itself said of a header stands."""
        if answer.headers:
            said = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in answer.headers
                if name.lower() not in _SERVERS_OWN
            ]
            headers = self.completed(said)
        else:
            headers = self._defaults.copy()
        if answer.content_type:
            headers.append((b"content-type", answer.content_type.encode("latin-1")))
        headers.append((b"x-request-id", correlation_id.encode()))
        if self._origins:
            self.allow(headers, origin)
        return headers

    def completed(self, said: list[Pair]) -> list[Pair]:
        """Return headers with the defaults that they do not speak of."""
        names = {name for name, _ in said}
        return [*(pair for pair in self._defaults if pair[0] not in names), *said]

    def allow(self, headers: list[Pair], origin: str | None) -> None:
        """Let the pages of a listed origin read the answer."""
        if not self._origins:
            return
        headers.append((b"vary", b"Origin"))
        allowed = b"" if origin is None else origin.encode("latin-1")
        if allowed in self._origins:
            headers.append((b"access-control-allow-origin", allowed))
            headers.append((b"access-control-allow-credentials", b"true"))
            headers.append(
                (
                    b"access-control-expose-headers",
                    b"X-Request-ID, Retry-After, Idempotency-Replayed, RateLimit, RateLimit-Policy",
                )
            )

    def preflight(self, origin: str | None) -> Response:
        """Answer a browser's question whether a page of `origin` may do something (Fetch, 4.8)."""
        if origin is None or origin.encode("latin-1") not in self._origins:
            return Response(204, content_type="")
        return Response(
            204,
            content_type="",
            headers=[
                ("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE"),
                (
                    "access-control-allow-headers",
                    "authorization, content-type, idempotency-key, traceparent, x-csrf-token, x-request-id",
                ),
                ("access-control-max-age", "600"),
            ],
        )
