"""Notifications of admins are stored once, listed by the time of their events, and read by each admin alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NotificationNotFound
from nextbuy.admin.notifications import notifications
from nextbuy.admin.purge_notifications import purge_notifications
from nextbuy.admin.read_all_notifications import read_all_notifications
from nextbuy.admin.read_notification import ReadNotification, read_notification
from nextbuy.admin.service import SERVICE
from nextbuy.admin.unread_notifications import unread_notifications
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.errors import Forbidden, Unprocessable, WrongRole
from nextbuy.contracts.values import Notification, PageRequest, Role, new_id
from nextbuy.kit.events.inbound import InboundEvent
from tests.callers import account, caller
from tests.doubles import StubCalls
from tests.inbound import Delivery, assert_fixed_lock_order, handle, inbound, order

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def colleague(operator: Account, calls: StubCalls) -> Account:
    """A second admin, whose token auth knows too."""
    other = account(Role.ADMIN)
    admins = {caller(who).token: who for who in (operator, other)}
    calls.replies[ValidateAdmin] = lambda call: admins[call.token]
    return other


def orders(count: int) -> list[InboundEvent]:
    """Return orders, one per minute."""
    return [inbound(order(), at=NOON + timedelta(minutes=n)) for n in range(count)]


async def listed(deps: Deps, who: Account) -> list[Notification]:
    return (await notifications(deps, caller(who), PageRequest())).items


async def unread(deps: Deps, who: Account) -> int:
    return (await unread_notifications(deps, caller(who))).unread


async def test_batch_is_stored_by_one_statement(deps: Deps, operator: Account) -> None:
    events = orders(15)

    statements = await handle(create_notification, deps, *events)

    assert statements == 1
    assert {note.source_event_id for note in await listed(deps, operator)} == {event.id for event in events}


async def test_event_delivered_repeatedly_creates_one_notification(deps: Deps, operator: Account) -> None:
    [event] = orders(1)
    delivery = Delivery(SERVICE, deps, deps.database)
    await delivery()

    outcomes = await asyncio.gather(*(delivery(event) for _ in range(20)))

    # One subscription creates the notification, the other one indexes the order.
    for subscription in zip(*outcomes, strict=True):
        assert sorted(map(str, subscription)) == ["applied", *["duplicate"] * 19]
    [note] = await listed(deps, operator)
    assert (note.source_event_id, note.kind, note.read) == (event.id, "order-created", False)


async def test_concurrent_batches_do_not_deadlock(deps: Deps) -> None:
    first, last = sorted(orders(2), key=lambda event: event.id)

    await assert_fixed_lock_order(create_notification, deps, first, last)

    assert await deps.database.fetchval("SELECT count(*) FROM notifications") == 2


async def test_event_handled_again_after_its_inbox_row_is_purged_creates_no_second_notification(
    deps: Deps, operator: Account
) -> None:
    events = orders(3)
    await handle(create_notification, deps, *events)

    await asyncio.gather(*(handle(create_notification, deps, *batch) for batch in (events, events[::-1], events)))

    assert len(await listed(deps, operator)) == 3


async def test_repeated_event_does_not_make_its_notification_unread(deps: Deps, operator: Account) -> None:
    [event] = orders(1)
    await handle(create_notification, deps, event)
    [note] = await listed(deps, operator)
    await read_notification(deps, caller(operator), ReadNotification(note.id))

    await handle(create_notification, deps, event)

    assert [note.read for note in await listed(deps, operator)] == [True]


async def test_notifications_are_listed_by_time_of_their_events_page_by_page(deps: Deps, operator: Account) -> None:
    events = orders(7)
    for n in (3, 0, 6, 1, 5, 2, 4):
        await handle(create_notification, deps, events[n])

    first = await notifications(deps, caller(operator), PageRequest(limit=3))
    assert first.next_cursor is not None
    second = await notifications(deps, caller(operator), PageRequest(limit=3, cursor=first.next_cursor))
    assert second.next_cursor is not None
    last = await notifications(deps, caller(operator), PageRequest(limit=3, cursor=second.next_cursor))

    found = [*first.items, *second.items, *last.items]
    assert [note.source_event_id for note in found] == [event.id for event in reversed(events)]
    assert [note.created_at for note in found] == [event.envelope.time for event in reversed(events)]
    assert last.next_cursor is None


async def test_events_of_the_same_time_are_listed_by_position_across_pages(deps: Deps, operator: Account) -> None:
    events = [inbound(order(), at=NOON, position=position) for position in (9, 100, 10, 1, 11)]
    await handle(create_notification, deps, *events)

    first = await notifications(deps, caller(operator), PageRequest(limit=3))
    assert first.next_cursor is not None
    rest = await notifications(deps, caller(operator), PageRequest(limit=3, cursor=first.next_cursor))

    found = [note.source_event_id for note in (*first.items, *rest.items)]
    assert found == [events[n].id for n in (1, 4, 2, 0, 3)]


async def test_invalid_cursor_is_refused(deps: Deps, operator: Account) -> None:
    for cursor in ("nonsense", "WzFd", "!!!", "WyJhIiwiYiJd"):
        with pytest.raises(Unprocessable):
            await notifications(deps, caller(operator), PageRequest(cursor=cursor))


async def test_notification_is_marked_as_read(deps: Deps, operator: Account) -> None:
    await handle(create_notification, deps, *orders(1))
    [note] = await listed(deps, operator)

    for _ in range(2):
        read = await read_notification(deps, caller(operator), ReadNotification(note.id))
        assert (read.id, read.read) == (note.id, True)

    with pytest.raises(NotificationNotFound):
        await read_notification(deps, caller(operator), ReadNotification(new_id()))


async def test_notification_read_by_one_admin_is_unread_for_another(
    deps: Deps, operator: Account, colleague: Account
) -> None:
    await handle(create_notification, deps, *orders(3))
    newest = (await listed(deps, operator))[0]

    await read_notification(deps, caller(operator), ReadNotification(newest.id))

    assert [note.read for note in await listed(deps, operator)] == [True, False, False]
    assert [note.read for note in await listed(deps, colleague)] == [False, False, False]
    assert (await unread(deps, operator), await unread(deps, colleague)) == (2, 3)


async def test_read_all_leaves_notifications_of_other_admins_unread(
    deps: Deps, operator: Account, colleague: Account
) -> None:
    await handle(create_notification, deps, *orders(3))
    newest = (await listed(deps, operator))[0]
    await read_notification(deps, caller(operator), ReadNotification(newest.id))

    assert (await read_all_notifications(deps, caller(operator))).read == 2
    assert (await read_all_notifications(deps, caller(operator))).read == 0

    assert (await unread(deps, operator), await unread(deps, colleague)) == (0, 3)


async def test_caller_without_admin_role_reads_nothing(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies[ValidateAdmin] = WrongRole()

    with pytest.raises(Forbidden):
        await notifications(deps, caller(operator), PageRequest())


async def test_notifications_are_purged_after_90_days_with_their_read_marks(deps: Deps, operator: Account) -> None:
    events = orders(2)
    await handle(create_notification, deps, *events)
    await read_all_notifications(deps, caller(operator))
    age = "UPDATE notifications SET created_at = now() - make_interval(days => $2) WHERE source_event_id = $1"
    await deps.database.execute(age, events[0].id, 91)
    await deps.database.execute(age, events[1].id, 89)

    await purge_notifications(deps)

    [kept] = await listed(deps, operator)
    assert kept.source_event_id == events[1].id
    marks = await deps.database.fetch("SELECT notification_id FROM notification_reads")
    assert [row["notification_id"] for row in marks] == [kept.id]
