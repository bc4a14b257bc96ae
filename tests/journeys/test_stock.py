"""Fifty buyers and ten units: nothing is oversold, and released units can be bought again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import BAD_CARD, JourneyClient, Json, Person
from tests.waiting import until

UNITS = 10
BUYERS = 50


@asynccontextmanager
async def stock_is_conserved(client: JourneyClient, product: Json) -> AsyncIterator[list[tuple[int, int, int]]]:
    """Check continuously that stock, held and sold add up to the same number."""
    seen: list[tuple[int, int, int]] = []
    over = asyncio.Event()

    async def look() -> None:
        async with client.market.database("product") as database:
            while not over.is_set():
                row = await database.fetchrow("SELECT stock, held, sold FROM products WHERE id = $1", product["id"])
                assert row is not None
                seen.append((row["stock"], row["held"], row["sold"]))

    looking = asyncio.create_task(look())
    yield seen
    over.set()
    await looking
    assert {sum(parts) for parts in seen} == {UNITS}
    assert len(seen) > 20


async def checkout_all(client: JourneyClient, buyers: list[Person], product: Json) -> list[tuple[Person, Json]]:
    """Check out one unit per buyer at once; return those who got a session."""
    responses = await asyncio.gather(*(client.checkout(buyer, [(product, 1)]) for buyer in buyers))
    for response in responses:
        if response.status != 201:
            assert_problem(response, 409, "sold-out")
    return [(buyer, response.json) for buyer, response in zip(buyers, responses, strict=True) if response.status == 201]


async def test_fifty_concurrent_buyers_get_exactly_ten_units(client: JourneyClient) -> None:
    product = await client.new_product(stock=UNITS)
    buyers = [await client.new_buyer() for _ in range(BUYERS)]
    async with stock_is_conserved(client, product) as seen:
        got = await checkout_all(client, buyers, product)
        assert len(got) == UNITS
        paid, declined = got[:4], got[4:]
        responses = await asyncio.gather(
            *(client.pay(session) for _, session in paid), *(client.pay(session, BAD_CARD) for _, session in declined)
        )
        assert [response.json["status"] for response in responses] == ["paid"] * 4 + ["declined"] * 6
        for buyer, session in paid:
            await client.wait_for_status("paid", buyer, session)
        assert seen[-1][0] == 0
        for buyer, session in declined:
            assert (await client.cancel(buyer, session)).json["status"] == "cancelled"

        async def is_released() -> bool:
            return seen[-1] == (6, 0, 4)

        await until(is_released, "cancelled units are released")
        again = await checkout_all(client, buyers[:15], product)
        assert len(again) == 6
    assert seen[-1] == (0, 6, 4)


async def test_baskets_with_same_products_in_other_order_do_not_deadlock(
    client: JourneyClient,
) -> None:
    seller, buyers = await client.new_seller(), [await client.new_buyer() for _ in range(20)]
    bowl, cup = await client.new_product(seller, stock=30), await client.new_product(seller, stock=30)
    responses = await asyncio.gather(
        *(
            client.checkout(buyer, [(bowl, 1), (cup, 2)] if turn % 2 else [(cup, 2), (bowl, 1)])
            for turn, buyer in enumerate(buyers)
        )
    )
    statuses = [response.status for response in responses]
    assert statuses.count(201) == 15
    assert all(response.slug == "sold-out" for response in responses if response.status != 201)
    rows = await client.market.rows(
        "product", "SELECT stock, held FROM products WHERE id = ANY($1) ORDER BY stock", [bowl["id"], cup["id"]]
    )
    assert rows == [{"stock": 0, "held": 30}, {"stock": 15, "held": 15}]
