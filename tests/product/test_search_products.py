"""Full-text search of products."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.product.model import search_terms
from nextbuy.product.search_products import SearchProducts, search_products
from nextbuy.product.store.activity import Activity, add_activity
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded


async def search(service: ServiceHarness, q: str, **filters: object) -> Page[PublicProduct]:
    response = await search_products(service.deps, caller(None), convert({"q": q, **filters}, SearchProducts))
    return convert(decoded(response.body), Page[PublicProduct])


async def titles(service: ServiceHarness, q: str) -> list[str]:
    return [product.title for product in (await search(service, q)).items]


@pytest.fixture
async def full(service: ServiceHarness) -> ServiceHarness:
    """Products that match in several ways, some of them not for sale."""
    seller = await service.seller()
    await service.create_product(seller, "Blue mug", description="Holds what the kettle has boiled, and more.")
    await service.create_product(seller, "Whistle", tags=["kettle"])
    await service.create_product(seller, "Copper kettle")
    await service.create_product(seller, "Iron kettles", stock=0)
    await service.create_product(seller, "Kettle gun")
    await service.create_product(seller, "Electric kettle", category="electronics")
    await service.create_product(await service.seller("pending", name="Unseen"), "Unseen kettle")
    return service


async def test_ranking_is_title_then_tags_then_text_and_sold_out_last(full: ServiceHarness) -> None:
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
async def test_search_syntax(full: ServiceHarness, q: str, found: list[str]) -> None:
    assert sorted(await titles(full, q)) == sorted(found)


async def test_paging_returns_each_match_once(full: ServiceHarness) -> None:
    whole = await titles(full, "kettle")
    parts: list[str] = []
    filters: dict[str, str] = {}
    while True:
        part = await search(full, "kettle", limit=1, **filters)
        parts += [product.title for product in part.items]
        if part.next_cursor is None:
            break
        filters = {"cursor": part.next_cursor}

    assert parts == whole


async def test_any_text_is_a_valid_search(full: ServiceHarness) -> None:
    for q in (
        "-" * 90,
        "- " * 45,
        '-"' * 45,
        '-"" ' * 22,
        "-(" * 45,
        "mug " + "-" * 60,
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
def test_prefix_is_a_word_and_no_text_is_lost(text: str) -> None:
    words, prefix = search_terms(text)

    assert words + prefix == text
    assert not prefix or prefix.replace("_", "a").isalnum()


async def test_popularity_orders_equal_matches_only(
    service: ServiceHarness,
) -> None:
    seller = await service.seller()
    seen, sold, quiet, text = [
        await service.create_product(seller, title, description=description)
        for title, description in [
            ("Seen teapot", "A pot."),
            ("Sold teapot", "A pot."),
            ("Quiet teapot", "A pot."),
            ("Cosy", "For a teapot."),
        ]
    ]
    lines = [
        Activity(seen.id, viewed=15),
        Activity(sold.id, sold=1),
        Activity(text.id, sold=10_000),
    ]

    async with service.database.transaction() as tx:
        await add_activity(tx, lines)

    assert await titles(service, "teapot") == ["Sold teapot", "Seen teapot", "Quiet teapot", "Cosy"]

    first = await search(service, "teapot", limit=2)
    rest = await search(service, "teapot", limit=2, cursor=first.next_cursor)

    assert [one.id for one in [*first.items, *rest.items]] == [sold.id, seen.id, quiet.id, text.id]
