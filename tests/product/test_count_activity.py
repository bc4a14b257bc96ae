"""Counters of views and sales; several products at once."""

import asyncio
import random

import pytest
from msgspec import convert

from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.product import Activity, Product, RecordActivity
from nextbuy.contracts.values import Page, new_id
from nextbuy.product.get_activity import GetActivity, get_activity
from nextbuy.product.get_products import GetProducts, get_products
from nextbuy.product.record_activity import record_activity
from nextbuy.product.store.activity import Counters, get_counters
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded
from tests.waiting import until


async def test_event_is_counted_once_in_any_repetition_and_batch(service: ServiceHarness) -> None:
    seller = await service.seller()
    await service.set_shop_status(seller, "approved")
    products = [await service.create_product(seller, f"Mug {n}") for n in range(6)]
    events = []
    for n in range(60):
        event_id = new_id()
        some = random.sample(products, k=1 + n % 3)
        events.append([Activity(event_id, one.id, viewed=n % 2, sold=1 + n % 4) for one in some])

    async def deliver() -> None:
        for _ in range(20):
            lines = [line for event in random.sample(events, k=20) for line in event]
            await record_activity(service.deps, RecordActivity(lines=lines))

    await asyncio.gather(*(deliver() for _ in range(4)))
    await record_activity(service.deps, RecordActivity(lines=[line for event in events for line in event]))
    for product in products:
        lines = [line for event in events for line in event if line.product_id == product.id]
        expected = Counters(sum(line.viewed for line in lines), sum(line.sold for line in lines))
        assert await get_counters(service.database, product.id) == expected


async def test_call_with_too_many_lines_is_refused(service: ServiceHarness) -> None:
    lines = [Activity(new_id(), new_id(), viewed=1)] * 2_001
    with pytest.raises(Unprocessable):
        await record_activity(service.deps, RecordActivity(lines=lines))


async def test_counters_are_served_within_seconds(service: ServiceHarness) -> None:
    mug = await service.create_product(await service.seller())
    request = GetActivity(mug.id)

    async def are_served() -> bool:
        return await get_activity(service.deps, caller(None), request) == Counters(3, 12)

    assert await get_activity(service.deps, caller(None), request) == Counters(0, 0)

    await record_activity(service.deps, RecordActivity(lines=[Activity(new_id(), mug.id, viewed=3, sold=12)]))
    await until(are_served)
    hidden = await service.create_product(await service.seller("pending"))

    with pytest.raises(NotFound):
        await get_activity(service.deps, caller(None), GetActivity(hidden.id))


async def test_several_products_are_read_in_requested_order(service: ServiceHarness) -> None:
    seller = await service.seller()
    products = [await service.create_product(seller, f"Mug {n}") for n in range(4)]
    hidden = await service.create_product(await service.seller("pending"))
    named = [products[2], products[0], hidden, products[3], products[2]]
    ids = ",".join([str(one.id) for one in named] + [str(new_id())])

    page = convert(decoded((await get_products(service.deps, caller(None), GetProducts(ids))).body), Page[Product])

    assert [one.id for one in page.items] == [products[n].id for n in (2, 0, 3)]

    for bad in ("x" * 36, ",".join(str(new_id()) for _ in range(51))):
        with pytest.raises(Unprocessable):
            await get_products(service.deps, caller(None), GetProducts(bad))
