import pytest

from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from tests.auth.service_harness import Desk


async def test_nothing_of_a_session_works_after_logging_out(desk: Desk) -> None:
    mine = (await desk.register()).json
    told = await desk.ask("POST", "logout", token=mine["access_token"])
    assert (told.status, told.text, told.headers) == (204, b"", [])
    with pytest.raises(Unauthenticated) as caught:
        await desk.call(ValidateUser(token=mine["access_token"]))
    assert caught.value.slug == "session-ended"
    assert (await desk.refresh(mine["refresh_token"])).json["slug"] == "session-ended"
    assert (await desk.ask("GET", "me", token=mine["access_token"])).json["slug"] == "session-ended"


async def test_logging_out_twice_is_once(desk: Desk) -> None:
    token = (await desk.register()).json["access_token"]
    assert [(await desk.ask("POST", "logout", token=token)).status for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("token", ["", "x", "Bearer", "a.b.c"])
async def test_only_who_is_logged_in_can_log_out(desk: Desk, token: str) -> None:
    assert (await desk.ask("POST", "logout", token=token)).status == 401
    assert (await desk.ask("GET", "me", token=token)).status == 401


async def test_everybody_can_ask_who_they_are(desk: Desk) -> None:
    mine = (await desk.register(role="seller")).json
    told = await desk.ask("GET", "me", token=mine["access_token"])
    assert (told.status, told.json) == (200, {"user": mine["user"]})
