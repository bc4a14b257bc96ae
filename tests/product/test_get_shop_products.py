"""A seller's own list."""

from nextbuy.product.get_shop_products import GetShopProducts, get_shop_products
from tests.callers import caller
from tests.product.service_harness import Desk


async def test_a_seller_lists_own_products_in_every_state_with_what_is_held_and_sold(desk: Desk) -> None:
    seller = await desk.seller("pending")
    await desk.offer(await desk.seller(name="Other"), "Another's kettle")
    kettle = await desk.offer(seller, "My kettle")
    await desk.offer(seller, "My toy gun")
    await desk.hold((kettle, 3))
    own = await get_shop_products(desk.product, caller(seller), GetShopProducts())
    assert [(p.title, p.status, p.stock, p.held, p.sold) for p in own.items] == [
        ("My toy gun", "rejected", 10, 0, 0),
        ("My kettle", "active", 7, 3, 0),
    ]
    first = await get_shop_products(desk.product, caller(seller), GetShopProducts(limit=1))
    assert first.next_cursor is not None
    second = await get_shop_products(desk.product, caller(seller), GetShopProducts(limit=1, cursor=first.next_cursor))
    assert ([p.title for p in second.items], second.next_cursor) == (["My kettle"], None)
