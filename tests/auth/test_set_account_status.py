import asyncio
from typing import Literal
from uuid import UUID

import pytest

from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import Account, SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import AppError, Conflict, Forbidden, NotFound, Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import PASSWORD, ServiceHarness
from tests.outbox import acts
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
    [act] = await acts(service.deps.database)
    assert (act["actor"], act["action"], act["subject"]) == (str(ADMIN), "suspend-account", user["id"])
    assert (act["before"], act["after"], act["reason"]) == ("active", "suspended", "fraud")


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


async def new_admin(service: ServiceHarness, name: str) -> UUID:
    return (await create_admin(service.deps, f"{name}@example.com", PASSWORD)).id


async def suspend(service: ServiceHarness, account_id: UUID, *, by: UUID) -> Account:
    return await service.call(SetAccountStatus(account_id=account_id, status="suspended", reason="fraud", by=by))


async def active_admins(service: ServiceHarness) -> int:
    count: int = await service.deps.database.fetchval(
        "SELECT count(*) FROM accounts WHERE role = 'admin' AND status = 'active'"
    )
    return count


async def test_admin_cannot_suspend_themselves(service: ServiceHarness) -> None:
    first, _ = await new_admin(service, "first"), await new_admin(service, "second")
    with pytest.raises(Conflict) as caught:
        await suspend(service, first, by=first)
    assert caught.value.slug == "own-account"
    assert (await service.login("first@example.com")).status == 200


async def test_last_active_admin_cannot_be_suspended(service: ServiceHarness) -> None:
    first, second = await new_admin(service, "first"), await new_admin(service, "second")
    await suspend(service, second, by=first)
    with pytest.raises(Conflict) as caught:
        await suspend(service, first, by=ADMIN)
    assert caught.value.slug == "last-admin"
    assert await active_admins(service) == 1


async def test_suspended_admin_decides_nothing_more(service: ServiceHarness) -> None:
    first, second, third = [await new_admin(service, name) for name in ("first", "second", "third")]
    await suspend(service, second, by=first)
    with pytest.raises(Forbidden) as caught:
        await suspend(service, third, by=second)
    assert caught.value.slug == "suspended"
    await suspend(service, third, by=first)


@pytest.mark.parametrize("count", [2, 3, 6])
async def test_one_of_admins_who_suspend_each_other_at_once_remains(service: ServiceHarness, count: int) -> None:
    admins = [await new_admin(service, f"admin{n}") for n in range(count)]

    async with service.deps.database.transaction() as tx:
        # All of them wait for the same rows, so that none sees the suspension of another beforehand.
        await tx.execute("SELECT FROM accounts ORDER BY id FOR UPDATE")
        decisions = [
            asyncio.ensure_future(suspend(service, admins[(n + 1) % count], by=by)) for n, by in enumerate(admins)
        ]
        await until(lambda: all_wait_for_a_lock(service.deps.database, count))

    outcomes = await asyncio.gather(*decisions, return_exceptions=True)
    assert await active_admins(service) >= 1
    assert {outcome.slug for outcome in outcomes if isinstance(outcome, AppError)} <= {"suspended", "last-admin"}
    assert await active_admins(service) == count - len([one for one in outcomes if isinstance(one, Account)])
