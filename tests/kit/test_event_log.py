"""What was published is kept for ever, in order, and can be read in parts or by what it is about."""

import asyncpg
import pytest

from nextbuy.kit.events import event_log
from nextbuy.kit.storage.database import Database
from tests.kit.shop import Counted, Told, commit


async def test_a_log_is_read_in_parts_and_by_topic(shop: Database) -> None:
    await commit(shop, *[Counted(about="a", n=n) for n in range(3)], Told(about="a", n=3))
    first = await event_log.after(shop, 0, limit=2)
    assert [logged.position for logged in first] == [1, 2]
    rest = await event_log.after(shop, first[-1].position, limit=10)
    assert [logged.envelope.type for logged in rest] == ["test.counted", "test.told"]
    told = await event_log.after(shop, 0, limit=10, topics=["test.told"])
    assert [logged.envelope.id for logged in told] == [rest[-1].envelope.id]
    assert await event_log.after(shop, rest[-1].position, limit=10) == []


async def test_the_life_of_a_thing_is_what_was_said_of_it(shop: Database) -> None:
    await commit(shop, Counted(about="a", n=1), Counted(about="b", n=2), Told(about="a", n=3))
    assert [envelope.type for envelope in await event_log.of_keys(shop, ["a"], limit=9)] == [
        "test.counted",
        "test.told",
    ]
    assert len(await event_log.of_keys(shop, ["a", "b", "nobody"], limit=2)) == 2


async def test_a_log_says_where_it_ends(shop: Database) -> None:
    assert await event_log.last(shop) == 0
    await commit(shop, Counted(about="a", n=1), Counted(about="b", n=2))
    assert await event_log.last(shop) == 2


async def test_large_events_are_a_part_by_themselves_and_none_is_passed_over(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(shop, *[Counted(about="a" * 200 * (n % 3), n=n) for n in range(12)])
    monkeypatch.setattr(event_log, "BYTES", 1_000)
    for topics in (None, ["test.counted"]):
        read: list[int] = []
        while part := await event_log.after(shop, read[-1] if read else 0, limit=5, topics=topics):
            assert len(part) < 4
            read += [logged.position for logged in part]
        assert read == list(range(1, 13))


@pytest.mark.parametrize("change", ["UPDATE event_log SET envelope = '{}'", "DELETE FROM event_log"])
async def test_nobody_changes_what_was_said(shop: Database, change: str) -> None:
    await commit(shop, Counted(about="a", n=1))
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await shop.execute(change)
