"""The stream of admins says when something changes that they see."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.poll_changes import poll_changes
from nextbuy.admin.store_operator_acts import store_operator_acts
from nextbuy.admin.stream import stream
from nextbuy.admin.update_search_index import update_search_index
from nextbuy.contracts.auth import Account
from nextbuy.contracts.message import Event
from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.values import new_id
from nextbuy.kit.service import Act
from nextbuy.kit.wire import Request, StreamedResponse
from tests.callers import caller
from tests.inbound import handle, inbound, order

CHANGED = b"event: changed\ndata:\n\n"
ACTED = operator_acted_of("auth")(
    act_id=new_id(), actor="terminal:root", action="test", subject="it", before="", after="", reason="", details={}
)


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (create_notification, order(units=1, amount=900)),
        (update_search_index, order(units=1, amount=900)),
        (store_operator_acts, ACTED),
    ],
    ids=["notification", "search entry", "act"],
)
async def test_change_is_announced_once(deps: Deps, operator: Account, act: Act, event: Event) -> None:
    response = await stream(deps, caller(operator), Request("GET", "/admin/api/stream", "", {}))
    assert isinstance(response, StreamedResponse)
    events = cast("AsyncGenerator[bytes, None]", response.chunks)
    await anext(events)
    await poll_changes(deps)
    # Everything counts as changed at the first poll.
    assert await anext(events) == CHANGED

    await handle(act, deps, inbound(event))
    await poll_changes(deps)
    assert await anext(events) == CHANGED

    await poll_changes(deps)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(events)
