"""The SQL of categories: how many products for sale each has."""

from typing import Final

from nextbuy.kit.storage.database import Executor
from nextbuy.product.model import CategoryCount, category_of

# Products are counted from an index before shops are joined, so that a count reads no rows of products.
COUNT: Final = """
WITH counted AS MATERIALIZED (
    SELECT category, shop_id, count(*) AS products FROM products WHERE status = 'active' GROUP BY category, shop_id
)
SELECT lower(category) AS key, (array_agg(category ORDER BY products DESC, category))[1] AS name,
       sum(products)::bigint AS products
  FROM counted JOIN shops s ON s.shop_id = counted.shop_id AND s.approved
 GROUP BY lower(category) ORDER BY sum(products) DESC, lower(category) LIMIT $1
"""


async def count_by_category(db: Executor, *, limit: int) -> list[CategoryCount]:
    """Return the categories with the most products for sale, the largest first; names that differ in case are one."""
    return [category_of(row["key"], row["name"], row["products"]) for row in await db.fetch(COUNT, limit)]
