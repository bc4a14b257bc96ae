"""With ten thousand products, every list, search and change poll reads an index."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from nextbuy.kit.storage.database import Database
from nextbuy.product.model import Filters
from nextbuy.product.store import categories, changes, lists, products, search
from tests.waiting import until

SQL_OF_1_000 = f"""
WITH words AS (
    SELECT string_to_array('copper steel kettle mug bowl oak pine lamp garden saddle chain book', ' ') AS w
)
INSERT INTO products (id, shop_id, seller_id, slug, stock, price_amount, currency, accepted_amount, status, category,
                      tags, title, description, moderation, created_at, search)
SELECT uuidv7(), shop_id, shop_id, 'slug-' || n, 5, 100 + n * 7919 % 100000, 'USD', 1, 'active',
       (ARRAY['Kitchen', 'Garden', 'Books'])[1 + n % 3], '{{}}', title, title,
       '{{"score": 1, "decision": "active", "reasons": []}}', now() - make_interval(secs => n),
       {products.SEARCH_VECTOR.format(title="title", tags="ARRAY['x']", category="'y'", description="title || n")}
  FROM (SELECT n, w[1 + n % 12] || ' ' || w[1 + n / 12 % 12] || ' item' || n % 500 AS title,
               (SELECT shop_id FROM shops) AS shop_id
          FROM generate_series($1::int + 1, $1 + 1000) AS n, words) AS made
"""


@pytest.fixture
async def crowded(open_database: Callable[[str], Awaitable[Database]]) -> Database:
    """Ten thousand products of one approved shop."""
    database = await open_database("product")
    await database.execute(
        "INSERT INTO shops (shop_id, seller_id, name, status, version) VALUES (uuidv7(), uuidv7(), 'x', 'approved', 1)"
    )
    for done in range(0, 10_000, 1_000):
        await database.execute(SQL_OF_1_000, done)
    await database.execute("ANALYZE")
    return database


async def plan(database: Database, sql: str, types: str, values: str) -> str:
    async with database.transaction() as tx:
        # As it is planned for all values alike, which is what a prepared statement comes to.
        await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await tx.execute(f"PREPARE query ({types}) AS {sql}")
        rows = await tx.fetch(f"EXPLAIN EXECUTE query ({values})")
        await tx.execute("DEALLOCATE query")
    return "\n".join(row[0] for row in rows)


TYPES = {
    "words": ("text", "'copper'"),
    "prefix": ("text", "'kett:*'"),
    "limit": ("int", "21"),
    "category": ("text", "'kitchen'"),
    "shop_id": ("uuid", "uuidv7()"),
    "price_min": ("bigint", "200"),
    "price_max": ("bigint", "90000"),
    "in_stock": ("boolean", "true"),
    "after_id": ("uuid", "uuidv7()"),
    "position_id": ("uuid", "uuidv7()"),
}
"""The types and values of the parameters of lists and searches."""


async def plan_of(database: Database, sql: str, names: tuple[str, ...], at: tuple[str, str]) -> str:
    """Return the plan of a query whose cursor is a pair of type and value."""
    parameters = [TYPES.get(name, at) for name in names]
    return await plan(database, sql, ", ".join(one[0] for one in parameters), ", ".join(one[1] for one in parameters))


async def test_every_list_reads_its_index_without_sorting(crowded: Database) -> None:
    suffixes: dict[lists.IndexedBy, str] = {"": "", "category": "_of_category", "shop_id": "_of_shop"}
    for sort in lists.ORDERS:
        at = ("timestamptz", "now()") if sort == "latest" else ("bigint", "50000")
        for by, need_rows, with_cursor in itertools.product(suffixes, (False, True), (False, True)):
            sql, names = lists.for_sale_query(sort, by, need_rows=need_rows, with_cursor=with_cursor)
            found = await plan_of(crowded, sql, names, at)
            index = "latest" if sort == "latest" else "by_price"
            assert f"products_{index}{suffixes[by]} " in found, found
            assert "Seq Scan on products" not in found, found
            assert "Sort" not in found, found


async def test_every_search_reads_indexes(crowded: Database) -> None:
    sorts: tuple[search.SearchSort, ...] = ("relevance", *lists.ORDERS)
    for sort in sorts:
        at = ("timestamptz", "now()") if sort == "latest" else ("bigint", "50000")
        for by_category, by_shop, need_rows in itertools.product((False, True), repeat=3):
            sql, names = search.search_query(sort, by_category=by_category, by_shop=by_shop, need_rows=need_rows)
            found = await plan_of(crowded, sql, ("words", "prefix", "limit", *names), at)
            assert "Seq Scan on products" not in found, found


async def test_search_and_change_poll_read_their_indexes(
    crowded: Database,
) -> None:
    sql, names = search.search_query("relevance", by_category=False, by_shop=False, need_rows=False)
    found = await plan_of(crowded, sql, ("words", "prefix", "limit", *names), ("bigint", "NULL"))

    assert "products_by_words_of_title" in found
    assert "products_by_words " in found, found

    snapshot = (await changes.changes_since(crowded, None)).snapshot.text
    found = await plan(crowded, changes.CHANGES, "text", f"'{snapshot}'")

    assert "products_by_change" in found, found
    assert "Seq Scan on products" not in found, found


async def test_count_of_categories_reads_an_index_alone(crowded: Database) -> None:
    async def all_rows_are_visible() -> bool:
        await crowded.execute("VACUUM products")
        return bool(await crowded.fetchval("SELECT relallvisible = relpages FROM pg_class WHERE relname = 'products'"))

    await until(all_rows_are_visible)

    found = await plan(crowded, categories.COUNT, "int", "500")

    assert "Index Only Scan using products_by_category_and_shop " in found, found


async def test_page_is_full_and_search_ranks_bounded_number(crowded: Database) -> None:
    first = await lists.list_for_sale(crowded, "latest", Filters(), limit=20, cursor=None)

    assert len(first.ids) == 20
    assert 0 < len(await all_found(crowded, "relevance", Filters())) <= search.CANDIDATES


async def all_found(database: Database, sort: search.SearchSort, filters: Filters) -> list[str]:
    """Return the ids of all products that a search finds."""
    ids: list[str] = []
    cursor = None
    while True:
        page = await search.search(database, ("", "copp"), sort, filters, limit=100, cursor=cursor)
        ids += page.ids
        cursor = page.next_cursor
        if cursor is None:
            return ids


async def test_sorted_search_takes_all_matches_into_account_up_to_its_bound(crowded: Database) -> None:
    expected = await crowded.fetch(
        "SELECT id::text FROM products WHERE title LIKE '%copper%' AND price_amount <= 50000 ORDER BY price_amount, id"
    )
    assert search.CANDIDATES < len(expected) < search.MAX_MATCHES

    assert await all_found(crowded, "price-low", Filters(price_max=50_000)) == [row[0] for row in expected]


async def test_page_examines_bounded_number_and_its_cursor_continues_behind_them(crowded: Database) -> None:
    await crowded.execute("UPDATE products SET stock = 0")
    await crowded.execute("UPDATE products SET stock = 1 WHERE created_at = (SELECT min(created_at) FROM products)")
    sizes, cursor = [], None

    while True:
        page = await lists.list_for_sale(crowded, "latest", Filters(in_stock=True), limit=20, cursor=cursor)
        sizes.append(len(page.ids))
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sizes == [*[0] * (10_000 // lists.MAX_SCANNED - 1), 1, 0]
