"""Counters of views and sales; several products at once."""

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import convert
from msgspec.structs import replace

from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine, Product, ProductViewed, PublicProduct
from nextbuy.contracts.values import Page, new_id
from nextbuy.product.count_activity import count_activity
from nextbuy.product.get_activity import GetActivity, get_activity
from nextbuy.product.get_products import GetProducts, get_products
from nextbuy.product.service import SERVICE
from nextbuy.product.store.activity import Counters, get_counters
from tests.callers import caller
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound, order
from tests.product.service_harness import ServiceHarness, decoded
from tests.waiting import until


def viewed(product: Product, views: int) -> ProductViewed:
    return ProductViewed(
        product_id=product.id,
        shop_id=product.shop_id,
        seller_id=new_id(),
        views=views,
        hour=datetime(2026, 11, 22, 12, tzinfo=UTC),
    )


def sold(*lines: tuple[Product, int]) -> OrderCreated:
    priced = [PricedLine(one.id, one.shop_id, one.title, quantity, one.price) for one, quantity in lines]
    return replace(order(), lines=priced)


async def test_event_is_counted_once_in_any_repetition_and_batch(service: ServiceHarness) -> None:
    seller = await service.seller()
    await service.set_shop_status(seller, "approved")
    products = [await service.create_product(seller, f"Mug {n}") for n in range(6)]
    expected = {one.id: [0, 0] for one in products}
    events = []
    for n in range(60):
        product, other = random.sample(products, k=2)
        events.append(inbound(viewed(product, n)))
        expected[product.id][0] += n
        events.append(inbound(sold((product, 1 + n % 4), (other, 2))))
        expected[product.id][1] += 1 + n % 4
        expected[other.id][1] += 2
    delivery = Delivery(SERVICE, service.deps, service.database)
    await delivery()

    async def deliver() -> None:
        for _ in range(10):
            await delivery(*random.sample(events, k=40))

    await asyncio.gather(*(deliver() for _ in range(4)))
    await delivery(*events)

    for product in products:
        assert await get_counters(service.database, product.id) == Counters(*expected[product.id])


async def test_batch_is_counted_by_one_statement(service: ServiceHarness) -> None:
    seller = await service.seller()
    mug, bowl = await service.create_product(seller, "Mug"), await service.create_product(seller, "Bowl")
    events = [inbound(viewed(mug, 2)), inbound(sold((mug, 1), (bowl, 3), (mug, 1))), inbound(viewed(mug, 5))]

    statements = await handle(count_activity, service.deps, *events)

    assert statements == 1
    assert await get_counters(service.database, mug.id) == Counters(7, 2)
    assert await get_counters(service.database, bowl.id) == Counters(0, 3)


async def test_concurrent_batches_of_products_do_not_deadlock(service: ServiceHarness) -> None:
    seller = await service.seller()
    products = [await service.create_product(seller, title) for title in ("Mug", "Bowl")]
    first, last = sorted(products, key=lambda one: one.id)

    await assert_fixed_lock_order(count_activity, service.deps, inbound(viewed(first, 1)), inbound(viewed(last, 1)))

    rows = await service.database.fetch("SELECT views FROM activity")
    assert [row["views"] for row in rows] == [2, 2]


async def test_counters_are_served_within_seconds(service: ServiceHarness) -> None:
    mug = await service.create_product(await service.seller())
    request = GetActivity(mug.id)

    async def served() -> Counters:
        return msgspec.json.decode((await get_activity(service.deps, caller(None), request)).body, type=Counters)

    async def are_served() -> bool:
        return await served() == Counters(3, 12)

    assert await served() == Counters(0, 0)

    await handle(count_activity, service.deps, inbound(viewed(mug, 3)), inbound(sold((mug, 12))))
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

    page = convert(
        decoded((await get_products(service.deps, caller(None), GetProducts(ids))).body), Page[PublicProduct]
    )

    assert [one.id for one in page.items] == [products[n].id for n in (2, 0, 3)]

    for bad in ("x" * 36, ",".join(str(new_id()) for _ in range(51))):
        with pytest.raises(Unprocessable):
            await get_products(service.deps, caller(None), GetProducts(bad))
