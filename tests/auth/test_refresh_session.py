import asyncio

import pytest

from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import ServiceHarness
from tests.waiting import all_wait_for_a_lock, until


async def test_refresh_token_is_exchanged_once(service: ServiceHarness) -> None:
    first = (await service.register()).json
    response = await service.refresh(first["refresh_token"])
    assert response.status == 200
    assert response.json["user"] == first["user"]
    assert response.json["refresh_token"] != first["refresh_token"]
    await service.call(ValidateUser(token=response.json["access_token"]))
    assert (await service.refresh(response.json["refresh_token"])).status == 200


async def test_reused_refresh_token_ends_session(service: ServiceHarness) -> None:
    first = (await service.register()).json
    second = (await service.refresh(first["refresh_token"])).json
    response = await service.refresh(first["refresh_token"])
    assert (response.status, response.json["slug"]) == (401, "refresh-reused")
    assert response.header("www-authenticate") is not None
    for token in (first["access_token"], second["access_token"]):
        with pytest.raises(Unauthenticated) as caught:
            await service.call(ValidateUser(token=token))
        assert caught.value.slug == "session-ended"
    again = await service.refresh(second["refresh_token"])
    assert (again.status, again.json["slug"]) == (401, "session-ended")
    assert (await service.refresh(first["refresh_token"])).json["slug"] == "refresh-reused"


async def test_reuse_keeps_other_sessions_of_account(service: ServiceHarness) -> None:
    first = (await service.register("ada@example.com")).json
    other = (await service.login("ada@example.com")).json
    await service.refresh(first["refresh_token"])
    await service.refresh(first["refresh_token"])
    assert (await service.refresh(other["refresh_token"])).status == 200


async def test_concurrent_use_of_refresh_token_is_reuse(service: ServiceHarness) -> None:
    first = (await service.register()).json

    async with service.deps.database.transaction() as tx:
        await tx.execute("SELECT FROM sessions FOR UPDATE")
        refreshes = [asyncio.create_task(service.refresh(first["refresh_token"])) for _ in range(3)]
        await until(lambda: all_wait_for_a_lock(service.deps.database, len(refreshes)))
    winner, *others = sorted(await asyncio.gather(*refreshes), key=lambda response: response.status)

    assert winner.status == 200
    assert [(response.status, response.json["slug"]) for response in others] == [(401, "refresh-reused")] * 2
    assert (await service.refresh(winner.json["refresh_token"])).json["slug"] == "session-ended"


async def test_refresh_with_same_idempotency_key_returns_same_tokens(service: ServiceHarness) -> None:
    first = (await service.register()).json
    response = await service.refresh(first["refresh_token"], idempotency_key="k")
    again = await service.refresh(first["refresh_token"], idempotency_key="k")
    assert (response.status, again.text) == (200, response.text)
    assert (await service.refresh(response.json["refresh_token"])).status == 200


async def test_expired_refresh_token_is_refused(service: ServiceHarness) -> None:
    first = (await service.register()).json
    service.clock.advance(days=30, seconds=1)
    assert (await service.refresh(first["refresh_token"])).json["slug"] == "refresh-expired"


@pytest.mark.parametrize("token", ["x", "x" * 200, "\u00e9", "' OR 1=1 --"])
async def test_unknown_refresh_token_is_refused(service: ServiceHarness, token: str) -> None:
    response = await service.refresh(token)
    assert (response.status, response.json["slug"]) == (401, "refresh-invalid")


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 1}, []])
async def test_refresh_without_valid_token_field_is_unprocessable(service: ServiceHarness, body: object) -> None:
    assert (await service.request("POST", "refresh-session", body)).status == 422


async def test_suspended_account_cannot_refresh(service: ServiceHarness) -> None:
    first = (await service.register()).json
    await service.call(
        SetAccountStatus(account_id=first["user"]["id"], status="suspended", reason="", by=new_id()), by="admin"
    )
    assert (await service.refresh(first["refresh_token"])).json["slug"] == "suspended"


async def test_only_hashes_of_refresh_tokens_are_stored(service: ServiceHarness) -> None:
    token = (await service.register()).json["refresh_token"]
    row = await service.deps.database.fetchrow("SELECT * FROM refresh_tokens")
    assert row is not None
    assert token not in str(dict(row))
    assert len(row["hash"]) == 32


async def test_refresh_by_cookie_sets_new_cookies(service: ServiceHarness) -> None:
    first = await service.register(x_nextbuy_cookies="yes")
    jar = first.cookies
    cookie = f"theme=dark; nextbuy_refresh={jar['nextbuy_refresh'].value}"
    response = await service.request("POST", "refresh-session", cookie=cookie)
    assert response.status == 200
    assert response.cookies["nextbuy_refresh"].value == response.json["refresh_token"] != jar["nextbuy_refresh"].value
    assert (await service.request("POST", "refresh-session", {}, cookie=cookie)).json["slug"] == "refresh-reused"


async def test_idempotency_key_of_another_client_returns_no_tokens(service: ServiceHarness) -> None:
    mine, theirs = await service.register(x_nextbuy_cookies="yes"), await service.register(x_nextbuy_cookies="yes")
    for who in (mine, theirs):
        cookie = f"nextbuy_refresh={who.cookies['nextbuy_refresh'].value}"
        response = await service.request("POST", "refresh-session", cookie=cookie, idempotency_key="same")
        assert (response.status, response.json["user"]["id"]) == (200, who.json["user"]["id"])


@pytest.mark.parametrize("old_is", ["unknown", "used", "of an ended session"])
async def test_old_refresh_cookie_before_the_current_one_is_passed_over(service: ServiceHarness, old_is: str) -> None:
    first = (await service.register(x_nextbuy_cookies="yes")).json
    old, current = "x", first["refresh_token"]
    if old_is == "used":
        old, current = current, (await service.refresh(current)).json["refresh_token"]
    elif old_is == "of an ended session":
        other = (await service.login(first["user"]["email"])).json
        await service.request("POST", "logout", token=other["access_token"])
        old = other["refresh_token"]

    response = await service.request(
        "POST", "refresh-session", cookie=f"nextbuy_refresh={old}; nextbuy_refresh={current}"
    )

    assert response.status == 200
    assert (await service.refresh(response.json["refresh_token"])).status == 200
