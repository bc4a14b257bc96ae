"""A list of an event log has the events after its cursor that are published and settled."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.comparison import (
    EventSelection,
    ListedEvents,
    ListLoggedEvents,
    LogCursor,
    LogListed,
    ReadLoggedEvents,
)
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events import log_listing
from nextbuy.kit.events.event_ids import time_of
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import Counted, Measured, commit


@pytest.fixture
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that reach to the last event."""
    monkeypatch.setattr(log_listing, "SETTLING", 0.0)


pytestmark = pytest.mark.usefixtures("settled_at_once")


async def log(database: Database, numbers: range, kind: type[Counted | Measured] = Counted) -> None:
    """Write published events to the log."""
    await commit(database, *(kind(about="abc"[n % 3], n=n) for n in numbers))
    await database.execute("DELETE FROM outbox")


async def list_behind(database: Database, *cursors: LogCursor, limit: int = 100, highest: int = 0) -> LogListed:
    call = ListLoggedEvents(cursors=list(cursors), limit=limit, highest=highest)
    return await log_listing.list_logged_events(SimpleNamespace(database=database), call)


async def positions(database: Database, *cursors: LogCursor, limit: int = 100) -> list[list[int]]:
    return [one.positions for one in (await list_behind(database, *cursors, limit=limit)).lists]


async def id_at(database: Database, position: int) -> UUID:
    found: UUID = await database.fetchval("SELECT event_id FROM event_log WHERE id = $1", position)
    return found


async def read(database: Database, *, after: int = 0, **fields: object) -> list[int]:
    """Return the numbers of selected events."""
    call = ReadLoggedEvents(selection=EventSelection(**fields), after=after, limit=500)  # type: ignore[arg-type]
    found = await log_listing.read_logged_events(SimpleNamespace(database=database), call)
    return [msgspec.json.decode(one.envelope)["data"]["n"] for one in found.events]


async def test_each_topic_is_listed_after_its_cursor_up_to_the_limit(publisher: Database) -> None:
    await log(publisher, range(3))
    await log(publisher, range(3, 6), Measured)
    second = LogCursor(Counted.topic, 2, await id_at(publisher, 2))

    listed = await list_behind(publisher, second, LogCursor(Measured.topic), LogCursor("unknown"), limit=2)

    assert [one.positions for one in listed.lists] == [[3], [4, 5], []]
    assert [one.more for one in listed.lists] == [False, True, False]
    assert listed.lists[0] == ListedEvents([3], [await id_at(publisher, 3)])


async def test_list_ends_before_the_first_event_of_its_topic_that_waits_in_the_outbox(publisher: Database) -> None:
    await log(publisher, range(1))
    await commit(publisher, *(Counted(about="a", n=n) for n in range(3)), Measured(about="a", n=3))
    await publisher.execute("DELETE FROM outbox WHERE id IN (2, 4, 5)")

    assert await positions(publisher, LogCursor(Counted.topic), LogCursor(Measured.topic)) == [[1, 2], [5]]


async def test_events_are_not_listed_until_they_have_settled(
    publisher: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log(publisher, range(2))
    assert await positions(publisher, LogCursor(Counted.topic)) == [[1, 2]]

    monkeypatch.setattr(log_listing, "SETTLING", 60.0)

    assert await positions(publisher, LogCursor(Counted.topic)) == [[]]


async def test_event_after_an_uncommitted_one_is_not_listed(
    publisher: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_listing, "SETTLING", 0.5)
    await log(publisher, range(1))
    await asyncio.sleep(0.6)
    async with publisher.transaction() as tx:
        await publish(tx, Counted(about="a", n=1))
        await log(publisher, range(2, 3))
        assert await positions(publisher, LogCursor(Counted.topic)) == [[1]]


async def test_list_since_a_time_begins_before_its_events(publisher: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_listing, "_SKEW", timedelta(0))
    monkeypatch.setattr(log_listing, "_BEFORE", log_listing._BEFORE.replace("1000", "2"))
    await log(publisher, range(3))
    await asyncio.sleep(0.002)
    await log(publisher, range(3, 6))
    since = time_of(await id_at(publisher, 4))

    assert await positions(publisher, LogCursor(Counted.topic, since=since)) == [[4, 5, 6]]
    assert await positions(publisher, LogCursor(Counted.topic, since=utc_now() + timedelta(days=1))) == [[]]


async def test_log_without_the_event_of_a_cursor_continues_above_the_highest_position(publisher: Database) -> None:
    await log(publisher, range(3))
    lost = LogCursor(Counted.topic, 50, new_id())

    listed = await list_behind(publisher, lost, LogCursor(Measured.topic), highest=70)
    await log(publisher, range(3, 4))

    assert listed.lost == [lost.event_id]
    assert listed.lists[0].positions[-1] == 3
    assert await publisher.fetchval("SELECT max(id) FROM event_log") == 71
    assert (await list_behind(publisher, lost, highest=60)).lists[0].positions[-1] == 71
    await log(publisher, range(4, 5))
    assert await publisher.fetchval("SELECT max(id) FROM event_log") == 72


async def test_cursor_at_a_position_of_another_event_is_lost(publisher: Database) -> None:
    await log(publisher, range(3))

    listed = await list_behind(publisher, LogCursor(Counted.topic, 2, new_id()))

    assert len(listed.lost) == 1


async def test_selection_is_read_by_topic_key_time_and_id(publisher: Database) -> None:
    await log(publisher, range(3))
    await asyncio.sleep(0.002)
    await log(publisher, range(3, 6), Measured)
    ids = [await id_at(publisher, position) for position in (2, 5)]
    border = time_of(await id_at(publisher, 4))

    topics = [Counted.topic, Measured.topic]
    assert await read(publisher, topics=[Measured.topic]) == [3, 4, 5]
    assert await read(publisher, topics=topics, key="b") == [1, 4]
    assert await read(publisher, topics=topics, since=border) == [3, 4, 5]
    assert await read(publisher, topics=topics, until=border) == [0, 1, 2]
    assert await read(publisher, event_ids=ids) == [1, 4]
    assert await read(publisher, event_ids=ids, key="nobody") == []
    assert await read(publisher, event_ids=ids, topics=["test.measured"]) == [4]
    assert await read(publisher, topics=topics, after=4) == [4, 5]


async def test_waiting_event_is_not_read(publisher: Database) -> None:
    await commit(publisher, Counted(about="a", n=1))

    assert await read(publisher, topics=[Counted.topic]) == []
    assert await read(publisher, event_ids=[await id_at(publisher, 1)]) == []


async def test_envelope_is_read_as_it_was_published(publisher: Database) -> None:
    await log(publisher, range(1))
    call = ReadLoggedEvents(selection=EventSelection(topics=[Counted.topic]), after=0, limit=1)

    found = await log_listing.read_logged_events(SimpleNamespace(database=publisher), call)

    stored: str = await publisher.fetchval("SELECT envelope FROM event_log")
    assert [bytes(one.envelope).decode() for one in found.events] == [stored]
    assert found.last == 1
