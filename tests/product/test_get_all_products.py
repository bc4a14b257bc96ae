"""Public lists of products: filters, order, and paging."""

import pytest
from msgspec import convert

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.model import Filters
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded

SOME_ID = "01a204df-ff5d-734d-ae03-88a265c7785c"


async def page(service: ServiceHarness, **filters: object) -> Page[PublicProduct]:
    response = await get_all_products(service.deps, caller(None), convert(filters, GetAllProducts, strict=False))
    return convert(decoded(response.body), Page[PublicProduct])


async def all_titles(service: ServiceHarness, **filters: object) -> list[str]:
    titles: list[str] = []
    while True:
        part = await page(service, **filters)
        titles += [product.title for product in part.items]
        if part.next_cursor is None:
            return titles
        filters["cursor"] = part.next_cursor


@pytest.fixture
async def full(service: ServiceHarness) -> ServiceHarness:
    """Products of two categories, two of them at one price, and some that are not for sale."""
    seller, unseen = await service.seller(), await service.seller("pending", name="Unseen")
    for title, category, amount in (
        ("Teapot", "Kitchen", 300),
        ("Spade", "Garden", 200),
        ("Pan lid", "kitchen", 200),
        ("Hammock", "GARDEN", 400),
        ("Kettle", "KITCHEN", 100),
    ):
        await service.create_product(seller, title, category=category, price={"amount": amount}, stock=0)
    await service.create_product(seller, "A old gun")
    await service.create_product(seller, "Desk lamp", category="electronics")
    await service.create_product(unseen, "Saucepan")
    return service


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({}, "Kettle Hammock Pan·lid Spade Teapot"),
        ({"sort": "price-low"}, "Kettle Spade Pan·lid Teapot Hammock"),
        ({"sort": "price-high"}, "Hammock Teapot Pan·lid Spade Kettle"),
        ({"category": "kitCHEN "}, "Kettle Pan·lid Teapot"),
        ({"category": "kitchen", "sort": "price-low"}, "Kettle Pan·lid Teapot"),
        ({"category": "garden", "sort": "price-high"}, "Hammock Spade"),
        ({"category": "kit"}, ""),
    ],
)
async def test_paging_returns_each_product_for_sale_once_in_order(
    full: ServiceHarness, filters: dict[str, object], titles: str, limit: int
) -> None:
    assert await all_titles(full, **filters, limit=limit) == [title.replace("·", " ") for title in titles.split()]


async def test_new_product_does_not_shift_next_page(full: ServiceHarness) -> None:
    first = await page(full, limit=2)
    await full.create_product(await full.seller(name="Late"), "Newest")

    second = await page(full, limit=2, cursor=first.next_cursor)

    assert [product.title for product in second.items] == ["Pan lid", "Spade"]


@pytest.mark.parametrize("sort", ["latest", "price-low"])
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "e30",
        "WzFd",
        encode_cursor(("for-sale", "latest", *Filters().identity), 10**30, "x"),
        encode_cursor(("for-sale", "latest", *Filters().identity), "0001-01-01T00:00:00+14:00", SOME_ID),
        encode_cursor(("for-sale", "latest", *Filters().identity), "2026-01-01T00:00:00", SOME_ID),
        encode_cursor(("for-sale", "latest", *Filters().identity), 10**30, SOME_ID),
        "☃",
    ],
)
async def test_invalid_cursor_is_refused(service: ServiceHarness, sort: str, cursor: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        await page(service, sort=sort, cursor=cursor)
    assert refused.value.slug == "invalid-cursor"
