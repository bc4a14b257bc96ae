"""Filters of lists and searches: price, stock, shop and category, in each order."""

from typing import Any

import pytest
from msgspec import convert

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.model import Filters
from nextbuy.product.search_products import SearchProducts, search_products
from nextbuy.product.store.lists import list_for_sale
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded

GOODS = (
    # Title, category, price, stock, whether it is Kiln's or Loom's.
    ("Red mug", "Kitchen", 300, 1, True),
    ("Blue mug", "Kitchen", 100, 0, True),
    ("Garden mug", "Garden", 200, 5, False),
    ("Tall mug", "kitchen", 400, 2, False),
)


async def titles(service: ServiceHarness, route: str, **filters: object) -> list[str]:
    """Return the titles without "mug" of all pages, one product each."""
    found: list[str] = []
    while True:
        if route == "list":
            listing = convert({**filters, "limit": 1}, GetAllProducts, strict=False)
            reply = await get_all_products(service.deps, caller(None), listing)
        else:
            request = convert({"q": "mug", **filters, "limit": 1}, SearchProducts, strict=False)
            reply = await search_products(service.deps, caller(None), request)
        page = convert(decoded(reply.body), Page[PublicProduct])
        found += [product.title.replace("mug", "").strip() for product in page.items]
        if page.next_cursor is None:
            return found
        filters["cursor"] = page.next_cursor


@pytest.fixture
async def sellers(service: ServiceHarness) -> tuple[Account, Account]:
    """The sellers of Kiln and Loom, with their goods."""
    kiln, loom = await service.seller(name="Kiln"), await service.seller(name="Loom")
    for title, category, amount, stock, is_kilns in GOODS:
        await service.create_product(
            kiln if is_kilns else loom, title, category=category, price={"amount": amount}, stock=stock
        )
    return kiln, loom


@pytest.mark.parametrize("route", ["list", "search"])
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, "Tall Garden Blue Red"),
        ({"price_min": 200, "price_max": 300}, "Garden Red"),
        ({"price_max": 99}, ""),
        ({"in_stock": "true"}, "Tall Garden Red"),
        ({"in_stock": "false"}, "Tall Garden Blue Red"),
        ({"category": "KITCHEN"}, "Tall Blue Red"),
        ({"category": "kitchen", "in_stock": "true", "price_min": 400}, "Tall"),
        ({"sort": "price-low", "in_stock": "true"}, "Garden Red Tall"),
        ({"sort": "price-high", "price_max": 300}, "Red Garden Blue"),
        ({"sort": "price-low", "category": "kitchen", "price_min": 101}, "Red Tall"),
    ],
)
@pytest.mark.usefixtures("sellers")
async def test_list_and_search_have_what_passes_all_filters_in_order(
    service: ServiceHarness, route: str, filters: dict[str, Any], found: str
) -> None:
    assert await titles(service, route, **{"sort": "latest", **filters}) == found.split()


@pytest.mark.parametrize("route", ["list", "search"])
async def test_list_and_search_of_one_shop(
    service: ServiceHarness, sellers: tuple[Account, Account], route: str
) -> None:
    kiln, loom = (service.shops[seller.id].id for seller in sellers)

    assert await titles(service, route, sort="latest", shop_id=kiln) == ["Blue", "Red"]
    assert await titles(service, route, sort="price-high", shop_id=loom) == ["Tall", "Garden"]
    assert await titles(service, route, sort="price-low", shop_id=loom, category="Garden", price_min=1) == ["Garden"]
    await service.set_shop_status(sellers[1], "suspended")
    service.deps.cache.invalidate_pages()
    assert await titles(service, route, sort="latest", shop_id=loom) == []
    # The query itself leaves them out, so that they take no place on a page.
    assert (await list_for_sale(service.database, "latest", Filters(shop_id=loom), limit=9, cursor=None)).ids == []


@pytest.mark.usefixtures("sellers")
async def test_search_by_relevance_passes_its_filters_before_it_is_ranked(service: ServiceHarness) -> None:
    assert await titles(service, "search") == ["Tall", "Garden", "Red", "Blue"]
    assert await titles(service, "search", in_stock="true", price_max=300) == ["Garden", "Red"]
    assert await titles(service, "search", category="garden") == ["Garden"]


@pytest.mark.usefixtures("sellers")
async def test_price_range_that_is_upside_down_is_explained(service: ServiceHarness) -> None:
    for route in ("list", "search"):
        with pytest.raises(Unprocessable, match=r"price_min \(300\) is above price_max \(200\). Swap them.") as refused:
            await titles(service, route, price_min=300, price_max=200)
        assert refused.value.slug == "price-range-invalid"


@pytest.mark.parametrize(
    "other",
    [{"price_min": 1}, {"price_max": 999}, {"in_stock": "true"}, {"category": "kitchen"}, {"sort": "price-low"}],
)
@pytest.mark.parametrize("route", ["list", "search"])
@pytest.mark.usefixtures("sellers")
async def test_cursor_of_other_filters_is_refused(service: ServiceHarness, route: str, other: dict[str, Any]) -> None:
    if route == "list":
        reply = await get_all_products(service.deps, caller(None), GetAllProducts(limit=1))
    else:
        reply = await search_products(service.deps, caller(None), SearchProducts(q="mug", limit=1))
    cursor = decoded(reply.body)["next_cursor"]

    with pytest.raises(Unprocessable) as refused:
        await titles(service, route, cursor=cursor, **other)
    assert refused.value.slug == "invalid-cursor"
