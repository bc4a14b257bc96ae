"""How often products were seen and sold."""

import asyncio
import random

import pytest

from nextbuy.contracts.errors import Unreadable
from nextbuy.contracts.product import Activity, CountActivity
from nextbuy.contracts.values import new_id
from nextbuy.product.count_activity import count_activity
from nextbuy.product.store.activity import Counters, counters
from tests.product.desk import Desk


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
    with pytest.raises(Unreadable):
        await count_activity(desk.product, CountActivity(lines=lines))
