"""The inbox knows which events each handler has processed."""

from nextbuy.contracts.values import new_id
from nextbuy.kit.events import inbox
from tests.conftest import OpenDatabase


async def test_event_is_new_to_each_handler_once(open_database: OpenDatabase) -> None:
    database = await open_database("")
    first, second, third = new_id(), new_id(), new_id()
    async with database.transaction() as tx:
        assert await inbox.record_new(tx, "one", [first, second]) == {first, second}

    async with database.transaction() as tx:
        assert await inbox.record_new(tx, "one", [second, third, third]) == {third}
        assert await inbox.record_new(tx, "other", [second]) == {second}


async def test_marked_event_counts_as_seen_for_one_handler_only(open_database: OpenDatabase) -> None:
    database = await open_database("")
    first, second = new_id(), new_id()

    for _ in range(2):
        await inbox.mark(database, "one", [first])

    assert await inbox.seen(database, "one", [first, second]) == {first}
    assert await inbox.seen(database, "other", [first, second]) == set()
