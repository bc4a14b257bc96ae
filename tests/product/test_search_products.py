"""Finding things by their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from nextbuy.contracts.product import Activity, CountActivity, Product
from nextbuy.contracts.values import Page, new_id
from nextbuy.product.count_activity import count_activity
from nextbuy.product.model import search_terms
from nextbuy.product.search_products import SearchProducts, search_products
from tests.callers import caller
from tests.product.service_harness import Desk, decoded


async def search(desk: Desk, q: str, **asked: object) -> Page[Product]:
    answer = await search_products(desk.product, caller(None), convert({"q": q, **asked}, SearchProducts))
    return convert(decoded(answer.body), Page[Product])


async def titles(desk: Desk, q: str) -> list[str]:
    return [product.title for product in (await search(desk, q)).items]


@pytest.fixture
async def full(desk: Desk) -> Desk:
    """A few things, some of which nobody may find."""
    seller = await desk.seller()
    await desk.offer(seller, "Blue mug", description="Holds what the kettle has boiled, and more.")
    await desk.offer(seller, "Whistle", tags=["kettle"])
    await desk.offer(seller, "Copper kettle")
    await desk.offer(seller, "Iron kettles", stock=0)
    await desk.offer(seller, "Kettle gun")
    await desk.offer(seller, "Electric kettle", category="electronics")
    await desk.offer(await desk.seller("pending", name="Unseen"), "Unseen kettle")
    return desk


async def test_titles_come_before_tags_before_texts_and_what_is_sold_out_comes_last(full: Desk) -> None:
    assert await titles(full, "kettle") == ["Copper kettle", "Whistle", "Blue mug", "Iron kettles"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("kett", ["Copper kettle", "Whistle", "Blue mug", "Iron kettles"]),
        ("copper kett", ["Copper kettle"]),
        ("KETTLES copper", ["Copper kettle"]),
        ('"copper kettle"', ["Copper kettle"]),
        ('"kettle copper"', []),
        ("kettle -copper -iron -boiled", ["Whistle"]),
        ("mug or whistle", ["Blue mug", "Whistle"]),
        ("kitchen copper", ["Copper kettle"]),
        ("the", []),
        ("the of and", []),
        ("nothing", []),
        ("!&|:*()<->'\\", []),
        (" ", []),
    ],
)
async def test_what_is_typed_is_understood(full: Desk, q: str, found: list[str]) -> None:
    assert sorted(await titles(full, q)) == sorted(found)


async def test_finds_come_in_parts_each_once(full: Desk) -> None:
    whole = await titles(full, "kettle")
    parts: list[str] = []
    asked: dict[str, str] = {}
    while True:
        part = await search(full, "kettle", limit=1, **asked)
        parts += [product.title for product in part.items]
        if part.next_cursor is None:
            break
        asked = {"cursor": part.next_cursor}
    assert parts == whole


async def test_no_text_breaks_the_search(full: Desk) -> None:
    for q in (
        "a:*",
        "'kettle",
        "kettle'",
        'kettle "',
        "((",
        "x" * 200,
        "kettle & | !",
        "\\",
        "ﬁ ß İ",
        "🫖",
        "or",
        "-",
        '"',
    ):
        await titles(full, q)


@given(st.text(min_size=1, max_size=60))
def test_a_beginning_is_always_a_word_and_nothing_typed_is_lost(text: str) -> None:
    words, beginning = search_terms(text)
    assert words + beginning == text
    assert not beginning or beginning.replace("_", "a").isalnum()


async def test_of_what_fits_equally_well_the_more_popular_comes_first_and_what_fits_better_before_it(
    desk: Desk,
) -> None:
    seller = await desk.seller()
    seen, sold, quiet, text = [
        await desk.offer(seller, title, description=description)
        for title, description in [
            ("Seen teapot", "A pot."),
            ("Sold teapot", "A pot."),
            ("Quiet teapot", "A pot."),
            ("Cosy", "For a teapot."),
        ]
    ]
    lines = [
        Activity(new_id(), seen.id, viewed=15),
        Activity(new_id(), sold.id, sold=1),
        Activity(new_id(), text.id, sold=10_000),
    ]
    await count_activity(desk.product, CountActivity(lines=lines))
    assert await titles(desk, "teapot") == ["Sold teapot", "Seen teapot", "Quiet teapot", "Cosy"]
    first = await search(desk, "teapot", limit=2)
    rest = await search(desk, "teapot", limit=2, cursor=first.next_cursor)
    assert [one.id for one in [*first.items, *rest.items]] == [sold.id, seen.id, quiet.id, text.id]
