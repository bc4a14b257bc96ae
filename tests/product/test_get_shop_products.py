"""A seller's list of own products."""

from nextbuy.contracts.values import PageRequest
from nextbuy.product.get_shop_products import get_shop_products
from tests.callers import caller
from tests.product.service_harness import ServiceHarness


async def test_seller_lists_own_products_in_any_status_with_held_and_sold_units(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    await service.create_product(await service.seller(name="Other"), "Another's kettle")
    kettle = await service.create_product(seller, "My kettle")
    await service.create_product(seller, "My old gun")
    await service.hold((kettle, 3))

    own = await get_shop_products(service.deps, caller(seller), PageRequest())

    assert [(p.title, p.status, p.stock, p.held, p.sold) for p in own.items] == [
        ("My old gun", "rejected", 10, 0, 0),
        ("My kettle", "active", 7, 3, 0),
    ]

    first = await get_shop_products(service.deps, caller(seller), PageRequest(limit=1))
    assert first.next_cursor is not None

    second = await get_shop_products(service.deps, caller(seller), PageRequest(limit=1, cursor=first.next_cursor))
    assert ([p.title for p in second.items], second.next_cursor) == (["My kettle"], None)
