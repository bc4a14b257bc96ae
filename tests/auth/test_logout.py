import pytest

from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from tests.auth.service_harness import ServiceHarness


async def test_logout_invalidates_all_tokens_of_session(service: ServiceHarness) -> None:
    mine = (await service.register()).json
    response = await service.request("POST", "logout", token=mine["access_token"])
    assert (response.status, response.text, response.headers) == (204, b"", [])
    with pytest.raises(Unauthenticated) as caught:
        await service.call(ValidateUser(token=mine["access_token"]))
    assert caught.value.slug == "session-ended"
    assert (await service.refresh(mine["refresh_token"])).json["slug"] == "session-ended"
    assert (await service.request("GET", "me", token=mine["access_token"])).json["slug"] == "session-ended"


async def test_logout_is_idempotent(service: ServiceHarness) -> None:
    token = (await service.register()).json["access_token"]
    assert [(await service.request("POST", "logout", token=token)).status for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("token", ["", "x", "Bearer", "a.b.c"])
async def test_logout_and_me_require_valid_token(service: ServiceHarness, token: str) -> None:
    assert (await service.request("POST", "logout", token=token)).status == 401
    assert (await service.request("GET", "me", token=token)).status == 401


async def test_me_returns_account_of_caller(service: ServiceHarness) -> None:
    mine = (await service.register(role="seller")).json
    response = await service.request("GET", "me", token=mine["access_token"])
    assert (response.status, response.json) == (200, {"user": mine["user"]})
