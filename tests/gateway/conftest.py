"""A gateway on a free port, with services of one handler each."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis

from nextbuy.gateway.app import Gateway
from nextbuy.gateway.endpoints import no_pages
from nextbuy.gateway.status import Collected
from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.wire import Handler, Request, Response
from tests.log_lines import decode_line

SERVICES = ("auth", "product", "seller", "order", "admin", "notification", "analytics", "kafka", "simulator")

NO_STATUS = Collected(version="0", carrier="", services={}, engines={})


@dataclass
class Shop:
    """A running gateway, its log, and the requests that its services received."""

    url: str
    port: int
    gateway: Gateway
    journal: Path
    session: aiohttp.ClientSession
    requests: list[Request]
    states: dict[str, str] = field(default_factory=dict)
    readiness_checks: int = 0
    status: Collected = NO_STATUS
    collections: int = 0

    def lines(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in map(decode_line, self.journal.read_text().splitlines()) if line["kind"] == kind]

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes; return the status and everything received until the gateway closed the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return int(received.split(b" ", 2)[1]), received


async def no_keys() -> Mapping[str, str]:
    return {}


@pytest.fixture
async def open_shop(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Shop]]]:
    """A function that starts a gateway; with `over_http`, it reaches services by HTTP, as in many processes."""
    async with AsyncExitStack() as stack:

        async def make(  # noqa: PLR0913
            handler: Handler | None = None,
            *,
            over_http: bool = False,
            settings: Settings | None = None,
            redis: Redis | None = None,
            verifier: TokenVerifier | None = None,
            pages: Handler | None = None,
            make_pages: Callable[[Handler], Handler] = no_pages,
            transports: Mapping[str, Transport] | None = None,
            timeout: float = 10.0,
            documents: Mapping[str, Callable[[], bytes]] | None = None,
        ) -> Shop:
            requests: list[Request] = []

            async def handle(request: Request) -> Response:
                requests.append(request)
                return Response(200, b'{"ok":true}') if handler is None else await handler(request)

            targets: Mapping[str, Transport]
            if transports is not None:
                targets = transports
            elif over_http:
                service_listener = listen("127.0.0.1", 0)
                await stack.enter_async_context(serving(service_app(handle, body_limit=2**21), service_listener))
                url = f"http://127.0.0.1:{service_listener.getsockname()[1]}"
                targets = {name: HttpTransport(name, url, streaming=True) for name in SERVICES}
            else:
                targets = {name: LocalTransport(name, lambda: handle, isolated=False) for name in SERVICES}
            path = tmp_path / f"{uuid4()}.log"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            stack.callback(os.close, fd)
            states: dict[str, str] = {}

            async def ready() -> Mapping[str, str]:
                shop.readiness_checks += 1
                await asyncio.sleep(0.05)
                return states

            async def collect_status() -> Collected:
                shop.collections += 1
                await asyncio.sleep(0.05)
                return shop.status

            gateway = Gateway(
                targets,
                settings=settings or Settings(secret=b"s" * 16, rate_limits=redis is not None),
                journal=Journal(fd),
                redis=redis or Redis(),
                verifier=verifier or TokenVerifier(no_keys),
                ready=ready,
                collect_status=collect_status,
                documents=documents or {"/openapi.json": lambda: b'{"openapi":"3.1.0"}'},
                pages=make_pages if pages is None else lambda _api: pages,
                timeout=timeout,
            )
            stack.push_async_callback(gateway.close)
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(gateway, listener))
            port = listener.getsockname()[1]
            session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
            shop = Shop(f"http://127.0.0.1:{port}", port, gateway, path, session, requests, states)
            return shop

        yield make


OpenShop = Callable[..., Awaitable[Shop]]
