"""Delivered events are applied to the current generation of a projection and, during a rebuild, to both."""

import pytest

from nextbuy.analytics.aggregates import Events
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.projection import PROJECTIONS
from nextbuy.analytics.store.aggregates import add_rows
from nextbuy.analytics.store.projections import lock_exclusively, start_generation, switch_generation
from nextbuy.contracts.delivery import Outcome
from nextbuy.contracts.message import Event
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Transaction
from tests.analytics.projection_harness import ProjectionHarness, order_of
from tests.inbound import assert_fixed_lock_order, inbound, order

TABLES = {table: rows_of for one in PROJECTIONS.values() for table, rows_of in one.tables.items()}


async def units(harness: ProjectionHarness) -> dict[int, int]:
    """Return the sold units in each generation of the best sellers."""
    rows = await harness.database.fetch(
        "SELECT generation, sum(units)::bigint AS units FROM best_sellers GROUP BY generation"
    )
    return {row["generation"]: row["units"] for row in rows}


async def inbox_names(harness: ProjectionHarness) -> set[str]:
    rows = await harness.database.fetch("SELECT subscription FROM inbox WHERE subscription LIKE '%best-sellers%'")
    return {row["subscription"] for row in rows}


async def test_events_are_applied_to_the_current_generation_and_during_a_rebuild_to_both(
    harness: ProjectionHarness,
) -> None:
    before, during, after = (inbound(order(units=n)) for n in (1, 10, 100))

    await harness.delivery(before)
    assert (await units(harness), await inbox_names(harness)) == ({1: 1}, {"best-sellers/1"})

    async with harness.database.transaction() as tx:
        await lock_exclusively(tx)
        await start_generation(tx, "best-sellers")
    await harness.delivery(during)
    assert await units(harness) == {1: 11, 2: 10}

    async with harness.database.transaction() as tx:
        await lock_exclusively(tx)
        await switch_generation(tx, "best-sellers", 2)
    await harness.delivery(after)
    again = await harness.delivery(during, after)

    assert await units(harness) == {1: 11, 2: 110}
    assert await inbox_names(harness) == {"best-sellers/1", "best-sellers/2"}
    assert set(again) == {Outcome.DUPLICATE}


@pytest.mark.parametrize("table", TABLES)
async def test_concurrent_batches_of_a_projection_do_not_deadlock(deps: Deps, table: str) -> None:
    shops, products = sorted((new_id(), new_id())), sorted((new_id(), new_id()))
    events: list[Event] = [order_of(shop, (product, 1)) for shop, product in zip(shops, products, strict=True)]
    if table == "seller_shops":
        events = [
            SellerRegistered(shop_id=shop, user_id=seller, shop_name="Kiln", status="pending", shop_version=1)
            for shop, seller in zip(shops, sorted((new_id(), new_id())), strict=True)
        ]

    async def add(_deps: object, tx: Transaction, batch: Events) -> None:
        await add_rows(tx, table, 1, TABLES[table](batch))

    await assert_fixed_lock_order(add, deps, *(inbound(event) for event in events))

    assert await deps.database.fetchval(f"SELECT count(*) FROM {table}") == 2
