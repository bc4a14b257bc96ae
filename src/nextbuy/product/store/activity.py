"""The SQL of views and sales, in a table of its own, so that counting changes no product."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.storage.database import Executor, Transaction
from nextbuy.product.store.products import FOR_SALE

_OWNERS: Final = f"SELECT p.id, p.shop_id, p.seller_id FROM {FOR_SALE} WHERE p.id = ANY($1::uuid[])"  # noqa: S608
_COUNTERS: Final = f"""
SELECT coalesce(a.views, 0) AS views, coalesce(a.sold, 0) AS sold
  FROM {FOR_SALE} LEFT JOIN activity a ON a.product_id = p.id WHERE p.id = $1
"""  # noqa: S608
_ADD: Final = """
INSERT INTO activity AS a (product_id, views, sold)
SELECT new.* FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS new (product_id, views, sold)
    ON CONFLICT (product_id) DO UPDATE SET views = a.views + excluded.views, sold = a.sold + excluded.sold
"""


class Activity(Struct, frozen=True):
    """Views and sales of a product, from one event."""

    product_id: UUID
    viewed: int = 0
    sold: int = 0


class Owner(Struct, frozen=True):
    """The shop and the seller of a product."""

    shop_id: UUID
    seller_id: UUID


class Counters(Struct, frozen=True):
    """Views of a product's page, and units sold."""

    views: int
    sold: int


async def get_owners(db: Executor, product_ids: Collection[UUID]) -> dict[UUID, Owner]:
    """Return the owners of products; products that are not for sale are left out."""
    rows = await db.fetch(_OWNERS, list(product_ids))
    return {row["id"]: Owner(row["shop_id"], row["seller_id"]) for row in rows}


async def add_activity(tx: Transaction, lines: Sequence[Activity]) -> None:
    """Add to the counters, in order of product id, so that concurrent calls cannot deadlock."""
    sums: defaultdict[UUID, list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        sums[line.product_id][0] += line.viewed
        sums[line.product_id][1] += line.sold
    ids = sorted(sums)
    await tx.execute(_ADD, ids, [sums[key][0] for key in ids], [sums[key][1] for key in ids])


async def get_counters(db: Executor, product_id: UUID) -> Counters | None:
    """Return the counters of a product, or None if it is not for sale."""
    row = await db.fetchrow(_COUNTERS, product_id)
    return None if row is None else Counters(row["views"], row["sold"])
