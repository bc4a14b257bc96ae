import asyncio

import pytest

from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import Desk


async def test_a_refresh_token_buys_a_new_pair_once(desk: Desk) -> None:
    first = (await desk.register()).json
    told = await desk.refresh(first["refresh_token"])
    assert told.status == 200
    assert told.json["user"] == first["user"]
    assert told.json["refresh_token"] != first["refresh_token"]
    await desk.call(ValidateUser(token=told.json["access_token"]))
    assert (await desk.refresh(told.json["refresh_token"])).status == 200


async def test_a_spent_refresh_token_that_comes_back_ends_the_session_for_everybody(desk: Desk) -> None:
    first = (await desk.register()).json
    second = (await desk.refresh(first["refresh_token"])).json
    told = await desk.refresh(first["refresh_token"])
    assert (told.status, told.json["slug"]) == (401, "refresh-reused")
    assert told.header("www-authenticate") is not None
    for token in (first["access_token"], second["access_token"]):
        with pytest.raises(Unauthenticated) as caught:
            await desk.call(ValidateUser(token=token))
        assert caught.value.slug == "session-ended"
    again = await desk.refresh(second["refresh_token"])
    assert (again.status, again.json["slug"]) == (401, "session-ended")
    assert (await desk.refresh(first["refresh_token"])).json["slug"] == "refresh-reused"


async def test_the_owners_other_sessions_go_on(desk: Desk) -> None:
    first = (await desk.register("ada@example.com")).json
    other = (await desk.login("ada@example.com")).json
    await desk.refresh(first["refresh_token"])
    await desk.refresh(first["refresh_token"])
    assert (await desk.refresh(other["refresh_token"])).status == 200


async def test_one_token_spent_twice_at_once_is_a_reuse(desk: Desk) -> None:
    first = (await desk.register()).json
    both = await asyncio.gather(*(desk.refresh(first["refresh_token"]) for _ in range(5)))
    assert sorted(told.status for told in both) == [200, 401, 401, 401, 401]
    winner = next(told for told in both if told.status == 200)
    assert (await desk.refresh(winner.json["refresh_token"])).json["slug"] == "session-ended"


async def test_a_refresh_sent_again_under_its_key_gives_the_same_pair(desk: Desk) -> None:
    first = (await desk.register()).json
    told = await desk.refresh(first["refresh_token"], idempotency_key="k")
    again = await desk.refresh(first["refresh_token"], idempotency_key="k")
    assert (told.status, again.text) == (200, told.text)
    assert (await desk.refresh(told.json["refresh_token"])).status == 200


async def test_a_refresh_token_expires(desk: Desk) -> None:
    first = (await desk.register()).json
    desk.watch.turn(days=30, seconds=1)
    assert (await desk.refresh(first["refresh_token"])).json["slug"] == "refresh-expired"


@pytest.mark.parametrize("token", ["x", "x" * 200, "\u00e9", "' OR 1=1 --"])
async def test_a_token_of_nobodys_is_refused(desk: Desk, token: str) -> None:
    told = await desk.refresh(token)
    assert (told.status, told.json["slug"]) == (401, "refresh-invalid")


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 1}, []])
async def test_a_refresh_without_a_token_cannot_be_read(desk: Desk, body: object) -> None:
    assert (await desk.ask("POST", "refresh-session", body)).status == 422


async def test_a_suspended_account_cannot_refresh(desk: Desk) -> None:
    first = (await desk.register()).json
    await desk.call(
        SetAccountStatus(account_id=first["user"]["id"], status="suspended", reason="", by=new_id()), by="admin"
    )
    assert (await desk.refresh(first["refresh_token"])).json["slug"] == "suspended"


async def test_only_hashes_of_refresh_tokens_are_stored(desk: Desk) -> None:
    token = (await desk.register()).json["refresh_token"]
    row = await desk.deps.database.fetchrow("SELECT * FROM refresh_tokens")
    assert row is not None
    assert token not in str(dict(row))
    assert len(row["hash"]) == 32


async def test_what_came_by_cookie_goes_on_by_cookie(desk: Desk) -> None:
    first = await desk.register(x_nextbuy_cookies="yes")
    jar = first.cookies
    cookie = f"theme=dark; nextbuy_refresh={jar['nextbuy_refresh'].value}"
    told = await desk.ask("POST", "refresh-session", cookie=cookie)
    assert told.status == 200
    assert told.cookies["nextbuy_refresh"].value == told.json["refresh_token"] != jar["nextbuy_refresh"].value
    assert (await desk.ask("POST", "refresh-session", {}, cookie=cookie)).json["slug"] == "refresh-reused"


async def test_another_browsers_refresh_is_not_answered_with_this_ones_tokens(desk: Desk) -> None:
    mine, theirs = await desk.register(x_nextbuy_cookies="yes"), await desk.register(x_nextbuy_cookies="yes")
    for who, status in ((mine, 200), (theirs, 422)):
        cookie = f"nextbuy_refresh={who.cookies['nextbuy_refresh'].value}"
        told = await desk.ask("POST", "refresh-session", cookie=cookie, idempotency_key="same")
        assert told.status == status
