"""The stream of an account says when its notifications change."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self, cast

import pytest

from nextbuy.contracts.auth import Account, ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import PageRequest, Role
from nextbuy.kit.wire import Request, StreamedResponse
from nextbuy.notification.deps import Deps
from nextbuy.notification.notifications import notifications
from nextbuy.notification.notify_accounts import notify_accounts
from nextbuy.notification.poll_changes import poll_changes
from nextbuy.notification.read_all_notifications import read_all_notifications
from nextbuy.notification.read_notification import ReadOwnNotification, read_notification
from nextbuy.notification.stream import stream
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls
from tests.inbound import handle, inbound
from tests.notification.test_drafts import BUYER, SELLER, order_created

MAYA = account(Role.BUYER, account_id=BUYER)
INES = account(Role.SELLER, account_id=SELLER)
OTHER = account(Role.BUYER)
REQUEST = Request("GET", "/notification/api/stream", "", {})
CHANGED = b"event: changed\ndata:\n\n"


@pytest.fixture(autouse=True)
def anyone(calls: StubCalls) -> None:
    """Auth believes every token."""
    calls.replies[ValidateUser] = confirm


class Reader:
    """The client of a stream, which has read what was sent at first."""

    def __init__(self, deps: Deps, who: Account) -> None:
        self.deps = deps
        self.who = who

    async def __aenter__(self) -> Self:
        response = await stream(self.deps, caller(self.who), REQUEST)
        assert isinstance(response, StreamedResponse)
        self.events = cast("AsyncGenerator[bytes, None]", response.chunks)
        await anext(self.events)
        await poll_changes(self.deps)
        # Everything counts as changed at the first poll, and a moment before a stream was opened.
        assert await anext(self.events) == CHANGED
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.events.aclose()

    async def is_notified(self) -> bool:
        """Return whether the next poll sends an event."""
        await poll_changes(self.deps)
        try:
            async with asyncio.timeout(0.3):
                return await anext(self.events) == CHANGED
        except TimeoutError:
            return False


async def test_new_notification_is_announced_to_its_accounts_alone(deps: Deps) -> None:
    async with Reader(deps, MAYA) as maya, Reader(deps, OTHER) as other, Reader(deps, INES) as ines:
        await handle(notify_accounts, deps, inbound(order_created()))

        assert [await one.is_notified() for one in (maya, ines, other)] == [True, True, False]


@pytest.mark.parametrize("read_all", [False, True])
async def test_read_notification_is_announced(deps: Deps, *, read_all: bool) -> None:
    await handle(notify_accounts, deps, inbound(order_created()))
    [one] = (await notifications(deps, caller(MAYA), PageRequest())).items

    async with Reader(deps, MAYA) as maya:
        if read_all:
            await read_all_notifications(deps, caller(MAYA))
        else:
            await read_notification(deps, caller(MAYA), ReadOwnNotification(one.id))

        assert await maya.is_notified()


async def test_ended_login_session_gets_no_stream(deps: Deps, calls: StubCalls) -> None:
    calls.replies[ValidateUser] = Unauthenticated()

    with pytest.raises(Unauthenticated):
        await stream(deps, caller(MAYA), REQUEST)


async def test_poll_without_streams_reads_nothing(deps: Deps, monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[Any] = []
    monkeypatch.setattr(type(deps.database), "fetch", lambda *sql: queries.append(sql))

    await poll_changes(deps)

    assert queries == []
