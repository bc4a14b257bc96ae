"""Decisions of admins about products."""

import asyncio
from typing import Literal

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import DecideProduct, ListProducts, Product
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from nextbuy.product.list_products import list_products
from tests.outbox import data, published, topics
from tests.product.service_harness import ServiceHarness, shown
from tests.waiting import all_wait_for_a_lock, until

ADMIN = new_id()


async def decide(
    service: ServiceHarness, product: Product, decision: Literal["active", "rejected"], reason: str = "Looks right."
) -> Product:
    return await decide_product(
        service.deps, DecideProduct(product_id=product.id, decision=decision, reason=reason, by=ADMIN)
    )


async def test_approved_product_is_for_sale_and_published_once(service: ServiceHarness) -> None:
    lamp = await service.create_product(await service.seller(), "Desk lamp", category="electronics")
    first = await decide(service, lamp, "active")

    assert await decide(service, lamp, "active") == first
    assert await service.get_product(lamp.id) == shown(first)
    assert first.status == "active"
    assert (await topics(service.database))[2:] == ["product.approved"]
    assert data((await published(service.database))[2])["by"] == str(ADMIN)


async def test_concurrent_decisions_are_published_once(service: ServiceHarness) -> None:
    lamp = await service.create_product(await service.seller(), "Desk lamp", category="electronics")

    async with service.database.transaction() as tx:
        await tx.execute("SELECT FROM products FOR UPDATE")
        decisions = [asyncio.create_task(decide(service, lamp, "active")) for _ in range(2)]
        await until(lambda: all_wait_for_a_lock(service.database, len(decisions)))
    await asyncio.gather(*decisions)

    assert (await topics(service.database))[2:] == ["product.approved"]


async def test_rejected_product_is_hidden_and_shows_reason_to_seller(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller)
    await service.get_product(kettle.id)
    await decide(service, kettle, "rejected", "Not yours to sell.")

    with pytest.raises(NotFound):
        await service.get_product(kettle.id)

    seen = await service.get_product(kettle.id, seller)
    assert seen.status == "rejected"
    assert seen.moderation
    assert [reason.excerpt for reason in seen.moderation.reasons] == ["Not yours to sell."]
    assert data((await published(service.database))[1])["reason"] == "Not yours to sell."


async def test_decision_on_unknown_product_is_refused(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    await service.database.execute("DELETE FROM products")

    with pytest.raises(NotFound):
        await decide(service, kettle, "active")


async def test_pending_products_are_listed_oldest_first_page_by_page(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    lamps = [await service.create_product(seller, f"Desk lamp {n}", category="electronics") for n in range(5)]
    await service.create_product(seller)
    listed: list[Product] = []
    cursor = None
    while True:
        page = await list_products(service.deps, ListProducts(status="pending", limit=2, cursor=cursor))
        listed += page.items
        cursor = page.next_cursor
        if cursor is None:
            break

    assert listed == lamps
