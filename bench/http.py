"""A minimal HTTP/1.1 client for load: one persistent connection, one request at a time, bytes in and out."""

import asyncio
from typing import Any, Final, cast

import msgspec

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Parser:
    """An incremental parser of responses with a Content-Length."""

    def __init__(self) -> None:
        """Expect the head of a response."""
        self._buffer = b""

    def feed(self, data: bytes) -> tuple[int, bytes, bytes] | None:
        """Add received bytes; return status, head, and body of a response once it is complete.

        Raises:
            ValueError: it is malformed or has no length.
        """
        self._buffer += data
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return None
        head = self._buffer[: end + len(_END_OF_HEAD)]
        status = int(head[9:12])
        length = _length(head) if status not in {204, 304} else 0
        whole = len(head) + length
        if len(self._buffer) < whole:
            return None
        body, self._buffer = self._buffer[len(head) : whole], self._buffer[whole:]
        return status, head, body


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(_LENGTH)
    if at < 0:
        message = f"response without Content-Length: {head[:200]!r}"
        raise ValueError(message)
    return int(lower[at + len(_LENGTH) : lower.index(b"\r\n", at)])


def request_bytes(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """Return a request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection(asyncio.Protocol):
    """A persistent connection to a server on this machine."""

    def __init__(self) -> None:
        """Prepare a connection; `connect` opens it."""
        self._parser = Parser()
        self._waiting: asyncio.Future[tuple[int, bytes, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> "Connection":
        """Connect to a port of this machine.

        Raises:
            OSError: the port is closed.
        """
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of a new connection."""
        # No check: uvloop's transport is an asyncio.Transport in all but name.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Resolve the pending exchange once its response is complete."""
        waiting = self._waiting
        try:
            answer = self._parser.feed(data)
        except ValueError as error:
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
            return
        if answer is not None and waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the pending exchange."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Send a request and return status, head, and body of the response.

        Raises:
            OSError: the connection is closed.
        """
        if self._transport is None or self._transport.is_closing():
            message = "the connection is closed"
            raise ConnectionResetError(message)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    async def request(
        self, method: str, path: str, body: object = None, token: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send JSON, with a bearer token if given; return the status and the decoded response."""
        payload = b"" if body is None else msgspec.json.encode(body)
        more = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        status, _, answer = await self.exchange(request_bytes(method, path, payload, more))
        return status, msgspec.json.decode(answer) if answer else None

    def close(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            self._transport.close()
