"""Notifications of buyers and sellers on a real database: stored once, listed, and marked as read."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from nextbuy.contracts.auth import Account, ValidateUser
from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import SessionExpired
from nextbuy.contracts.values import PageRequest, Role, new_id
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.notification.deps import Deps
from nextbuy.notification.notifications import notifications
from nextbuy.notification.notify_accounts import notify_accounts
from nextbuy.notification.read_all_notifications import read_all_notifications
from nextbuy.notification.read_notification import ReadOwnNotification, read_notification
from nextbuy.notification.service import SERVICE
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound
from tests.notification.test_drafts import BUYER, SELLER, order_created

MAYA = account(Role.BUYER, account_id=BUYER)
INES = account(Role.SELLER, account_id=SELLER)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def anyone(calls: StubCalls) -> None:
    """Auth believes every token."""
    calls.replies[ValidateUser] = confirm


async def notify(deps: Deps, *events: Event) -> list[InboundEvent]:
    """Apply new events in one batch."""
    batch = [inbound(event) for event in events]
    await handle(notify_accounts, deps, *batch)
    return batch


def expired(who: Account = MAYA) -> SessionExpired:
    return SessionExpired(session_id=new_id(), buyer_id=who.id)


async def test_order_notifies_buyer_and_seller_only(deps: Deps) -> None:
    [event] = await notify(deps, order_created())
    for who, kind in ((MAYA, "order-placed"), (INES, "order-received")):
        page = await notifications(deps, caller(who), PageRequest())
        assert [(note.kind, note.source_event_id, note.read) for note in page.items] == [(kind, event.id, False)]
        assert page.unread == 1

    other = await notifications(deps, caller(account(Role.BUYER)), PageRequest())

    assert (other.items, other.unread) == ([], 0)


async def test_repeated_event_creates_one_notification_and_mail(deps: Deps) -> None:
    batch = await notify(deps, order_created(), order_created(), expired())

    await asyncio.gather(
        *(handle(notify_accounts, deps, *order) for order in (batch, batch[::-1], batch[:1] * 3, batch))
    )

    assert await deps.database.fetchval("SELECT count(*) FROM notifications") == 5
    assert await deps.database.fetchval("SELECT count(*) FROM mails") == 4


async def test_batch_is_stored_by_one_statement(deps: Deps) -> None:
    events = [inbound(event) for _ in range(20) for event in (order_created(), expired())]

    statements = await handle(notify_accounts, deps, *events)

    assert statements == 1
    assert await deps.database.fetchval("SELECT count(*) FROM notifications") == 60


async def test_concurrent_batches_do_not_deadlock(deps: Deps) -> None:
    first, last = sorted((inbound(expired()), inbound(expired())), key=lambda event: event.id)

    await assert_fixed_lock_order(notify_accounts, deps, first, last)

    assert await deps.database.fetchval("SELECT count(*) FROM notifications") == 2


async def test_event_delivered_again_creates_no_second_notification(deps: Deps) -> None:
    delivery = Delivery(SERVICE, deps, deps.database)
    events = [inbound(order_created()), inbound(expired())]

    first = await delivery(*events)
    await deps.database.execute("DELETE FROM notifications")
    again = await delivery(*events)

    assert (first, again) == (["applied"] * 2, ["duplicate"] * 2)
    assert await deps.database.fetchval("SELECT count(*) FROM notifications") == 0
    assert await deps.database.fetchval("SELECT count(*) FROM mails") == 2


async def test_purged_mail_is_not_created_again(deps: Deps) -> None:
    batch = await notify(deps, order_created())
    await deps.database.execute("DELETE FROM mails")

    await handle(notify_accounts, deps, *batch)

    assert await deps.database.fetchval("SELECT count(*) FROM mails") == 0


async def test_notifications_are_listed_by_time_and_position_of_their_events_page_by_page(deps: Deps) -> None:
    positions = (9, 10, 11, 100, 2, 1)
    events = [inbound(expired(), NOON, position=position) for position in positions[:4]]
    events += [inbound(expired(), NOON + timedelta(seconds=1), position=position) for position in positions[4:]]
    for n in (4, 2, 5, 0, 3, 1):
        await handle(notify_accounts, deps, events[n], inbound(expired(INES)))

    first = await notifications(deps, caller(MAYA), PageRequest(limit=4))
    assert first.next_cursor is not None
    rest = await notifications(deps, caller(MAYA), PageRequest(limit=4, cursor=first.next_cursor))

    listed = [*first.items, *rest.items]
    newest_first = [events[n] for n in (4, 5, 3, 2, 1, 0)]
    assert [note.source_event_id for note in listed] == [event.id for event in newest_first]
    assert [note.created_at for note in listed] == [event.envelope.time for event in newest_first]
    assert (first.unread, rest.unread, rest.next_cursor) == (6, 6, None)


async def test_notification_that_arrives_between_two_pages_moves_no_other(deps: Deps) -> None:
    events = [inbound(expired(), NOON + timedelta(minutes=n)) for n in range(6)]
    await handle(notify_accounts, deps, *events[:1], *events[2:5])

    first = await notifications(deps, caller(MAYA), PageRequest(limit=2))
    assert first.next_cursor is not None
    await handle(notify_accounts, deps, events[5], events[1])
    rest = await notifications(deps, caller(MAYA), PageRequest(limit=4, cursor=first.next_cursor))

    listed = [note.source_event_id for note in (*first.items, *rest.items)]
    assert listed == [events[n].id for n in (4, 3, 2, 1, 0)]


async def test_invalid_cursor_is_refused(deps: Deps) -> None:
    for cursor in (
        "nonsense",
        encode_cursor(("notifications",), new_id()),
        encode_cursor(("notifications",), NOON, "1", new_id()),
    ):
        with pytest.raises(Unprocessable):
            await notifications(deps, caller(MAYA), PageRequest(cursor=cursor))


async def test_only_its_account_marks_a_notification_as_read(deps: Deps) -> None:
    await notify(deps, expired(), expired())
    note = (await notifications(deps, caller(MAYA), PageRequest())).items[0]
    for who, which in ((INES, note.id), (MAYA, new_id())):
        with pytest.raises(NotFound):
            await read_notification(deps, caller(who), ReadOwnNotification(which))
    for _ in range(2):
        assert (await read_notification(deps, caller(MAYA), ReadOwnNotification(note.id))).read

    page = await notifications(deps, caller(MAYA), PageRequest())

    assert ([one.read for one in page.items], page.unread) == ([True, False], 1)


async def test_read_all_leaves_other_accounts_unread(deps: Deps) -> None:
    await notify(deps, *(expired() for _ in range(3)), expired(INES))

    assert (await read_all_notifications(deps, caller(MAYA))).read == 3
    assert (await read_all_notifications(deps, caller(MAYA))).read == 0
    assert (await notifications(deps, caller(MAYA), PageRequest())).unread == 0
    assert (await notifications(deps, caller(INES), PageRequest())).unread == 1


async def test_lists_and_counts_read_an_index(deps: Deps) -> None:
    await deps.database.execute(
        """
        INSERT INTO notifications
               (id, account_id, source_event_id, kind, title, message, link, about, source, occurred_at, position)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'k', 't', 'm', '', 'shop:' || n, 's', now(), n
          FROM generate_series(1, 20000) AS n
        """
    )
    await deps.database.execute("ANALYZE notifications")
    for query in (
        """
        SELECT id FROM notifications WHERE account_id = $1 AND (occurred_at, position, id) < (now(), 7, $1)
         ORDER BY occurred_at DESC, position DESC, id DESC LIMIT 21
        """,
        "SELECT id FROM notifications WHERE account_id = $1 AND about = 'shop:7'",
        "SELECT count(*) FROM (SELECT FROM notifications WHERE account_id = $1 AND NOT read LIMIT 1000) AS unread",
    ):
        plan = "\n".join(row[0] for row in await deps.database.fetch(f"EXPLAIN {query}", MAYA.id))
        assert "Index" in plan
        assert "Seq Scan" not in plan
        assert "Sort" not in plan
