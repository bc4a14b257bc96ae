"""Databases that are restored from a backup: the lost events are delivered again, and nothing is applied twice."""

from collections.abc import Sequence
from typing import Final

import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict
from nextbuy.kafka.dead_letters.store import store_dead_letters
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Database
from tests.kafka.conftest import MakeHarness
from tests.kafka.sample_dead_letters import new_dead_letter
from tests.kit.events.sample import RECORD_EFFECTS, Counted, applied, count, refusing
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries", "settled_at_once"), pytest.mark.timeout(120)]
RESTORED: Final = ("effects", "inbox", "compared_positions")
"""The tables of a destination that a backup holds."""


def counted(numbers: Sequence[int]) -> list[Counted]:
    """Return an event per number."""
    return [Counted(about="a", n=n) for n in numbers]


async def back_up(database: Database) -> None:
    """Copy the tables of a destination."""
    for table in RESTORED:
        await database.execute(f"CREATE TABLE backup_{table} AS TABLE {table}")


async def restore(database: Database) -> None:
    """Put the copies in place of the tables."""
    for table in RESTORED:
        await database.execute(f"TRUNCATE {table}")
        await database.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE backup_{table}")
        await database.execute(f"DROP TABLE backup_{table}")


async def restore_log(database: Database, last: int) -> None:
    """Delete the events after a position, as a restored event log lacks them, and continue the positions there."""
    await database.execute("ALTER TABLE event_log DISABLE TRIGGER event_log_append_only")
    await database.execute("DELETE FROM event_log WHERE id > $1", last)
    await database.execute("ALTER TABLE event_log ENABLE TRIGGER event_log_append_only")
    await database.execute("SELECT setval('event_log_id_seq', $1)", last)


async def test_restored_destination_receives_lost_events_and_applies_nothing_twice(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS])
    database = harness.destinations["sample"].database
    async with harness.delivering():
        await harness.publisher.publish(*counted(range(5)))
        await until(harness.is_done)
        await harness.compare()
        await back_up(database)
        await harness.publisher.publish(*counted(range(5, 20)))
        await until(harness.is_done)
        await harness.compare()

        await restore(database)
        await harness.compare()

    assert await applied(database) == list(range(20))
    assert [(one.kind, one.events) for one in await harness.findings()] == [("missing-events", 15)]


async def test_events_that_are_lost_again_are_reported_again(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    database = harness.destinations["sample"].database
    await back_up(database)
    await harness.publisher.publish(*counted(range(5)))
    await harness.probe.cut(Counted.topic)
    async with harness.delivering():
        await harness.compare()
        await restore(database)
        await harness.compare()

    assert await applied(database) == list(range(5))
    findings = await harness.findings()
    assert [(one.kind, one.events) for one in findings] == [("missing-events", 5), ("missing-events", 5)]
    assert [one for one in findings if one.repaired_at is None] == []


async def test_restored_log_is_reported_once_and_new_events_get_higher_positions(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    publisher, database = harness.publisher, harness.destinations["sample"].database
    async with harness.delivering():
        await publisher.publish(*counted(range(10)))
        await until(harness.is_done)
        await harness.compare()

        await restore_log(publisher.database, 4)
        await harness.compare()
        await harness.compare()
        await publisher.publish(*counted([10]))
        await until(harness.is_done)

    assert [(one.kind, one.service) for one in await harness.findings()] == [("restored-log", "shop")]
    assert await publisher.database.fetchval("SELECT max(id) FROM event_log") > 10
    assert await applied(database) == list(range(11))


async def test_event_at_a_position_used_before_the_restore_is_compared(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    publisher, database = harness.publisher, harness.destinations["sample"].database
    async with harness.delivering():
        await publisher.publish(*counted(range(10)))
        await until(harness.is_done)
        await harness.compare()
        await restore_log(publisher.database, 4)
        await publisher.commit(*counted(range(10, 18)))
        await publisher.database.execute("DELETE FROM outbox")  # as if the bus had lost the events

        await harness.compare()

    assert sorted(await applied(database)) == list(range(18))


async def test_lost_dead_letter_is_restored(make_redis_harness: MakeHarness) -> None:
    refuse = subscribe("refuse", Counted, refusing([1], lambda: Conflict("No."), []))
    harness = await make_redis_harness(sample=[refuse])
    await harness.publisher.publish(*counted(range(3)))
    async with harness.delivering():
        await until(harness.is_done)
    [before] = await harness.dead_letters()
    await harness.database.execute("DELETE FROM dead_letters")

    await harness.compare()
    await harness.compare()

    [after] = await harness.dead_letters()
    assert (after.event_id, after.subscription, after.reason) == (before.event_id, "refuse", before.reason)
    assert after.envelope == before.envelope
    assert [(one.kind, one.events) for one in await harness.findings()] == [("lost-dead-letters", 1)]
    database = harness.destinations["sample"].database
    assert await database.fetchval("SELECT position FROM compared_positions") == 3


async def test_replay_that_a_restored_destination_has_lost_is_undone(
    make_redis_harness: MakeHarness,
) -> None:
    refuse = subscribe("refuse", Counted, refusing([1], lambda: Conflict("No."), []))
    harness = await make_redis_harness(sample=[refuse])
    await harness.publisher.publish(*counted(range(3)))
    async with harness.delivering():
        await until(harness.is_done)
    await harness.database.execute(
        "UPDATE dead_letters SET status = 'replayed', resolved_at = now() - interval '1 hour'"
    )

    await harness.compare()

    assert [letter.status for letter in await harness.dead_letters()] == ["waiting"]


async def test_rejected_events_with_dead_letters_are_not_reported(make_redis_harness: MakeHarness) -> None:
    refuse = subscribe("refuse", Counted, refusing([1], lambda: Conflict("No."), []))
    harness = await make_redis_harness(sample=[refuse])
    await harness.publisher.publish(*counted(range(3)))
    async with harness.delivering():
        await until(harness.is_done)

    await harness.compare()

    assert await harness.findings() == []
    assert await count(harness.destinations["sample"].database, "compared_positions") == 1
    assert len(await harness.dead_letters()) == 1


async def test_event_given_up_without_an_inbox_row_is_not_delivered_again(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]
    await harness.publisher.publish(*counted(range(3)))
    async with harness.delivering():
        await until(harness.is_done)
        event_id = await sample.database.fetchval(
            "DELETE FROM inbox WHERE event_id = (SELECT event_id FROM inbox ORDER BY event_id DESC LIMIT 1)"
            " RETURNING event_id"
        )
        key = f"{RECORD_EFFECTS.name}/{event_id}"
        await store_dead_letters(harness.database, [replace(new_dead_letter(2), event_id=event_id, delivery_key=key)])

        await harness.compare()

    assert sorted(await applied(sample.database)) == [0, 1, 2]
    assert await harness.findings() == []
    assert await sample.database.fetchval("SELECT position FROM compared_positions") == 3
