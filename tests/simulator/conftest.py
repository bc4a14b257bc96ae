"""The simulator on a real database, with a small shop's door to bring webhooks to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from nextbuy.contracts.simulator import OpenPayment
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.observability.telemetry import Journal, start_span, use_span
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.simulator.deliver_webhooks import deliver_webhooks
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.open_payment import open_payment
from nextbuy.simulator.webhook_dispatcher import WebhookDispatcher
from tests.conftest import OpenDatabase

SECRETS = ("whsec_new", "whsec_old")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Shop:
    """A shop's door: takes webhooks, after having refused as many as it was told to."""

    def __init__(self) -> None:
        self.refuses = 0
        self.tries = 0
        self.taken: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a webhook."""
        body = await request.read()
        webhook_signature.verify(request.headers["Stripe-Signature"], body, SECRETS[:1], now=utc_now().timestamp())
        self.tries += 1
        if self.tries <= self.refuses:
            return web.Response(status=503)
        self.headers.append(dict(request.headers))
        self.taken.append(body)
        return web.Response(text="{}")


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop's door, open."""
    door = Shop()
    application = web.Application()
    application.router.add_post("/order/api/payment-webhook", door.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield door
    await runner.cleanup()


class Turning:
    """A clock that can be turned."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> Turning:
    """The time, which a test may turn."""
    return Turning()


@pytest.fixture
async def deps(open_database: OpenDatabase, shop: Shop, clock: Turning) -> AsyncIterator[Deps]:
    """The service's needs."""
    settings = Settings(secret=b"0123456789abcdef", webhook_secrets=SECRETS, public_url=shop.url)
    courier = WebhookDispatcher(HttpTransport("gateway", shop.url))
    yield Deps(
        database=await open_database("simulator"), clock=clock, settings=settings, journal=Journal(), courier=courier
    )
    await courier.close()


@pytest.fixture
async def delivering(deps: Deps) -> AsyncIterator[None]:
    """While this is there, webhooks are delivered."""

    async def forever() -> None:
        while await deliver_webhooks(deps):
            pass

    task = asyncio.create_task(forever())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def payment_id(deps: Deps) -> str:
    """A payment of $19.99 that was asked for within a trace."""
    with use_span(start_span(f"00-{TRACE}-00f067aa0ba902b7-01")):
        call = OpenPayment(
            reference=new_id(),
            amount=Money(1999),
            description='1 x <b>"Mug"</b>',
            expires_at=utc_now() + timedelta(minutes=30),
            return_url="http://shop.test/session/1",
        )
        opened = await open_payment(deps, call)
        assert await open_payment(deps, call) == opened
    assert opened.url == f"{deps.settings.public_url}/simulator/api/pay/{opened.payment_id}"
    return opened.payment_id
