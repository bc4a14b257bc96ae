"""What the admins are told."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NoSuchNotification
from nextbuy.admin.notifications import notifications
from nextbuy.admin.read_all_notifications import read_all_notifications
from nextbuy.admin.read_notification import ReadNotification, read_notification
from nextbuy.admin.unread_notifications import unread_notifications
from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.errors import Forbidden, Unprocessable
from nextbuy.contracts.values import PageRequest, new_id
from tests.callers import caller
from tests.doubles import StubCalls


def note(
    kind: str = "order-created", *, source_event_id: UUID | None = None, title: str = "A new order"
) -> CreateNotification:
    return CreateNotification(
        source_event_id=source_event_id or new_id(), kind=kind, title=title, message="Order 1", link="/x"
    )


async def test_the_same_event_is_told_once_however_often_it_arrives(deps: Deps, operator: Account) -> None:
    told = note()
    kept = await asyncio.gather(*(create_notification(deps, told) for _ in range(20)))
    assert len({reply.notification_id for reply in kept}) == 1
    page = await notifications(deps, caller(operator), PageRequest())
    assert [n.source_event_id for n in page.items] == [told.source_event_id]
    assert page.items[0].read is False


async def test_one_event_may_be_told_in_two_kinds(deps: Deps, operator: Account) -> None:
    event = new_id()
    await create_notification(deps, note("order-created", source_event_id=event))
    await create_notification(deps, note("payment-refunded", source_event_id=event))
    assert len((await notifications(deps, caller(operator), PageRequest())).items) == 2


async def test_notifications_are_read_newest_first_page_by_page(deps: Deps, operator: Account) -> None:
    for n in range(5):
        await create_notification(deps, note(title=str(n)))
    first = await notifications(deps, caller(operator), PageRequest(limit=3))
    assert first.next_cursor is not None
    rest = await notifications(deps, caller(operator), PageRequest(limit=3, cursor=first.next_cursor))
    assert [n.title for n in (*first.items, *rest.items)] == ["4", "3", "2", "1", "0"]
    assert rest.next_cursor is None


async def test_a_cursor_of_somebody_elses_making_is_refused(deps: Deps, operator: Account) -> None:
    for cursor in ("nonsense", "WzFd", "!!!", "WyJhIiwiYiJd"):
        with pytest.raises(Unprocessable):
            await notifications(deps, caller(operator), PageRequest(cursor=cursor))


async def test_a_notification_is_marked_as_read(deps: Deps, operator: Account) -> None:
    kept = await create_notification(deps, note())
    seen = await read_notification(deps, caller(operator), ReadNotification(kept.notification_id))
    assert seen.read is True
    with pytest.raises(NoSuchNotification):
        await read_notification(deps, caller(operator), ReadNotification(new_id()))


async def test_who_is_no_admin_reads_nothing(deps: Deps, operator: Account, calls: StubCalls) -> None:
    calls.replies[ValidateAdmin] = Forbidden("no admin", slug="wrong-role")
    with pytest.raises(Forbidden):
        await notifications(deps, caller(operator), PageRequest())


async def test_what_is_unread_is_counted_and_all_of_it_can_be_read_at_once(deps: Deps, operator: Account) -> None:
    for n in range(3):
        await create_notification(deps, note(title=str(n)))
    assert (await unread_notifications(deps, caller(operator))).unread == 3
    first = (await notifications(deps, caller(operator), PageRequest())).items[0]
    await read_notification(deps, caller(operator), ReadNotification(first.id))
    assert (await unread_notifications(deps, caller(operator))).unread == 2
    assert (await read_all_notifications(deps, caller(operator))).read == 2
    assert (await unread_notifications(deps, caller(operator))).unread == 0
