"""Routes by path: an allow-list over the raw path, so that no alternative spelling reaches a service."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from nextbuy.contracts.errors import EndpointNotFound, Unprocessable
from nextbuy.kit.http.asgi import UrlTooLong
from nextbuy.kit.observability.redaction import redact
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.wire import Request, Response

PATH_LIMIT: Final = 2_000
QUERY_LIMIT: Final = 4_000
_SEGMENTS: Final = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+"
"""Unreserved characters only (RFC 3986, 2.3): no percent-encoding, no empty segment, no `.` and no `..`."""
_PAGE: Final = re.compile(rf"{_SEGMENTS}/?|/".encode())
_MAY_HOLD_SECRET: Final = re.compile(r"[A-Z_]|\d{13}")
"""Characters that only ids of payments have in paths of the API."""
_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(rb"[A-Za-z0-9._~-]")
_PROGRAM_PATH: Final = re.compile(rb"/health(/.*)?|(.*/)?api(/.*)?", re.IGNORECASE)
"""Paths in the style of the API and of health checks, which programs request rather than people."""

Answer = Callable[[Request, SpanContext, str], Awaitable[Response]]
"""A function of a request, the gateway's span, and the request's name in the log."""


InvalidQuery: Final = Unprocessable.of("query-not-utf-8", "The query is not UTF-8. Percent-encode text as UTF-8.")


class Route(Struct, frozen=True):
    """A destination of requests."""

    answer: Answer
    log: Literal["path", "page", "nothing"]
    """How the log names a request. The path of a page may contain typed text, so it is not logged."""
    rate_limited: bool = False
    takes_identity: bool = False
    """Whether it receives the identity of a service; from all other requests it is removed."""

    def log_name(self, method: str, path: str) -> str:
        """Return the name of a request in the log, or an empty string if it is not logged."""
        if self.log == "path":
            # A secret in a path must not be readable in the log.
            if _MAY_HOLD_SECRET.search(path):
                path = redact(path) if "eyJ" not in path else f"{path[: path.index('/api/') + 5]}[hidden]"
            return f"{method} {path}"
        return f"{method} (page)" if self.log == "page" else ""


class Routes:
    """The routes of services, endpoints and pages, by path."""

    def __init__(self, services: Mapping[str, Route], endpoints: Mapping[bytes, Route], pages: Route) -> None:
        """Route `/<service>/api/…` to `services`, exact paths to `endpoints`, and other plain paths to `pages`."""
        names = "|".join(map(re.escape, sorted(services)))
        self._api = re.compile(rf"/({names})/api{_SEGMENTS}".encode())
        self._reserved = re.compile(rf"/({names})/(api|internal)(/.*)?".encode(), re.IGNORECASE | re.DOTALL)
        self._services = {name.encode(): route for name, route in services.items()}
        self._endpoints = endpoints
        self._pages = pages

    def find(self, raw_path: bytes, accept: str = "") -> tuple[Route, str]:
        """Return the route of a path, and the path in its normal form.

        An unknown path like one of the API is a page only if `accept` names HTML.

        Raises:
            UrlTooLong: the path has more than `PATH_LIMIT` bytes.
            EndpointNotFound: the path has no route.
        """
        if len(raw_path) > PATH_LIMIT:
            raise UrlTooLong(f"The path is too long. Use at most {PATH_LIMIT} characters.")
        path = _ENCODED.sub(_plain, raw_path) if b"%" in raw_path else raw_path
        match = self._api.fullmatch(path)
        if match is not None:
            return self._services[match[1]], path.decode()
        endpoint = self._endpoints.get(path)
        if endpoint is not None:
            return endpoint, path.decode()
        if self._may_be_page(path) and (_PROGRAM_PATH.fullmatch(path) is None or names_html(accept)):
            return self._pages, path.decode()
        raise EndpointNotFound

    def _may_be_page(self, path: bytes) -> bool:
        return _PAGE.fullmatch(path) is not None and self._reserved.fullmatch(path) is None


def _plain(match: re.Match[bytes]) -> bytes:
    """Decode an encoded character if it is unreserved: both spellings are equal (RFC 3986, 6.2.2.2)."""
    character = bytes.fromhex(match[1].decode())
    return character if _UNRESERVED.fullmatch(character) else match[0]


def names_html(accept: str) -> bool:
    """Return whether an Accept header names HTML, as that of every browser does; `*/*` does not."""
    for entry in accept.lower().split(","):
        kind, _, parameters = entry.replace(" ", "").partition(";")
        if kind == "text/html":
            return re.search(r"(^|;)q=0(\.0*)?(;|$)", parameters) is None
    return False


def decode_query(raw: bytes) -> str:
    """Return a query as text.

    Raises:
        UrlTooLong: it has more than `QUERY_LIMIT` characters.
        InvalidQuery: its percent-encoded bytes are not UTF-8.
    """
    if len(raw) > QUERY_LIMIT:
        raise UrlTooLong(f"The query is too long. Use at most {QUERY_LIMIT} characters.")
    if b"%" in raw:
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise InvalidQuery from None
    return raw.decode("ascii")
