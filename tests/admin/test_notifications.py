"""Notifications of admins are stored once, listed, and marked as read."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NotificationNotFound
from nextbuy.admin.notifications import notifications
from nextbuy.admin.read_all_notifications import read_all_notifications
from nextbuy.admin.read_notification import ReadNotification, read_notification
from nextbuy.admin.unread_notifications import unread_notifications
from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.errors import Forbidden, Unprocessable, WrongRole
from nextbuy.contracts.values import PageRequest, new_id
from tests.callers import caller
from tests.doubles import StubCalls


def notification(
    kind: str = "order-created", *, source_event_id: UUID | None = None, title: str = "New order"
) -> CreateNotification:
    return CreateNotification(
        source_event_id=source_event_id or new_id(), kind=kind, title=title, message="Order 1", link="/x"
    )


async def test_event_delivered_repeatedly_creates_one_notification(deps: Deps, operator: Account) -> None:
    call = notification()

    replies = await asyncio.gather(*(create_notification(deps, call) for _ in range(20)))

    assert len({reply.notification_id for reply in replies}) == 1
    page = await notifications(deps, caller(operator), PageRequest())
    assert [item.source_event_id for item in page.items] == [call.source_event_id]
    assert page.items[0].read is False


async def test_repeated_event_does_not_make_its_notification_unread(deps: Deps, operator: Account) -> None:
    call = notification()
    created = await create_notification(deps, call)
    await read_notification(deps, caller(operator), ReadNotification(created.notification_id))

    await create_notification(deps, call)

    [item] = (await notifications(deps, caller(operator), PageRequest())).items
    assert item.read is True


async def test_one_event_may_create_notifications_of_two_kinds(deps: Deps, operator: Account) -> None:
    event = new_id()

    await create_notification(deps, notification("order-created", source_event_id=event))
    await create_notification(deps, notification("payment-refunded", source_event_id=event))

    assert len((await notifications(deps, caller(operator), PageRequest())).items) == 2


async def test_notifications_are_listed_newest_first_page_by_page(deps: Deps, operator: Account) -> None:
    for number in range(5):
        await create_notification(deps, notification(title=str(number)))

    first = await notifications(deps, caller(operator), PageRequest(limit=3))
    assert first.next_cursor is not None
    rest = await notifications(deps, caller(operator), PageRequest(limit=3, cursor=first.next_cursor))

    assert [item.title for item in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    assert rest.next_cursor is None


async def test_invalid_cursor_is_refused(deps: Deps, operator: Account) -> None:
    for cursor in ("nonsense", "WzFd", "!!!", "WyJhIiwiYiJd"):
        with pytest.raises(Unprocessable):
            await notifications(deps, caller(operator), PageRequest(cursor=cursor))


async def test_notification_is_marked_as_read(deps: Deps, operator: Account) -> None:
    created = await create_notification(deps, notification())

    read = await read_notification(deps, caller(operator), ReadNotification(created.notification_id))

    assert read.read is True
    with pytest.raises(NotificationNotFound):
        await read_notification(deps, caller(operator), ReadNotification(new_id()))


async def test_caller_without_admin_role_reads_nothing(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies[ValidateAdmin] = WrongRole()

    with pytest.raises(Forbidden):
        await notifications(deps, caller(operator), PageRequest())


async def test_unread_notifications_are_counted_and_marked_read_together(deps: Deps, operator: Account) -> None:
    for number in range(3):
        await create_notification(deps, notification(title=str(number)))
    assert (await unread_notifications(deps, caller(operator))).unread == 3

    first = (await notifications(deps, caller(operator), PageRequest())).items[0]
    await read_notification(deps, caller(operator), ReadNotification(first.id))
    assert (await unread_notifications(deps, caller(operator))).unread == 2

    assert (await read_all_notifications(deps, caller(operator))).read == 2
    assert (await unread_notifications(deps, caller(operator))).unread == 0
