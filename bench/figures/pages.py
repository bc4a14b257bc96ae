"""The page of a product for strangers: from the cache of pages, rendered from cached data, and with nothing cached."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import asyncpg

from bench.figures.reads import Read, figure_of, picked
from bench.market import Market
from bench.plan import Plan
from bench.report import Figure, Mark

_HOT: Final = 20
"""Products whose pages stay in the cache of pages."""
_WARM: Final = 200
"""Products whose data stays in the cache of products."""
_SLUGS: Final = "SELECT slug FROM products WHERE status = 'active' ORDER BY id LIMIT $1"
_CHANGE_ALL: Final = "UPDATE products SET changed_in = pg_current_xact_id()"
_NOTICED: Final = 1.0
"""Seconds after which the feed of changes has emptied the cache of products."""


async def pages(target: Market, plan: Plan) -> list[Figure]:
    """Measure the page of a product."""
    paths = [f"/product/{slug}" for slug in await _slugs(target, plan.products)]
    asked = (
        Read(
            "product page, cached",
            partial(picked, paths[:_HOT]),
            Mark("at least", 0.25),
            f"GET /product/SLUG for strangers, {_HOT} products",
        ),
        Read(
            "product page, rendered",
            partial(_each_once, paths[:_WARM]),
            Mark("at least", 0.05),
            f"GET /product/SLUG?v=N for strangers, {_WARM} products whose data is cached, each URL once",
            paths[:_WARM],
        ),
        Read(
            "product page, nothing cached",
            partial(_each_once, paths),
            Mark("at least", 0.02),
            f"GET /product/SLUG?v=N for strangers, {plan.products:,} products that have just changed, each URL once",
            before=partial(_change_all, target),
        ),
    )
    return [await figure_of(target, plan, read) for read in asked]


async def _slugs(target: Market, limit: int) -> list[str]:
    connection = await asyncpg.connect(target.database_url("product"))
    try:
        return [row["slug"] for row in await connection.fetch(_SLUGS, limit)]
    finally:
        await connection.close()


async def _change_all(target: Market) -> None:
    connection = await asyncpg.connect(target.database_url("product"))
    try:
        await connection.execute(_CHANGE_ALL)
    finally:
        await connection.close()
    await asyncio.sleep(_NOTICED)


def _each_once(paths: Sequence[str], number: int) -> list[str]:
    """Return URLs that no other round has, so that no page is in the cache of pages."""
    return [f"{paths[at % len(paths)]}?v={number}-{at}" for at in range(20_000)]
