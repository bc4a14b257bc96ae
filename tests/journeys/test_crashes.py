"""Kill all processes at every step of a purchase and at random under load; recovery reconciles everything."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.journeys.journey_client import BAD_CARD, JourneyClient, Json, expired_event, paid_event, trace_headers
from tests.journeys.load import CONNECTION_ERRORS, BuyerLoad, KillOnLogLine
from tests.journeys.marketplace import Marketplace, MarketplaceFactory, StartMarketplace, marketplace_starter
from tests.journeys.snapshot import Row, Snapshot, snapshot_at_rest

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]
KILLS_UNDER_LOAD = 5


@dataclass
class Scenario:
    """A marketplace that is killed repeatedly, and the purchases made in it."""

    market: Marketplace
    client: JourneyClient
    products: list[Json] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    """By step: the trace of the purchase that was interrupted there."""

    async def purchase(self, headers: Json, card: str | None = None) -> None:
        """Buy and pay."""
        session = await self.client.open_session(
            await self.client.new_buyer(), [(one, 2) for one in self.products], headers
        )
        await self.client.pay(session, **({} if card is None else {"card": card}), headers=headers)

    async def declined(self, headers: Json) -> None:
        """Pay with a card that is declined."""
        await self.purchase(headers, BAD_CARD)

    async def cancelled(self, headers: Json) -> None:
        """Cancel a session."""
        buyer = await self.client.new_buyer()
        session = await self.client.open_session(buyer, [(one, 2) for one in self.products], headers)
        path = f"/order/api/cancel-payment-session/{session['session_id']}"
        await self.client.request("POST", path, {}, who=buyer, headers=headers)

    async def too_late(self, headers: Json) -> None:
        """Pay for an expired session whose units were sold to another buyer."""
        product = await self.client.new_product(stock=2)
        late = await self.client.open_session(await self.client.new_buyer(), [(product, 2)], headers)
        assert (await self.client.webhook(expired_event(late))).status == 200
        await self.client.open_session(await self.client.new_buyer(), [(product, 2)])
        await self.client.webhook(paid_event(late), trace=headers)


Act = Callable[[Scenario, Json], Awaitable[None]]
BUYING, NOT_PAYING, CANCELLING = Scenario.purchase, Scenario.declined, Scenario.cancelled
TOO_LATE = Scenario.too_late
STEPS: dict[str, tuple[Act, str, str]] = {
    "after the units were held": (BUYING, "call", "hold-stock"),
    "after the payment page was made": (BUYING, "call", "open-payment"),
    "after the session was created": (BUYING, "request", "POST /order/api/create-payment-session"),
    "after the card was accepted": (BUYING, "request", "POST /simulator/api/pay/"),
    "after the stock was sold": (BUYING, "call", "update-stock"),
    "after the orders were written": (BUYING, "step", "create-orders"),
    "after the webhook was handled": (BUYING, "webhook", "checkout.session.completed"),
    "after the event was published": (BUYING, "publish", "order.created"),
    "after the events were applied": (BUYING, "consume", "order.paid"),
    "after the event was consumed": (BUYING, "consume", "order.created"),
    "after the payment was closed": (CANCELLING, "call", "close-payment"),
    "after the units were released": (CANCELLING, "call", "release-stock"),
    "after the decline was handled": (NOT_PAYING, "webhook", "payment_intent.payment_failed"),
    "after the payment was refunded": (TOO_LATE, "call", "refund-payment"),
    "after the refund was written": (TOO_LATE, "step", "refund"),
}


@pytest.fixture(scope="module")
def result(factory: MarketplaceFactory) -> Iterator[tuple[Snapshot, Scenario]]:
    """The snapshot of one marketplace after all kills."""
    with marketplace_starter(factory) as start_marketplace:
        yield asyncio.run(_kill_repeatedly(start_marketplace))


async def _kill_repeatedly(start_marketplace: StartMarketplace) -> tuple[Snapshot, Scenario]:
    market = start_marketplace(NEXTBUY_SESSION_MINUTES="0.15")
    async with JourneyClient.connect(market) as client:
        scenario = Scenario(market, client)
        scenario.products = [await client.new_product(stock=10_000), await client.new_product(stock=10_000)]
        for step in random.sample(sorted(STEPS), len(STEPS)):
            await _kill_at(scenario, step)
        return await snapshot_at_rest(market), scenario


async def _kill_at(scenario: Scenario, step: str) -> None:
    act, kind, name = STEPS[step]
    headers = trace_headers()
    trace_id = scenario.traces[step] = headers["traceparent"].split("-")[1]
    killer = KillOnLogLine(scenario.market, {"kind": kind, "name": name, "outcome": "", "trace_id": trace_id})
    killer.start()
    with contextlib.suppress(*CONNECTION_ERRORS):
        await act(scenario, headers)
    await asyncio.to_thread(killer.join)
    assert killer.has_killed, step
    await asyncio.to_thread(scenario.market.start)


def _outcome(snapshot: Snapshot, scenario: Scenario, step: str) -> tuple[Row | None, int]:
    sessions = snapshot.of_trace(scenario.traces[step])
    assert len(sessions) <= 1
    return (sessions[0], len(snapshot.orders_of(sessions[0]))) if sessions else (None, 0)


@pytest.mark.parametrize("step", STEPS)
def test_interrupted_purchase_ends_in_expected_state(result: tuple[Snapshot, Scenario], step: str) -> None:
    snapshot, scenario = result
    session, orders = _outcome(snapshot, scenario, step)
    assert session is not None
    payment = snapshot.payment_of(session)
    act, kind, name = STEPS[step]
    if act is TOO_LATE:
        assert (session["status"], orders) == ("refunded", 0)
        assert payment is not None
        assert payment["refund_id"] == session["refund_id"]
    elif act is NOT_PAYING:
        assert (session["status"], orders) == ("expired", 0)
    elif name == "close-payment":
        # The cancellation may have been stored just before the kill.
        assert (session["status"] in {"expired", "cancelled"}, orders) == (True, 0)
    elif act is CANCELLING:
        assert (session["status"], orders) == ("cancelled", 0)
    elif name in {"hold-stock", "open-payment", "POST /order/api/create-payment-session"}:
        # The payment may have been accepted just before the kill; then it counts.
        paid = payment is not None and payment["status"] == "paid"
        assert (session["status"], orders) == (("paid", 2) if paid else ("expired", 0))
    else:
        assert (session["status"], orders) == ("paid", 2), (kind, name)


def test_everything_reconciles_after_interrupted_purchases(result: tuple[Snapshot, Scenario]) -> None:
    snapshot, scenario = result

    snapshot.assert_reconciled(scenario.market.stock)


async def test_everything_reconciles_after_crashes_under_load(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(NEXTBUY_SESSION_MINUTES="0.15")
    async with JourneyClient.connect(market) as client:
        products = [await client.new_product(stock=10_000), await client.new_product(stock=10_000)]
        # A killed start blocks the next one of its buyer for a while.
        buyers = [await client.new_buyer() for _ in range(30)]
        async with BuyerLoad(client, buyers, products) as load:
            for _ in range(KILLS_UNDER_LOAD):
                await asyncio.sleep(random.uniform(0.3, 1.2))  # noqa: S311  no secret
                await asyncio.to_thread(market.kill)
                await asyncio.to_thread(market.start)
            await asyncio.sleep(0.5)

        snapshot = await snapshot_at_rest(market)

    assert len(load.paid) > 10
    snapshot.assert_reconciled(market.stock)
    by_id = {str(session["id"]): session for session in snapshot.sessions}
    assert {by_id[session["session_id"]]["status"] for session in load.paid} <= {"paid", "refunded"}
