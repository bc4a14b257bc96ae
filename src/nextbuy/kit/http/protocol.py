"""The HTTP/1.1 protocol of the server: uvicorn's, with limits on request heads and the checks that RFC 9112 demands.

A request that is not valid HTTP reaches the application too, with the error in its scope (`asgi.raise_refusal`). It
is then answered and logged like any other error, and the connection is closed.
"""

import asyncio
import contextlib
import re
from ipaddress import IPv6Address
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from nextbuy.contracts.errors import AppError, BadRequest, MethodNotAllowed, Unavailable
from nextbuy.kit.http.asgi import REFUSAL, HeadersTooLarge, UrlTooLong

HEAD_LIMIT: Final = 32 * 1024
"""Bytes of a request line and its headers."""
_HEADERS_TOO_LARGE: Final = f"The headers are too long. Send at most {HEAD_LIMIT} bytes."
_URL_TOO_LONG: Final = f"The URL is too long. Send at most {HEAD_LIMIT} bytes."
MAX_CONCURRENT: Final = 1_000
"""Connections, or requests on them, above which requests are refused."""
_HOST: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?")

MalformedRequest: Final = BadRequest.of("malformed-request", "The request is not valid HTTP/1.1. Correct its syntax.")
InvalidHost: Final = BadRequest.of("invalid-host", "The Host header is missing, repeated or invalid. Send it once.")
InvalidTransferEncoding: Final = BadRequest.of(
    "invalid-transfer-encoding", "The body has an unsupported Transfer-Encoding. Send chunked, or Content-Length."
)
Overloaded: Final = Unavailable.of("overloaded", "Too many requests arrive at once. Try again in a moment.")


class HttpProtocol(HttpToolsProtocol):
    """A connection, and the request that arrives on it."""

    _head_since: float | None = None
    """The loop time at which the current head began; None between heads."""
    _head_size = 0
    _head_just_began = False
    _refused = False
    """Whether a request on this connection was refused; what follows cannot be understood, so it is discarded."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        self._head_since = self.loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what arrives, and refuse what is invalid or too long."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(_refusal_for(error))
            return
        # An incomplete head is in the parser, which has no limit. The chunk in which a head begins is not counted: it
        # may contain earlier requests. Chunks are small, and the application limits complete heads.
        if self._head_since is None:
            return
        if self._head_just_began:
            self._head_just_began = False
            return
        self._head_size += len(data)
        if self._head_size > HEAD_LIMIT and not self.transport.is_closing():
            is_url = len(self.url) > HEAD_LIMIT
            self._refuse(UrlTooLong(_URL_TOO_LONG) if is_url else HeadersTooLarge(_HEADERS_TOO_LARGE))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head_since = self.loop.time()
        self._head_size = 0
        self._head_just_began = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; white space behind its value is ignored (RFC 9112, 5.1)."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Check a complete head, and start the application."""
        method = self.scope["method"] = self.parser.get_method().decode("ascii")
        if method == "CONNECT":
            raise MethodNotAllowed.only("GET", "HEAD", "POST", "PUT", "DELETE")
        if self.parser.should_upgrade():
            return
        if len(self.url) > HEAD_LIMIT:
            # Beyond 65,535 bytes the parser refuses a URL as invalid.
            raise UrlTooLong(_URL_TOO_LONG)
        _check_head(self.headers, self.parser.get_http_version())
        if max(len(self.connections), len(self.tasks)) >= MAX_CONCURRENT:
            raise Overloaded(retry_after=1)
        super().on_headers_complete()
        self._head_since = None

    def on_message_complete(self) -> None:
        """End the body, unless the parser has skipped it because of an offer of another protocol."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _feed(self, data: bytes) -> None:
        """Parse data. An offer of another protocol is ignored, and the request is an ordinary one (RFC 9110, 7.8)."""
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # The parser stops behind a head with an offer. It gets the same head without it, and the rest.
                data = self._head_without_offer() + data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version()
        lines = [f"{self.scope['method']} ".encode() + self.url + f" HTTP/{version}".encode()]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def close_if_waiting_since(self, oldest: float) -> None:
        """Close the connection if its request head began before `oldest`."""
        if self._head_since is not None and self._head_since < oldest:
            with contextlib.suppress(OSError):
                self.transport.close()

    def _refuse(self, error: AppError) -> None:
        """Have the application answer the request with an error, and close the connection afterwards."""
        self._refused = True
        self._head_since = None
        cycle: Any = self.cycle  # None before the first request
        if cycle is None or cycle.scope is not self.scope:
            self._start_refused(error)
        elif cycle.response_complete:
            self.transport.close()
        else:
            # Its head was valid, so the application reads the body, or does not need it.
            cycle.scope["state"][REFUSAL] = error
            cycle.more_body = cycle.keep_alive = False
            cycle.message_event.set()

    def _start_refused(self, error: AppError) -> None:
        scope: Any = self.scope
        scope.setdefault("method", "")
        scope.update({"path": "", "raw_path": b"", "query_string": b""})
        scope["state"][REFUSAL] = error
        before: Any = self.cycle
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))


def _check_head(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Check what RFC 9112 demands of Host (3.2) and of Transfer-Encoding (6.1); the parser checks neither.

    Raises:
        InvalidHost: Host is repeated, invalid, or missing in HTTP/1.1.
        InvalidTransferEncoding: the body is not sent in chunks alone, or HTTP/1.0 has no chunks.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if (hosts or version != "1.0") and (len(hosts) != 1 or not _is_valid_host(hosts[0])):
        raise InvalidHost
    encodings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if encodings and (encodings != [b"chunked"] or version == "1.0"):
        raise InvalidTransferEncoding


def _is_valid_host(host: bytes) -> bool:
    match = _HOST.fullmatch(host)
    try:
        return match is not None and (match[1] is None or bool(IPv6Address(match[1].decode())))
    except ValueError:
        return False


def _refusal_for(error: httptools.HttpParserError) -> AppError:
    cause = error.__context__
    if isinstance(cause, AppError):
        return cause
    if isinstance(error, httptools.HttpParserInvalidURLError) or cause is not None:
        return MalformedRequest("Invalid URL. Begin it with a slash, and percent-encode all characters beyond ASCII.")
    return MalformedRequest(f"The request is not valid HTTP/1.1: {error}. Correct its syntax.")
