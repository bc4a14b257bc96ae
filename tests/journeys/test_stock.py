"""Fifty buyers and ten units: nobody buys what is not there, and what is given back can be bought again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.journeys.people import BAD_CARD, Json, Person, Town
from tests.journeys.shapes import is_problem
from tests.waiting import until

UNITS = 10
BUYERS = 50


@asynccontextmanager
async def always_all_there(town: Town, product: Json) -> AsyncIterator[list[tuple[int, int, int]]]:
    """Reads the database all the time: stock, held and sold are one number at every moment."""
    seen: list[tuple[int, int, int]] = []
    over = asyncio.Event()

    async def look() -> None:
        async with town.market.database("product") as database:
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


async def everybody_asks(town: Town, buyers: list[Person], product: Json) -> list[tuple[Person, Json]]:
    """All at once; exactly as many get one as there are."""
    answers = await asyncio.gather(*(town.checkout(buyer, [(product, 1)]) for buyer in buyers))
    for answer in answers:
        if answer.status != 201:
            is_problem(answer, 409, "sold-out")
    return [(buyer, answer.said) for buyer, answer in zip(buyers, answers, strict=True) if answer.status == 201]


async def test_fifty_buyers_at_once_get_exactly_the_ten_that_there_are(town: Town) -> None:
    product = await town.product(stock=UNITS)
    # A login costs a tenth of a second of work on purpose: a few accounts are enough, each asks with many hands.
    accounts = [await town.buyer() for _ in range(5)]
    async with always_all_there(town, product) as seen:
        got = await everybody_asks(town, accounts * (BUYERS // 5), product)
        assert len(got) == UNITS
        paid, declined = got[:4], got[4:]
        answers = await asyncio.gather(
            *(town.pay(session) for _, session in paid), *(town.pay(session, BAD_CARD) for _, session in declined)
        )
        assert [answer.said["status"] for answer in answers] == ["paid"] * 4 + ["declined"] * 6
        for buyer, session in paid:
            await town.until_it_is("paid", buyer, session)
        for buyer, session in declined:
            await town.until_it_is("failed", buyer, session)

        async def given_back() -> bool:
            return seen[-1] == (6, 0, 4)

        await until(given_back, "what was declined can be bought again")
        again = await everybody_asks(town, accounts * 3, product)
        assert len(again) == 6
    assert seen[-1] == (0, 6, 4)


async def test_two_baskets_that_want_the_same_goods_in_another_order_do_not_block_each_other(town: Town) -> None:
    seller, buyer = await town.seller(), await town.buyer()
    bowl, cup = await town.product(seller, stock=30), await town.product(seller, stock=30)
    answers = await asyncio.gather(
        *(town.checkout(buyer, [(bowl, 1), (cup, 2)] if turn % 2 else [(cup, 2), (bowl, 1)]) for turn in range(20))
    )
    statuses = [answer.status for answer in answers]
    assert statuses.count(201) == 15
    assert all(answer.slug == "sold-out" for answer in answers if answer.status != 201)
    rows = await town.market.rows(
        "product", "SELECT stock, held FROM products WHERE id = ANY($1) ORDER BY stock", [bowl["id"], cup["id"]]
    )
    assert rows == [{"stock": 0, "held": 30}, {"stock": 15, "held": 15}]
