"""The inbox knows which events each subscription has processed."""

from nextbuy.contracts.values import new_id
from nextbuy.kit.events import inbox
from tests.conftest import OpenDatabase


async def test_event_is_new_to_each_subscription_once(open_database: OpenDatabase) -> None:
    database = await open_database("")
    first, second, third = new_id(), new_id(), new_id()
    async with database.transaction() as tx:
        assert await inbox.record_new(tx, "one", [first, second]) == {first, second}

    async with database.transaction() as tx:
        assert await inbox.record_new(tx, "one", [second, third, third]) == {third}
        assert await inbox.record_new(tx, "other", [second]) == {second}
