"""A person changes their name, their password and their e-mail address."""

from uuid import UUID

import pytest

from nextbuy.auth.start_password_resets import start_password_resets
from nextbuy.auth.warn_owners import warn_owners
from nextbuy.contracts.auth import IssuedLink, IssueLinks, SetAccountStatus
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import PASSWORD, HttpResponse, ServiceHarness

ADA = "ada@example.com"
ADA_NEW = "ada@new.example.com"
NEW = "a quite different one"


async def links(service: ServiceHarness) -> list[IssuedLink]:
    """Return the links of the newest event that has some, as the notification service fetches them."""
    data = [data for _, data in await service.events() if any("link_id" in name for name in data)][-1]
    ids = [UUID(value) for name, value in data.items() if "link_id" in name]
    issued = {link.id: link for link in (await service.call(IssueLinks(link_ids=ids))).links}
    return [issued[one] for one in ids if one in issued]


async def confirm(service: ServiceHarness, link: IssuedLink) -> HttpResponse:
    return await service.request("POST", "confirm-email", {"token": link.token})


async def confirmed(service: ServiceHarness, email: str = ADA) -> str:
    """Register an account, confirm its address, and return its access token."""
    token: str = (await service.register(email)).json["access_token"]
    [link] = await links(service)
    assert (await confirm(service, link)).status == 204
    return token


async def change_password(service: ServiceHarness, token: str, current: str = PASSWORD, new: str = NEW) -> HttpResponse:
    body = {"current_password": current, "password": new}
    return await service.request("POST", "change-password", body, token=token)


async def change_email(
    service: ServiceHarness, token: str, email: str = ADA_NEW, current: str = PASSWORD
) -> HttpResponse:
    return await service.request("POST", "change-email", {"current_password": current, "email": email}, token=token)


async def email_of(service: ServiceHarness, token: str) -> str:
    email: str = (await service.request("GET", "me", token=token)).json["user"]["email"]
    return email


async def test_name_is_changed_and_cleaned(service: ServiceHarness) -> None:
    token = (await service.register(ADA)).json["access_token"]

    response = await service.request("PUT", "me", {"name": " Ada\u00a0 King "}, token=token)

    assert (response.status, response.json["user"]["name"]) == (200, "Ada King")
    assert (await service.request("GET", "me", token=token)).json == response.json
    assert (await service.request("PUT", "me", {"name": "\u200b"}, token=token)).status == 422


async def test_new_password_ends_all_other_sessions(service: ServiceHarness) -> None:
    mine, other = (await service.register(ADA)).json, (await service.login(ADA)).json

    response = await change_password(service, mine["access_token"])

    assert (response.status, response.text) == (204, b"")
    assert [(await service.login(ADA, one)).status for one in (PASSWORD, NEW)] == [401, 200]
    assert (await service.refresh(other["refresh_token"])).json["slug"] == "session-ended"
    assert (await service.refresh(mine["refresh_token"])).status == 200
    account_id = mine["user"]["id"]
    assert (await service.events())[-1] == ("account.password-changed", {"account_id": account_id, "how": "changed"})


async def test_new_password_invalidates_links_to_reset_it(service: ServiceHarness) -> None:
    token = (await service.register(ADA)).json["access_token"]
    await service.request("POST", "request-password-reset", {"email": ADA})
    await start_password_resets(service.deps)
    [link] = await links(service)

    await change_password(service, token)

    body = {"token": link.token, "password": "yet another password"}
    assert (await service.request("POST", "reset-password", body)).json["slug"] == "link-invalid"


async def test_wrong_current_password_is_refused_throttled_and_reported_to_the_owner(service: ServiceHarness) -> None:
    mine = (await service.register(ADA)).json
    guesses = [await change_password(service, mine["access_token"], f"guess {number}") for number in range(11)]

    assert [guess.status for guess in guesses] == [403] * 10 + [429]
    assert (guesses[0].json["slug"], guesses[0].json["errors"][0]["field"]) == ("wrong-password", "current_password")
    assert guesses[-1].json["slug"] == "too-many-attempts"
    assert (await change_password(service, mine["access_token"])).status == 429
    assert (await service.login(ADA)).status == 200
    await warn_owners(service.deps)
    assert (await service.events())[-1] == ("account.logins-slowed", {"account_id": mine["user"]["id"]})

    service.clock.advance(minutes=2, seconds=1)
    assert (await change_password(service, mine["access_token"])).status == 204


@pytest.mark.parametrize(("password", "slug"), [("password1", "password-common"), (ADA, "password-is-email")])
async def test_easy_new_password_is_refused(service: ServiceHarness, password: str, slug: str) -> None:
    token = (await service.register(ADA)).json["access_token"]

    assert (await change_password(service, token, new=password)).json["slug"] == slug


@pytest.mark.parametrize("first", [0, 1])
async def test_address_changes_once_both_are_confirmed(service: ServiceHarness, first: int) -> None:
    token = await confirmed(service)

    response = await change_email(service, token)

    assert (response.status, response.json) == (202, {})
    both = await links(service)
    assert [link.email for link in both] == [ADA, ADA_NEW]
    assert (await confirm(service, both[first])).status == 204
    assert await email_of(service, token) == ADA
    assert (await confirm(service, both[1 - first])).status == 204
    assert (await service.request("GET", "me", token=token)).json["user"] | {"id": ""} == {
        "id": "",
        "email": ADA_NEW,
        "name": "Ada Lovelace",
        "role": "buyer",
        "email_confirmed": True,
    }
    assert [(await service.login(email)).status for email in (ADA, ADA_NEW)] == [401, 200]
    assert [(await confirm(service, link)).status for link in both] == [409, 409]
    assert [topic for topic, _ in await service.events()][-2:] == ["email-change.requested", "account.email-changed"]


async def test_event_of_a_change_has_ids_only(service: ServiceHarness) -> None:
    await change_email(service, await confirmed(service))

    topic, data = (await service.events())[-1]

    assert topic == "email-change.requested"
    assert all(UUID(value) for value in data.values())


async def test_unconfirmed_account_cannot_change_its_address(service: ServiceHarness) -> None:
    token = (await service.register(ADA)).json["access_token"]

    response = await change_email(service, token)

    assert (response.status, response.json["slug"]) == (409, "email-unconfirmed")


async def test_address_that_was_taken_meanwhile_is_refused_at_the_second_link(service: ServiceHarness) -> None:
    token = await confirmed(service)
    await change_email(service, token)
    old, new = await links(service)
    assert (await confirm(service, old)).status == 204
    await service.register(ADA_NEW)

    response = await confirm(service, new)

    assert (response.status, response.json["slug"]) == (409, "email-taken")
    assert await email_of(service, token) == ADA


async def test_second_change_replaces_the_first(service: ServiceHarness) -> None:
    token = await confirmed(service)
    await change_email(service, token, "wrong@example.com")
    old, new = await links(service)
    await confirm(service, old)

    await change_email(service, token)

    assert (await confirm(service, new)).json["slug"] == "link-invalid"
    _, newest = await links(service)
    assert (await confirm(service, newest)).status == 204
    assert await email_of(service, token) == ADA


async def test_change_invalidates_links_that_were_sent_to_the_old_address(service: ServiceHarness) -> None:
    token = await confirmed(service)
    await service.request("POST", "request-password-reset", {"email": ADA})
    await start_password_resets(service.deps)
    [reset] = await links(service)
    await change_email(service, token)
    for link in await links(service):
        await confirm(service, link)

    body = {"token": reset.token, "password": NEW}
    assert (await service.request("POST", "reset-password", body)).json["slug"] == "link-invalid"


async def test_change_of_address_requires_password_another_address_and_at_most_five_a_day(
    service: ServiceHarness,
) -> None:
    token = await confirmed(service)

    assert (await change_email(service, token, current="wrong")).json["slug"] == "wrong-password"
    assert (await change_email(service, token, ADA.upper())).json["slug"] == "email-unchanged"
    statuses = [(await change_email(service, token)).status for _ in range(6)]
    assert statuses == [202] * 5 + [429]
    assert len(await links(service)) == 2


async def test_suspended_account_changes_nothing(service: ServiceHarness) -> None:
    token = await confirmed(service)
    await change_email(service, token)
    both = await links(service)
    account_id = UUID((await service.request("GET", "me", token=token)).json["user"]["id"])
    await service.call(SetAccountStatus(account_id=account_id, status="suspended", reason="", by=new_id()))

    assert [(await confirm(service, link)).status for link in both] == [409, 409]
    assert (await change_password(service, token)).status == 403
    assert (await service.request("PUT", "me", {"name": "Eve"}, token=token)).status == 403
