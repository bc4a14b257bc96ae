"""Delivered events are applied to the current generation of a projection and, during a rebuild, to both."""

from nextbuy.analytics.store.projections import lock_exclusively, start_generation, switch_generation
from nextbuy.contracts.delivery import Outcome
from tests.analytics.projection_harness import ProjectionHarness
from tests.inbound import inbound, order


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
