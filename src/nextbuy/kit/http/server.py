"""The HTTP server: uvicorn in the loop that is running, on a socket that was bound before anything started.

uvicorn's own bounds are few: how large the head of a request may grow, and how long it may take, is watched here.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nextbuy.kit.http.asgi import App

HEAD_LIMIT: Final = 32 * 1024
"""Bytes of a request's line and headers."""
HEAD_SECONDS: Final = 10.0
"""Seconds from a connection, or the first byte of a request, to the end of its headers."""
STOP_SECONDS: Final = 3
"""Seconds that requests under way are given when the server stops."""
_KEEP_ALIVE: Final = 20
"""Seconds that an idle connection is kept: longer than our own clients keep theirs, lest they meet a closing one."""
_BACKLOG: Final = 1024
_SWEEP: Final = 1.0
_TOO_MUCH: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket that listens on a host and port; port 0 takes a free one.

    Args:
        host: an IP address.
        port: a TCP port.
        reuse_port: share the port with sockets of the same user that allow it, such as the supervisor's reservation.

    Raises:
        OSError: the port is in use or not permitted, or the host is not local.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        # Listening only now would let a second process bind the same address unseen until then.
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 (the name says it)
    except BaseException:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def serving(app: App, listener: socket.socket, *, most: int = 1_000) -> AsyncIterator[None]:
    """Serve `app` on a socket for as long as the context lasts; it is listening when the context is entered.

    At its end no new connection is taken, requests under way get `STOP_SECONDS`, and what is left then is cancelled.
    More than `most` connections or requests at once are answered 503. Signals are the host's business.
    """
    config = uvicorn.Config(
        cast("Any", app),
        loop="none",
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=most,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_SECONDS,
        reset_contextvars=True,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    sweeping: asyncio.Task[None] | None = None
    try:
        await _listening(server, running)
        sweeping = asyncio.create_task(_sweep(server))
        yield
    finally:
        if sweeping is not None:
            sweeping.cancel()
        server.should_exit = True
        await running


async def _listening(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    while not server.started:
        if running.done():
            await running
            message = "the HTTP server ended before it began"
            raise RuntimeError(message)
        await asyncio.sleep(0)


async def _sweep(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP)
        oldest = loop.time() - HEAD_SECONDS
        for connection in list(server.server_state.connections):
            if isinstance(connection, _Protocol):
                connection.close_if_waiting_since(oldest)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the host."""
        yield


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on the head of a request."""

    _head_since: float | None = None
    """When the head that is being read began; None between heads."""
    _head_size = 0
    _head_began_now = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._head_since = self.loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Headers that are not yet whole are in the parser, which has no bound of its own. The piece that a head begins
        # in is not counted, for it may hold other requests before; pieces are bounded, and what came whole is the
        # application's to bound.
        if self._head_since is None:
            return
        if self._head_began_now:
            self._head_began_now = False
            return
        self._head_size += len(data)
        if self._head_size > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_TOO_MUCH)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._head_since = self.loop.time()
        self._head_size = 0
        self._head_began_now = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_since = None
        super().on_headers_complete()

    def close_if_waiting_since(self, oldest: float) -> None:
        """Close a connection whose request head has been on its way since before `oldest`."""
        if self._head_since is not None and self._head_since < oldest:
            with contextlib.suppress(OSError):
                self.transport.close()
