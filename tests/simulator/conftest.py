"""The simulator on a real database, with a small HTTP server as the shop that receives webhooks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from nextbuy.contracts.auth import AuthClient, ValidateAdmin
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
from tests.callers import confirm
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls

SECRETS = ("whsec_new", "whsec_old")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Shop:
    """A receiver of webhooks, which refuses the first `refusals` of them."""

    def __init__(self) -> None:
        self.refusals = 0
        self.attempts = 0
        self.accepted: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        """Verify a webhook, and refuse or accept it."""
        body = await request.read()
        webhook_signature.verify(request.headers["Stripe-Signature"], body, SECRETS[:1], now=utc_now().timestamp())
        self.attempts += 1
        if self.attempts <= self.refusals:
            return web.Response(status=503)
        self.headers.append(dict(request.headers))
        self.accepted.append(body)
        return web.Response(text="{}")


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A running shop."""
    shop = Shop()
    application = web.Application()
    application.router.add_post("/order/api/payment-webhook", shop.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield shop
    await runner.cleanup()


class FakeClock:
    """A clock that a test can advance."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> FakeClock:
    """A clock that a test can advance."""
    return FakeClock()


@pytest.fixture
async def deps(open_database: OpenDatabase, shop: Shop, clock: FakeClock) -> AsyncIterator[Deps]:
    """The dependencies of the simulator."""
    settings = Settings(secret=b"0123456789abcdef", webhook_secrets=SECRETS, public_url=shop.url)
    dispatcher = WebhookDispatcher(HttpTransport("gateway", shop.url))
    yield Deps(
        auth=AuthClient(StubCalls({ValidateAdmin: confirm})),
        database=await open_database("simulator"),
        clock=clock,
        settings=settings,
        journal=Journal(),
        dispatcher=dispatcher,
    )
    await dispatcher.close()


@pytest.fixture
async def delivering(deps: Deps) -> AsyncIterator[None]:
    """Runs the delivery job until the end of the test."""

    async def forever() -> None:
        while await deliver_webhooks(deps):
            pass

    task = asyncio.create_task(forever())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def payment_id(deps: Deps) -> str:
    """An open payment of $19.99, requested in a trace."""
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
