"""A person sees their login sessions, and ends them one by one."""

from datetime import datetime
from typing import Any

import pytest

from nextbuy.auth.devices import device_name
from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import ServiceHarness

ADA = "ada@example.com"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"


async def sessions(service: ServiceHarness, token: str) -> list[dict[str, Any]]:
    response = await service.request("GET", "sessions", token=token)
    assert (response.status, response.json["next_cursor"]) == (200, None)
    items: list[dict[str, Any]] = response.json["items"]
    return items


async def end(service: ServiceHarness, token: str, session_id: str) -> int:
    return (await service.request("DELETE", f"sessions/{session_id}", token=token)).status


async def test_sessions_have_device_network_times_and_the_current_one(service: ServiceHarness) -> None:
    await service.register(ADA, address="2001:db8:0:1::7")
    service.clock.advance(hours=1)
    mine = (await service.login(ADA, user_agent=FIREFOX)).json
    service.clock.advance(hours=1)
    token = (await service.refresh(mine["refresh_token"])).json["access_token"]
    await service.register("bob@example.com")

    newest, oldest = await sessions(service, token)

    assert (newest["device"], newest["network"], newest["current"]) == ("Firefox on Windows", "203.0.113.7", True)
    assert (oldest["device"], oldest["network"], oldest["current"]) == ("An app", "2001:db8:0:1::/64", False)
    times = [datetime.fromisoformat(newest[name]) for name in ("created_at", "used_at")]
    assert (times[1] - times[0]).total_seconds() == 3_600
    assert oldest["created_at"] == oldest["used_at"]


async def test_ended_session_is_invalid_at_once_and_others_stay(service: ServiceHarness) -> None:
    lost, mine = (await service.register(ADA)).json, (await service.login(ADA)).json
    [own, other] = await sessions(service, mine["access_token"])

    assert await end(service, mine["access_token"], other["id"]) == 204

    with pytest.raises(Unauthenticated):
        await service.call(ValidateUser(token=lost["access_token"]))
    assert (await service.refresh(lost["refresh_token"])).json["slug"] == "session-ended"
    assert await sessions(service, mine["access_token"]) == [own]
    assert await end(service, mine["access_token"], other["id"]) == 404


async def test_session_of_another_account_cannot_be_seen_or_ended(service: ServiceHarness) -> None:
    ada, bob = (await service.register(ADA)).json, (await service.register()).json
    [of_bob] = await sessions(service, bob["access_token"])

    assert await end(service, ada["access_token"], of_bob["id"]) == 404
    assert await end(service, ada["access_token"], str(new_id())) == 404

    assert len(await sessions(service, bob["access_token"])) == 1
    assert of_bob["id"] not in [one["id"] for one in await sessions(service, ada["access_token"])]


async def test_ended_and_expired_sessions_are_not_listed(service: ServiceHarness) -> None:
    first = (await service.register(ADA)).json
    await service.request("POST", "logout", token=first["access_token"])
    await service.login(ADA)
    service.clock.advance(days=31)

    token = (await service.login(ADA)).json["access_token"]

    assert [one["current"] for one in await sessions(service, token)] == [True]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15", "Safari on Mac"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) CriOS/131.0 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 10; K) Chrome/131.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        ("curl/8.5.0", "An app"),
        ("okhttp/4 (Linux; Android 14)", "An app on Android"),
        ("<script>alert(1)</script>" * 1_000 + "Firefox/1", "An app"),
        ("", "An app"),
    ],
)
def test_device_is_named_in_plain_words(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
