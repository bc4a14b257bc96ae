"""With ten thousand products, every list, search and change poll reads an index."""

from collections.abc import Awaitable, Callable

import pytest

from nextbuy.kit.storage.database import Database
from nextbuy.product.store import categories, changes, lists, products
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


async def test_every_list_reads_its_index_without_sorting(crowded: Database) -> None:
    for (sort, by_category, with_cursor), sql in lists.FOR_SALE_QUERIES.items():
        after = ("timestamptz", "now()") if sort == "latest" else ("bigint", "50000")
        types = ["int", *(["text"] if by_category else []), *([after[0], "uuid"] if with_cursor else [])]
        values = ["21", *(["'kitchen'"] if by_category else []), *([after[1], "uuidv7()"] if with_cursor else [])]
        found = await plan(crowded, sql, ", ".join(types), ", ".join(values))
        index = "latest" if sort == "latest" else "by_price"
        assert f"products_{index}{'_of_category' if by_category else ''} " in found, found
        assert "Seq Scan on products" not in found, found
        assert "Sort" not in found, found


async def test_search_and_change_poll_read_their_indexes(
    crowded: Database,
) -> None:
    found = await plan(crowded, lists.SEARCH, "text, text, int, bigint, uuid", "'copper', 'kett:*', 21, NULL, NULL")

    assert "products_by_words_of_title" in found
    assert "products_by_words " in found, found
    assert "Seq Scan on products" not in found, found

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
    first = await lists.list_for_sale(crowded, "latest", None, limit=20, cursor=None)

    assert len(first.ids) == 20

    count, cursor = 0, None
    while True:
        page = await lists.search(crowded, "", "copp", limit=100, cursor=cursor)
        count += len(page.ids)
        cursor = page.next_cursor
        if cursor is None:
            break

    assert 0 < count <= lists.CANDIDATES
