"""A change and its events in one statement: both or neither, in order, and the relay is woken."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from nextbuy.kit.events.outbox import MAX_EVENT_BYTES, publish, publish_change
from nextbuy.kit.storage.database import Database, Executor, Row
from tests.kit.events.sample import Counted, count
from tests.outbox import data, published
from tests.waiting import all_wait_for_a_lock, until

TABLES = """
    CREATE TABLE lamps (name text PRIMARY KEY, lit integer NOT NULL);
    CREATE TABLE switches (lamp text NOT NULL, lit integer NOT NULL CHECK (lit < 100));
    INSERT INTO lamps VALUES ('desk', 0);
"""
CHANGE = "UPDATE lamps SET lit = $2 WHERE name = $1 RETURNING name, lit"
FOLLOW_UP = "switched AS (INSERT INTO switches (lamp, lit) SELECT name, lit FROM changed)"


@pytest.fixture
async def lamps(publisher: Database) -> Database:
    """The database of a service with a lamp named `desk`."""
    await publisher.execute(TABLES)
    return publisher


@pytest.fixture
def wakeups(lamps: Database) -> list[int]:
    """A list that gets an item with each wake-up of the relay."""
    found: list[int] = []
    lamps.after_publish = lambda: found.append(1)
    return found


async def switch(db: Executor, lit: int, *, lamp: str = "desk", about: str = "desk") -> Row | None:
    events = [Counted(about=about, n=lit)]
    return await publish_change(db, CHANGE, (lamp, lit), events, follow_up=FOLLOW_UP)


async def numbers(database: Database) -> list[int]:
    return [data(envelope)["n"] for envelope in await published(database)]


async def test_change_and_its_event_are_one_statement_that_wakes_the_relay(lamps: Database, wakeups: list[int]) -> None:
    row = await switch(lamps, 7)

    assert row is not None
    assert (row["name"], row["lit"]) == ("desk", 7)
    assert await lamps.fetchval("SELECT lit FROM lamps") == 7
    assert await lamps.fetchval("SELECT lit FROM switches") == 7
    [envelope] = await published(lamps)
    assert (envelope.type, envelope.key) == (Counted.topic, "desk")
    assert msgspec.json.decode(envelope.data, type=Counted) == Counted(about="desk", n=7)
    assert await count(lamps, "outbox") == 1
    assert wakeups == [1]


async def test_change_of_no_row_publishes_nothing(lamps: Database, wakeups: list[int]) -> None:
    assert await switch(lamps, 7, lamp="none") is None

    assert await count(lamps, "event_log") == await count(lamps, "outbox") == await count(lamps, "switches") == 0
    assert wakeups == []


async def test_several_events_of_a_change_keep_their_order(lamps: Database) -> None:
    await publish_change(lamps, CHANGE, ("desk", 1), [Counted(about="desk", n=n) for n in range(20)])

    assert await numbers(lamps) == [*range(20)]


async def test_change_in_a_transaction_wakes_the_relay_after_the_commit(lamps: Database, wakeups: list[int]) -> None:
    async with lamps.transaction() as tx:
        assert await switch(tx, 7) is not None
        assert wakeups == []

    assert wakeups == [1]


async def test_change_is_undone_with_its_transaction(lamps: Database, wakeups: list[int]) -> None:
    async def fail() -> None:
        async with lamps.transaction() as tx:
            await switch(tx, 7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await lamps.fetchval("SELECT lit FROM lamps") == 0
    assert await count(lamps, "event_log") == 0
    assert wakeups == []


@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(lambda db: switch(db, 100), asyncpg.CheckViolationError, id="a follow-up that fails"),
        pytest.param(lambda db: switch(db, 7, about="x" * MAX_EVENT_BYTES), ValueError, id="an event too large"),
    ],
)
async def test_failure_leaves_neither_change_nor_event(
    lamps: Database, wakeups: list[int], act: Callable[[Executor], Awaitable[object]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await act(lamps)

    assert await lamps.fetchval("SELECT lit FROM lamps") == 0
    assert await count(lamps, "event_log") == await count(lamps, "outbox") == 0
    assert wakeups == []


async def test_change_that_waits_for_a_lock_publishes_after_its_holder(lamps: Database) -> None:
    async with lamps.transaction() as tx:
        await tx.execute("SELECT FROM lamps WHERE name = 'desk' FOR UPDATE")
        waiting = asyncio.create_task(switch(lamps, 2))
        await until(lambda: all_wait_for_a_lock(lamps, 1))
        await publish(tx, Counted(about="desk", n=1))

    assert await waiting is not None
    assert await numbers(lamps) == [1, 2]
