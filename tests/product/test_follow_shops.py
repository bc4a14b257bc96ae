"""What seller tells of shops."""

from typing import Any

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended, Shop
from nextbuy.kit.outbox import wrap
from nextbuy.kit.telemetry import begin
from nextbuy.product.follow_shops import ShopEvent, follow_shops
from tests.product.desk import Desk


def told(kind: type[Any], shop: Shop, version: int, **more: str) -> ShopEvent:
    status = kind.topic.removeprefix("seller.").replace("registered", "pending")
    event: ShopEvent = kind(
        shop_id=shop.id, user_id=shop.seller_id, shop_name=shop.name, status=status, shop_version=version, **more
    )
    return event


async def hear(desk: Desk, *events: ShopEvent) -> None:
    async with desk.database.transaction() as tx:
        await follow_shops(desk.product, tx, [(event, wrap(event, "seller", begin())) for event in events])


async def test_goods_appear_with_the_approval_and_go_with_the_suspension(desk: Desk) -> None:
    seller = await desk.seller("pending")
    kettle, shop = await desk.offer(seller), desk.shops[seller.id]
    await hear(desk, told(SellerApproved, shop, 2))
    assert (await desk.see(kettle.id)).id == kettle.id
    await hear(desk, told(SellerSuspended, shop, 3, reason="Fraud."))
    with pytest.raises(NotFound):
        await desk.see(kettle.id)


async def test_words_that_come_late_twice_and_in_one_batch_leave_the_last_word_standing(desk: Desk) -> None:
    seller = await desk.seller("pending")
    kettle, shop = await desk.offer(seller), desk.shops[seller.id]
    approved = told(SellerApproved, shop, 3)
    await hear(desk, approved, told(SellerRejected, shop, 2, reason="No."), told(SellerRegistered, shop, 1), approved)
    await hear(desk, told(SellerRejected, shop, 2, reason="No."))
    assert (await desk.see(kettle.id)).id == kettle.id


async def test_a_shop_is_known_before_it_offers_anything(desk: Desk) -> None:
    seller = await desk.seller("pending")
    await hear(desk, told(SellerApproved, desk.shops[seller.id], 2))
    # Seller's answer to `validate_shop_owner` was on its way when the approval came.
    kettle = await desk.offer(seller)
    assert await desk.see(kettle.id) == kettle
