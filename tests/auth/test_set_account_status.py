import asyncio
from typing import Literal
from uuid import UUID

import pytest

from nextbuy.contracts.auth import Account, SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Forbidden, NotFound, Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import Desk

ADMIN = new_id()


async def put(desk: Desk, account_id: str, status: Literal["active", "suspended"]) -> Account:
    call = SetAccountStatus(account_id=UUID(account_id), status=status, reason="fraud", by=ADMIN)
    return await desk.call(call, by="admin")


async def test_a_suspension_is_felt_at_once_everywhere(desk: Desk) -> None:
    first = (await desk.register("ada@example.com")).json
    second = (await desk.login("ada@example.com")).json
    await desk.call(ValidateUser(token=first["access_token"]))
    assert str((await put(desk, first["user"]["id"], "suspended")).id) == first["user"]["id"]
    for token in (first["access_token"], second["access_token"]):
        with pytest.raises(Forbidden) as caught:
            await desk.call(ValidateUser(token=token))
        assert caught.value.slug == "suspended"


async def test_a_suspension_is_told_once_however_often_it_is_ordered(desk: Desk) -> None:
    user = (await desk.register()).json["user"]
    await asyncio.gather(*(put(desk, user["id"], "suspended") for _ in range(5)))
    assert (await desk.events())[1:] == [
        ("account.suspended", {"account_id": user["id"], "reason": "fraud", "by": str(ADMIN)})
    ]


async def test_who_is_taken_back_logs_in_again_but_old_sessions_stay_over(desk: Desk) -> None:
    mine = (await desk.register("ada@example.com")).json
    await put(desk, mine["user"]["id"], "suspended")
    await put(desk, mine["user"]["id"], "active")
    await put(desk, mine["user"]["id"], "active")
    with pytest.raises(Unauthenticated):
        await desk.call(ValidateUser(token=mine["access_token"]))
    assert (await desk.login("ada@example.com")).status == 200
    assert [topic for topic, _ in await desk.events()] == [
        "account.registered",
        "account.suspended",
        "account.reinstated",
    ]


async def test_a_login_beside_a_suspension_leaves_no_session_alive(desk: Desk) -> None:
    mine = (await desk.register("ada@example.com")).json
    await asyncio.gather(*(desk.login("ada@example.com") for _ in range(4)), put(desk, mine["user"]["id"], "suspended"))
    assert await desk.deps.database.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_nobody_can_be_suspended_who_is_not_there(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        await put(desk, str(new_id()), "suspended")
    assert caught.value.slug == "account-not-found"


async def test_only_the_admin_service_may_suspend(desk: Desk) -> None:
    user = (await desk.register()).json["user"]
    with pytest.raises(Forbidden):
        await desk.call(SetAccountStatus(account_id=user["id"], status="suspended", reason="", by=ADMIN), by="seller")
