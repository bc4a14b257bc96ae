"""What seller tells of shops."""

import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import UpsertShop
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import ShopStatus
from nextbuy.product.upsert_shop import upsert_shop
from tests.product.service_harness import Desk


def told(status: ShopStatus, shop: Shop, version: int) -> UpsertShop:
    return UpsertShop(
        shop_id=shop.id, seller_id=shop.seller_id, shop_name=shop.name, status=status, shop_version=version
    )


async def hear(desk: Desk, *words: UpsertShop) -> None:
    for word in words:
        await upsert_shop(desk.product, word)


async def test_goods_appear_with_the_approval_and_go_with_the_suspension(desk: Desk) -> None:
    seller = await desk.seller("pending")
    kettle, shop = await desk.offer(seller), desk.shops[seller.id]
    await hear(desk, told("approved", shop, 2))
    assert (await desk.see(kettle.id)).id == kettle.id
    await hear(desk, told("suspended", shop, 3))
    with pytest.raises(NotFound):
        await desk.see(kettle.id)


async def test_words_that_come_late_and_twice_leave_the_last_word_standing(desk: Desk) -> None:
    seller = await desk.seller("pending")
    kettle, shop = await desk.offer(seller), desk.shops[seller.id]
    approved = told("approved", shop, 3)
    await hear(desk, approved, told("rejected", shop, 2), told("pending", shop, 1), approved)
    await hear(desk, replace(told("rejected", shop, 2), shop_name="Other"))
    assert (await desk.see(kettle.id)).id == kettle.id


async def test_a_shop_is_known_before_it_offers_anything(desk: Desk) -> None:
    seller = await desk.seller("pending")
    await hear(desk, told("approved", desk.shops[seller.id], 2))
    # Seller's answer to `validate_shop_owner` was on its way when the approval came.
    kettle = await desk.offer(seller)
    assert await desk.see(kettle.id) == kettle
