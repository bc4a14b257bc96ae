"""The cost of one checkout of two lines and two shops until all its events are handled.

The cost of an idle marketplace for the same time is subtracted. A figure above its bound means that something was added
to each checkout; a figure far below means that the bound can be lowered.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from random import choice
from typing import Final

import pytest

from tests.journeys.cost_meter import Cost, CostMeter
from tests.journeys.journey_client import JourneyClient, Json, Person, paid_event
from tests.journeys.marketplace import Marketplace, MarketplaceFactory, marketplace_starter
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
IDLE = 3.0
"""Seconds of the idle marketplace that are measured."""
ATTEMPTS = 3
PRODUCTS = 10
"""Products of each shop, so that shoppers rarely wait for each other's stock."""
ONE_SHOPPER = Cost(commits=31.5, statements=70, request_statements=16.3, redis_commands=62, wal=61_000, log=12_400)
SIXTEEN_SHOPPERS = Cost(commits=14.5, statements=20, request_statements=13.3, redis_commands=24, wal=57_500, log=12_400)
"""Less than two commits and one statement of requests above what is measured; how events are batched varies more.
One commit and statement of each checkout looks for an open one of its buyer.

The search index of admins costs a checkout one commit, six statements, 5 kB of WAL and 0.4 kB of log.

The WAL of a checkout depends on how many pages of its indexes are split, and on how the lines of its trace are batched.
"""

LOG_OF_PURCHASE: Final = 13_300
"""Bytes in the log from the basket through the payment page to the last delivery, ids and callee lines included."""

Catalogue = Sequence[Sequence[Json]]
"""The products of two shops."""


@pytest.fixture(scope="module")
def market(factory: MarketplaceFactory) -> Iterator[Marketplace]:
    """A marketplace for this file only; its engines log every statement."""
    with marketplace_starter(factory) as start_marketplace:
        yield start_marketplace()


async def products_of_two_shops(client: JourneyClient, number: int) -> Catalogue:
    sellers = [await client.new_seller() for _ in range(2)]
    return [
        await asyncio.gather(*(client.new_product(seller, stock=100_000) for _ in range(number))) for seller in sellers
    ]


async def check_out(client: JourneyClient, buyer: Person, catalogue: Catalogue) -> None:
    """Check out a product of each shop, and report its payment as the provider does."""
    basket = [(choice(products), quantity) for quantity, products in enumerate(catalogue, 1)]  # noqa: S311
    session = await client.open_session(buyer, basket)
    assert (await client.webhook(paid_event(session))).status == 200


async def measure_once(client: JourneyClient, meter: CostMeter, *, shoppers: int, checkouts: int) -> Cost:
    """Return the cost of one checkout if each shopper makes several; a single one waits until each is handled."""
    catalogue = await products_of_two_shops(client, PRODUCTS if shoppers > 1 else 1)
    buyers = [await client.new_buyer() for _ in range(shoppers)]

    async def shop(buyer: Person, number: int) -> None:
        for _ in range(number):
            if shoppers == 1:
                async with meter.handled():
                    await check_out(client, buyer, catalogue)
            else:
                await check_out(client, buyer, catalogue)

    # Opens connections and prepares statements.
    async with meter.handled():
        await asyncio.gather(*(shop(buyer, 1) for buyer in buyers))
    await meter.wait_until_recorded()
    idle = await meter.idle(IDLE)

    begin, began = await meter.read(), time.monotonic()
    async with meter.handled():
        await asyncio.gather(*(shop(buyer, checkouts) for buyer in buyers))
    await meter.wait_until_recorded()
    seconds = time.monotonic() - began
    cost = (await meter.read() - begin).combine(idle, -seconds) / (shoppers * checkouts)
    print(f"{shoppers} shoppers, {shoppers * checkouts} checkouts in {seconds:.1f} s: {cost}; idle, a second: {idle}")  # noqa: T201
    return cost


async def excess(client: JourneyClient, bound: Cost, *, shoppers: int, checkouts: int) -> list[str]:
    """Return the figures that are above their bound in each of `ATTEMPTS` measurements: other work only ever adds."""
    above = set(bound.__struct_fields__)
    for _ in range(ATTEMPTS):
        async with CostMeter.open(client.market) as meter:
            cost = await measure_once(client, meter, shoppers=shoppers, checkouts=checkouts)
        above = {name for name in above if getattr(cost, name) > getattr(bound, name)}
        if not above:
            break
    return sorted(above)


async def test_checkout_of_a_single_shopper_stays_within_its_cost(client: JourneyClient) -> None:
    assert await excess(client, ONE_SHOPPER, shoppers=1, checkouts=15) == []


async def test_checkout_among_sixteen_shoppers_stays_within_its_cost(client: JourneyClient) -> None:
    assert await excess(client, SIXTEEN_SHOPPERS, shoppers=16, checkouts=20) == []


async def orders_exist(client: JourneyClient, session: Json) -> bool:
    """Return whether a checkout has its orders, without a request that would be logged."""
    query = "SELECT count(*) AS orders FROM orders WHERE session_id = $1::uuid"
    [row] = await client.market.rows("order", query, session["session_id"])
    return bool(row["orders"] == 2)


async def test_log_of_a_purchase_stays_within_its_bound(client: JourneyClient) -> None:
    catalogue = await products_of_two_shops(client, 1)
    buyer = await client.new_buyer()
    sizes: list[int] = []
    async with CostMeter.open(client.market) as meter:
        for _ in range(ATTEMPTS):
            async with meter.handled():
                begin = client.market.log_size()
                session = await client.open_session(buyer, [(products[0], 1) for products in catalogue])
                await client.pay(session)
                await until(partial(orders_exist, client, session), "the payment is reported")
            sizes.append(client.market.log_size() - begin)

    assert min(sizes) <= LOG_OF_PURCHASE
