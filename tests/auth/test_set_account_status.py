import asyncio
from typing import Literal
from uuid import UUID

import pytest

from nextbuy.contracts.auth import Account, SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Forbidden, NotFound, Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import ServiceHarness
from tests.waiting import all_wait_for_a_lock, until

ADMIN = new_id()


async def put(service: ServiceHarness, account_id: str, status: Literal["active", "suspended"]) -> Account:
    call = SetAccountStatus(account_id=UUID(account_id), status=status, reason="fraud", by=ADMIN)
    return await service.call(call, by="admin")


async def test_suspension_invalidates_all_tokens_at_once(service: ServiceHarness) -> None:
    first = (await service.register("ada@example.com")).json
    second = (await service.login("ada@example.com")).json
    await service.call(ValidateUser(token=first["access_token"]))
    assert str((await put(service, first["user"]["id"], "suspended")).id) == first["user"]["id"]
    for token in (first["access_token"], second["access_token"]):
        with pytest.raises(Forbidden) as caught:
            await service.call(ValidateUser(token=token))
        assert caught.value.slug == "suspended"


async def test_repeated_suspension_publishes_one_event(service: ServiceHarness) -> None:
    user = (await service.register()).json["user"]
    await asyncio.gather(*(put(service, user["id"], "suspended") for _ in range(5)))
    assert (await service.events())[1:] == [
        ("account.suspended", {"account_id": user["id"], "reason": "fraud", "by": str(ADMIN)})
    ]


async def test_reinstated_account_can_log_in_and_old_sessions_stay_ended(service: ServiceHarness) -> None:
    mine = (await service.register("ada@example.com")).json
    await put(service, mine["user"]["id"], "suspended")
    await put(service, mine["user"]["id"], "active")
    await put(service, mine["user"]["id"], "active")
    with pytest.raises(Unauthenticated):
        await service.call(ValidateUser(token=mine["access_token"]))
    assert (await service.login("ada@example.com")).status == 200
    assert [topic for topic, _ in await service.events()] == [
        "account.registered",
        "account.suspended",
        "account.reinstated",
    ]


async def test_login_concurrent_with_suspension_leaves_no_active_session(service: ServiceHarness) -> None:
    mine = (await service.register("ada@example.com")).json
    await asyncio.gather(
        *(service.login("ada@example.com") for _ in range(4)), put(service, mine["user"]["id"], "suspended")
    )
    assert await service.deps.database.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_login_during_a_suspension_waits_and_is_refused(service: ServiceHarness) -> None:
    await service.register("ada@example.com")

    async with service.deps.database.transaction() as tx:
        await tx.execute("UPDATE accounts SET status = 'suspended'")
        login = asyncio.create_task(service.login("ada@example.com"))
        await until(lambda: login.done() or all_wait_for_a_lock(service.deps.database, 1))

    assert (await login).json["slug"] == "suspended"


async def test_suspending_unknown_account_is_not_found(service: ServiceHarness) -> None:
    with pytest.raises(NotFound) as caught:
        await put(service, str(new_id()), "suspended")
    assert caught.value.slug == "account-not-found"


async def test_only_admin_service_may_set_account_status(service: ServiceHarness) -> None:
    user = (await service.register()).json["user"]
    with pytest.raises(Forbidden):
        await service.call(
            SetAccountStatus(account_id=user["id"], status="suspended", reason="", by=ADMIN), by="seller"
        )
