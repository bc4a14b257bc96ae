"""A seller's list of own products."""

import pytest
from msgspec import convert

from nextbuy.contracts.errors import Unprocessable
from nextbuy.product.get_shop_products import GetShopProducts, get_shop_products
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import caller
from tests.product.service_harness import ServiceHarness


async def test_seller_lists_own_products_in_any_status_with_held_and_sold_units(service: ServiceHarness) -> None:
    seller = await service.seller("pending")
    await service.create_product(await service.seller(name="Other"), "Another's kettle")
    kettle = await service.create_product(seller, "My kettle")
    await service.create_product(seller, "My old gun")
    await service.hold((kettle, 3))

    own = await get_shop_products(service.deps, caller(seller), GetShopProducts())

    assert [(p.title, p.status, p.stock, p.held, p.sold) for p in own.items] == [
        ("My old gun", "rejected", 10, 0, 0),
        ("My kettle", "active", 7, 3, 0),
    ]

    first = await get_shop_products(service.deps, caller(seller), GetShopProducts(limit=1))
    assert first.next_cursor is not None

    second = await get_shop_products(service.deps, caller(seller), GetShopProducts(limit=1, cursor=first.next_cursor))
    assert ([p.title for p in second.items], second.next_cursor) == (["My kettle"], None)


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"q": "KETTLE"}, ["Iron kettle", "Copper kettle"]),
        ({"q": "100%"}, []),
        ({"status": "rejected"}, ["Old gun"]),
        ({"stock_max": 5}, ["Iron kettle"]),
        ({"stock_max": 0}, []),
        ({"q": "e", "status": "active", "stock_max": 10}, ["Iron kettle", "Copper kettle"]),
    ],
)
async def test_seller_finds_own_products_by_title_status_and_low_stock(
    service: ServiceHarness, filters: dict[str, object], titles: list[str]
) -> None:
    seller = await service.seller()
    await service.create_product(await service.seller(name="Other"), "Another's kettle", stock=1)
    for title, stock in (("Copper kettle", 10), ("Old gun", 50), ("Iron kettle", 5)):
        await service.create_product(seller, title, stock=stock)

    found: list[str] = []
    request: dict[str, object] = {**filters, "limit": 1}
    while True:
        page = await get_shop_products(service.deps, caller(seller), convert(request, GetShopProducts))
        found += [product.title for product in page.items]
        if page.next_cursor is None:
            break
        request["cursor"] = page.next_cursor

    assert found == titles
    with pytest.raises(Unprocessable):
        await get_shop_products(service.deps, caller(seller), GetShopProducts(q="other", cursor="WzFd"))


async def test_category_and_tags_of_a_refused_product_can_be_put_right(service: ServiceHarness) -> None:
    seller = await service.seller()
    refused = await service.create_product(seller, "Handbag", category="Bags", tags=["stolen"])
    assert refused.status == "rejected"

    changed = await update_product(
        service.deps, caller(seller), UpdateProduct(product_id=refused.id, category="Leather", tags=["hand made"])
    )

    product = changed.product
    assert (product.status, product.category, product.tags) == ("active", "Leather", ["hand made"])
