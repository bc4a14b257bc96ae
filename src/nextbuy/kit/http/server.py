"""The HTTP server: uvicorn in the running event loop, on a socket that listens already."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, cast

import uvicorn

from nextbuy.kit.http.asgi import STOPPING, App, Receive, Scope, Send
from nextbuy.kit.http.protocol import HttpProtocol

HEAD_TIMEOUT: Final = 10.0
"""Seconds from a connection, or the first byte of a request, to the end of its headers."""
STOP_TIMEOUT: Final = 3
"""Seconds in which requests may finish when the server stops."""
_KEEP_ALIVE: Final = 20
"""Seconds that an idle connection stays open: longer than in our own clients, so that the client closes it first."""
_BACKLOG: Final = 1024
_SWEEP_INTERVAL: Final = 1.0
"""Seconds between two checks for request heads that take too long."""


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket that listens on a host and port; port 0 takes a free one.

    `reuse_port` shares the port with sockets of the same user that allow it, such as the supervisor's reservation.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        # At once: until a socket listens, SO_REUSEADDR lets a second process bind the same port unseen.
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 (the name says it)
    except BaseException:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def serving(app: App, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a listening socket until the context ends. Signals are left to the host.

    At the end no new connection is accepted, and event streams end at once; requests have `STOP_TIMEOUT` to finish, and
    are cancelled then. More than `protocol.MAX_CONCURRENT` connections or requests are answered with 503.
    """
    stopping = asyncio.Event()

    async def stoppable(scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = stopping
        await app(scope, receive, send)

    config = uvicorn.Config(
        cast("Any", stoppable),
        loop="none",
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_TIMEOUT,
        reset_contextvars=True,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    sweeper: asyncio.Task[None] | None = None
    try:
        await _wait_until_started(server, running)
        sweeper = asyncio.create_task(_sweep(server))
        yield
    finally:
        if sweeper is not None:
            sweeper.cancel()
        stopping.set()
        server.should_exit = True
        await running


async def _wait_until_started(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    while not server.started:
        if running.done():
            await running
            message = "the HTTP server stopped while it was starting"
            raise RuntimeError(message)
        await asyncio.sleep(0)


async def _sweep(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_INTERVAL)
        oldest = loop.time() - HEAD_TIMEOUT
        for connection in list(server.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.close_if_waiting_since(oldest)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the host."""
        yield
