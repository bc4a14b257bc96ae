"""An admin decides."""

from typing import Literal

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import DecideProduct, ListProducts, Product
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from nextbuy.product.list_products import list_products
from tests.outbox import data, published, topics
from tests.product.service_harness import Desk

ADMIN = new_id()


async def decide(
    desk: Desk, product: Product, decision: Literal["active", "rejected"], reason: str = "Looks right."
) -> Product:
    return await decide_product(
        desk.product, DecideProduct(product_id=product.id, decision=decision, reason=reason, by=ADMIN)
    )


async def test_an_approved_product_is_on_sale_and_told_once(desk: Desk) -> None:
    lamp = await desk.offer(await desk.seller(), "Desk lamp", category="electronics")
    first = await decide(desk, lamp, "active")
    assert await decide(desk, lamp, "active") == first == await desk.see(lamp.id)
    assert first.status == "active"
    assert (await topics(desk.database))[2:] == ["product.approved"]
    assert data((await published(desk.database))[2])["by"] == str(ADMIN)


async def test_a_rejected_product_leaves_the_shop_and_its_seller_reads_why(desk: Desk) -> None:
    seller = await desk.seller()
    kettle = await desk.offer(seller)
    await desk.see(kettle.id)
    await decide(desk, kettle, "rejected", "Not yours to sell.")
    with pytest.raises(NotFound):
        await desk.see(kettle.id)
    seen = await desk.see(kettle.id, seller)
    assert seen.status == "rejected"
    assert [reason.excerpt for reason in seen.moderation.reasons] == ["Not yours to sell."]
    assert data((await published(desk.database))[1])["reason"] == "Not yours to sell."


async def test_a_product_that_is_not_there_cannot_be_decided(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    await desk.database.execute("DELETE FROM products")
    with pytest.raises(NotFound):
        await decide(desk, kettle, "active")


async def test_those_that_wait_are_listed_oldest_first_in_parts(desk: Desk) -> None:
    seller = await desk.seller("pending")
    lamps = [await desk.offer(seller, f"Desk lamp {n}", category="electronics") for n in range(5)]
    await desk.offer(seller)
    listed: list[Product] = []
    cursor = None
    while True:
        page = await list_products(desk.product, ListProducts(status="pending", limit=2, cursor=cursor))
        listed += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert listed == lamps
