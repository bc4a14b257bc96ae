"""Claims of due rows on a real PostgreSQL: exclusive, limited in time, and fenced by the moment that they wrote."""

import asyncio
from datetime import timedelta

import pytest

from nextbuy.kit.storage.database import Database, Row
from nextbuy.kit.storage.leases import Leases
from tests.conftest import OpenDatabase

LEASES = Leases("errands", seconds=60, attempts="attempts")


@pytest.fixture
async def errands(open_database: OpenDatabase) -> Database:
    """A table of ten rows that are due, the one with the highest id first."""
    database = await open_database("")
    await database.execute(
        "CREATE TABLE errands (id integer PRIMARY KEY, due_at timestamptz, attempts integer NOT NULL DEFAULT 0)"
    )
    await database.execute(
        "INSERT INTO errands SELECT n, now() - make_interval(secs => n) FROM generate_series(1, 10) n"
    )
    return database


async def claim(errands: Database, limit: int | None = 1, **only: str) -> list[Row]:
    return await errands.fetch(LEASES.claim_statement(**only), limit)


async def test_longest_due_rows_are_claimed_first(errands: Database) -> None:
    claimed = await claim(errands, 3)

    assert {row["id"] for row in claimed} == {10, 9, 8}
    assert {row["attempts"] for row in claimed} == {1}
    assert await errands.fetchval("SELECT count(DISTINCT due_at) FROM errands WHERE id > 7") == 1


async def test_condition_and_order_choose_the_rows(errands: Database) -> None:
    claimed = await claim(errands, 2, condition="id % 2 = 0", order="id")

    assert {row["id"] for row in claimed} == {2, 4}


async def test_null_limit_claims_all_due_rows(errands: Database) -> None:
    await errands.execute("UPDATE errands SET due_at = NULL WHERE id = 1")
    await errands.execute("UPDATE errands SET due_at = now() + interval '1 hour' WHERE id = 2")

    assert {row["id"] for row in await claim(errands, None)} == set(range(3, 11))


async def test_concurrent_claims_share_no_row(errands: Database) -> None:
    batches = await asyncio.gather(*(claim(errands, 2) for _ in range(8)))

    ids = [row["id"] for batch in batches for row in batch]
    assert sorted(ids) == list(range(1, 11))


async def test_row_locked_elsewhere_is_skipped(errands: Database) -> None:
    async with errands.transaction() as tx:
        await tx.execute("SELECT FROM errands WHERE id = 10 FOR UPDATE")

        async with asyncio.timeout(2):
            assert [row["id"] for row in await claim(errands)] == [9]


async def test_rescheduled_row_is_due_after_the_delay(errands: Database) -> None:
    [row] = await claim(errands)

    await LEASES.reschedule(errands, [row["id"]], row["due_at"], 120.0)

    delay = await errands.fetchval("SELECT due_at - now() FROM errands WHERE id = $1", row["id"])
    assert timedelta(seconds=110) < delay <= timedelta(seconds=120)


async def test_released_row_is_due_at_once_and_no_attempt_counts(errands: Database) -> None:
    [row] = await claim(errands, condition="id = 5")

    await LEASES.release(errands, [row["id"]], row["due_at"])

    [again] = await claim(errands, condition="id = 5")
    assert again["attempts"] == 1


async def test_holder_that_lost_its_lease_changes_nothing(errands: Database) -> None:
    [stalled] = await claim(errands, condition="id = 5")
    await errands.execute("UPDATE errands SET due_at = now() WHERE id = 5")
    [holder] = await claim(errands, condition="id = 5")

    await LEASES.reschedule(errands, [5], stalled["due_at"], 0.0)
    await LEASES.release(errands, [5], stalled["due_at"])
    concluded = await errands.execute(f"DELETE FROM errands WHERE {LEASES.held}", [5], stalled["due_at"])

    assert concluded == "DELETE 0"
    assert tuple(await errands.fetchrow("SELECT due_at, attempts FROM errands WHERE id = 5") or ()) == (
        holder["due_at"],
        2,
    )


async def test_holder_concludes_its_row(errands: Database) -> None:
    [row] = await claim(errands)

    concluded = await errands.execute(f"DELETE FROM errands WHERE {LEASES.held}", [row["id"]], row["due_at"])

    assert concluded == "DELETE 1"


async def test_extended_lease_is_fenced_by_its_new_moment(errands: Database) -> None:
    [row] = await claim(errands)
    extend = f"UPDATE errands SET due_at = {LEASES.until} WHERE {LEASES.held} RETURNING due_at"

    until = await errands.fetchval(extend, [row["id"]], row["due_at"])

    assert until > row["due_at"]
    assert await errands.fetchval(extend, [row["id"]], row["due_at"]) is None


async def test_claim_reads_only_due_rows_by_their_index(errands: Database) -> None:
    await errands.execute("INSERT INTO errands (id) SELECT generate_series(11, 50000)")
    await errands.execute("CREATE INDEX errands_due ON errands (due_at) WHERE due_at IS NOT NULL")
    await errands.execute("ANALYZE errands")

    plan = await errands.fetch(f"EXPLAIN {LEASES.claim_statement()}".replace("$1", "3"))

    assert "Seq Scan" not in str(plan)
    assert "errands_due" in str(plan)
