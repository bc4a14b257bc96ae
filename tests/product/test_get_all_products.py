"""The lists of the shop."""

import pytest
from msgspec import convert

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from tests.callers import caller
from tests.product.service_harness import Desk, decoded

SOME_ID = "01a204df-ff5d-734d-ae03-88a265c7785c"


async def page(desk: Desk, **asked: object) -> Page[Product]:
    answer = await get_all_products(desk.product, caller(None), convert(asked, GetAllProducts, strict=False))
    return convert(decoded(answer.body), Page[Product])


async def everything(desk: Desk, **asked: object) -> list[str]:
    titles: list[str] = []
    while True:
        part = await page(desk, **asked)
        titles += [product.title for product in part.items]
        if part.next_cursor is None:
            return titles
        asked["cursor"] = part.next_cursor


@pytest.fixture
async def full(desk: Desk) -> Desk:
    """Goods of two trades, two of them at one price, and such as nobody may see."""
    seller, unseen = await desk.seller(), await desk.seller("pending", name="Unseen")
    for title, category, amount in (
        ("Teapot", "Kitchen", 300),
        ("Spade", "Garden", 200),
        ("Pan lid", "kitchen", 200),
        ("Hammock", "GARDEN", 400),
        ("Kettle", "KITCHEN", 100),
    ):
        await desk.offer(seller, title, category=category, price={"amount": amount}, stock=0)
    await desk.offer(seller, "A toy gun")
    await desk.offer(seller, "Desk lamp", category="electronics")
    await desk.offer(unseen, "Saucepan")
    return desk


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(
    ("asked", "titles"),
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
async def test_whoever_pages_sees_each_visible_product_once_and_in_order(
    full: Desk, asked: dict[str, object], titles: str, limit: int
) -> None:
    assert await everything(full, **asked, limit=limit) == [title.replace("·", " ") for title in titles.split()]


async def test_products_listed_anew_do_not_disturb_who_is_reading_on(full: Desk) -> None:
    first = await page(full, limit=2)
    await full.offer(await full.seller(name="Late"), "Newest")
    second = await page(full, limit=2, cursor=first.next_cursor)
    assert [product.title for product in second.items] == ["Pan lid", "Spade"]


@pytest.mark.parametrize("sort", ["latest", "price-low"])
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "e30",
        "WzFd",
        encode_cursor(10**30, "x"),
        encode_cursor("0001-01-01T00:00:00+14:00", SOME_ID),
        encode_cursor("2026-01-01T00:00:00", SOME_ID),
        encode_cursor(10**30, SOME_ID),
        "☃",
    ],
)
async def test_a_cursor_of_anothers_making_is_unreadable(desk: Desk, sort: str, cursor: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        await page(desk, sort=sort, cursor=cursor)
    assert refused.value.slug == "bad-cursor"
