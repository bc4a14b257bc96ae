"""How often products were seen and sold."""

import asyncio
import random

import pytest
from msgspec import convert

from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.product import Activity, CountActivity, Product
from nextbuy.contracts.values import Page, new_id
from nextbuy.product.count_activity import count_activity
from nextbuy.product.get_activity import GetActivity, get_activity
from nextbuy.product.get_products import GetProducts, get_products
from nextbuy.product.store.activity import Counters, counters
from tests.callers import caller
from tests.product.service_harness import Desk, decoded
from tests.waiting import until


async def test_an_event_counts_once_however_often_and_in_whatever_company_it_is_told(desk: Desk) -> None:
    seller = await desk.seller()
    await desk.shop_becomes(seller, "approved")
    products = [await desk.offer(seller, f"Mug {n}") for n in range(6)]
    events = []
    for n in range(60):
        event_id = new_id()
        some = random.sample(products, k=1 + n % 3)
        events.append([Activity(event_id, one.id, viewed=n % 2, sold=1 + n % 4) for one in some])

    async def tell() -> None:
        for _ in range(20):
            lines = [line for event in random.sample(events, k=20) for line in event]
            await count_activity(desk.product, CountActivity(lines=lines))

    await asyncio.gather(*(tell() for _ in range(4)))
    await count_activity(desk.product, CountActivity(lines=[line for event in events for line in event]))
    for product in products:
        lines = [line for event in events for line in event if line.product_id == product.id]
        expected = Counters(sum(line.viewed for line in lines), sum(line.sold for line in lines))
        assert await counters(desk.database, product.id) == expected


async def test_one_who_tells_too_much_at_once_is_refused(desk: Desk) -> None:
    lines = [Activity(new_id(), new_id(), viewed=1)] * 2_001
    with pytest.raises(Unprocessable):
        await count_activity(desk.product, CountActivity(lines=lines))


async def test_a_page_is_told_what_was_seen_and_sold_a_few_seconds_late_at_most(desk: Desk) -> None:
    mug = await desk.offer(await desk.seller())
    ask = GetActivity(mug.id)

    async def told() -> bool:
        return await get_activity(desk.product, caller(None), ask) == Counters(3, 12)

    assert await get_activity(desk.product, caller(None), ask) == Counters(0, 0)
    await count_activity(desk.product, CountActivity(lines=[Activity(new_id(), mug.id, viewed=3, sold=12)]))
    await until(told)
    hidden = await desk.offer(await desk.seller("pending"))
    with pytest.raises(NotFound):
        await get_activity(desk.product, caller(None), GetActivity(hidden.id))


async def test_several_products_are_read_at_once_in_the_order_in_which_they_are_named(desk: Desk) -> None:
    seller = await desk.seller()
    products = [await desk.offer(seller, f"Mug {n}") for n in range(4)]
    hidden = await desk.offer(await desk.seller("pending"))
    named = [products[2], products[0], hidden, products[3], products[2]]
    ids = ",".join([str(one.id) for one in named] + [str(new_id())])
    page = convert(decoded((await get_products(desk.product, caller(None), GetProducts(ids))).body), Page[Product])
    assert [one.id for one in page.items] == [products[n].id for n in (2, 0, 3)]
    for bad in ("x" * 36, ",".join(str(new_id()) for _ in range(51))):
        with pytest.raises(Unprocessable):
            await get_products(desk.product, caller(None), GetProducts(bad))
