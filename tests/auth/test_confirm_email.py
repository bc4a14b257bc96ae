"""An e-mail address is confirmed by a link; until then the account may do everything but change it."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from nextbuy.auth.create_admin import create_admin
from nextbuy.auth.create_demo_accounts import create_demo_accounts
from nextbuy.auth.start_password_resets import start_password_resets
from nextbuy.contracts.auth import Account, GetAccounts, IssueLinks
from nextbuy.contracts.values import Role, new_id
from tests.auth.service_harness import PASSWORD, HttpResponse, ServiceHarness

ADA = "ada@example.com"


async def token_of(service: ServiceHarness) -> str:
    """Return a token of the newest link, as the notification service fetches it."""
    link_id = [data["link_id"] for _, data in await service.events() if data.get("link_id")][-1]
    [link] = (await service.call(IssueLinks(link_ids=[UUID(link_id)]))).links
    return link.token


async def confirm(service: ServiceHarness, token: str) -> HttpResponse:
    return await service.request("POST", "confirm-email", {"token": token})


async def is_confirmed(service: ServiceHarness, token: str) -> bool:
    confirmed: bool = (await service.request("GET", "me", token=token)).json["user"]["email_confirmed"]
    return confirmed


async def test_new_account_confirms_its_address_by_the_link_of_its_registration(service: ServiceHarness) -> None:
    session = (await service.register(ADA)).json
    assert not session["user"]["email_confirmed"]
    assert not await is_confirmed(service, session["access_token"])

    response = await confirm(service, await token_of(service))

    assert (response.status, response.text) == (204, b"")
    assert await is_confirmed(service, session["access_token"])
    assert (await service.login(ADA)).json["user"]["email_confirmed"]


async def test_link_of_a_confirmation_sets_no_password_and_one_of_a_reset_confirms_nothing(
    service: ServiceHarness,
) -> None:
    session = (await service.register(ADA)).json
    confirmation = await token_of(service)
    await service.request("POST", "request-password-reset", {"email": ADA})
    await start_password_resets(service.deps)
    reset = await token_of(service)

    body = {"token": confirmation, "password": "a quite different one"}
    assert (await service.request("POST", "reset-password", body)).json["slug"] == "link-invalid"
    assert (await confirm(service, reset)).json["slug"] == "link-invalid"
    assert not await is_confirmed(service, session["access_token"])


async def test_reset_of_the_password_confirms_the_address(service: ServiceHarness) -> None:
    await service.register(ADA)
    await service.request("POST", "request-password-reset", {"email": ADA})
    await start_password_resets(service.deps)

    body = {"token": await token_of(service), "password": "a quite different one"}
    assert (await service.request("POST", "reset-password", body)).status == 204

    assert (await service.login(ADA, "a quite different one")).json["user"]["email_confirmed"]


async def test_confirmation_is_sent_again_at_most_five_times_a_day(service: ServiceHarness) -> None:
    token = (await service.register(ADA)).json["access_token"]
    answers = [await service.request("POST", "send-confirmation", token=token) for _ in range(5)]

    assert [answer.status for answer in answers] == [202] * 4 + [429]
    assert answers[-1].json["slug"] == "mail-limit"
    assert [topic for topic, _ in await service.events()] == [
        "account.registered",
        *["email-confirmation.requested"] * 4,
    ]
    assert (await confirm(service, await token_of(service))).status == 204


async def test_confirmed_address_gets_no_further_link(service: ServiceHarness) -> None:
    token = (await service.register(ADA)).json["access_token"]
    await confirm(service, await token_of(service))

    response = await service.request("POST", "send-confirmation", token=token)

    assert (response.status, len(await service.events())) == (202, 1)


async def test_link_of_a_confirmation_expires_after_a_week(service: ServiceHarness) -> None:
    await service.register(ADA)
    token = await token_of(service)
    service.clock.advance(days=7, seconds=1)

    assert (await confirm(service, token)).json["slug"] == "link-invalid"


async def test_admins_and_demo_accounts_are_confirmed_and_get_no_link(service: ServiceHarness) -> None:
    maya = Account(new_id(), "maya@demo.nextbuy.test", "Maya", Role.BUYER, email_confirmed=True)
    await create_admin(service.deps, "root@example.com", PASSWORD)
    for _ in range(2):
        await create_demo_accounts(service.deps, [maya], PASSWORD)

    assert (await service.login("root@example.com")).json["user"]["email_confirmed"]
    assert (await service.login(maya.email)).json["user"]["email_confirmed"]
    assert [(topic, data["link_id"]) for topic, data in await service.events()] == [("account.registered", None)] * 2


async def test_accounts_of_earlier_releases_are_unconfirmed_except_admins(service: ServiceHarness) -> None:
    migration = (Path(__file__).parents[2] / "src/nextbuy/auth/migrations/0005_confirmed_emails.sql").read_text()
    ada = UUID((await service.register(ADA)).json["user"]["id"])
    root = (await create_admin(service.deps, "root@example.com", PASSWORD)).id
    await service.deps.database.execute("ALTER TABLE accounts DROP COLUMN email_confirmed_at")

    for statement in re.split(r";\n", migration):
        if statement.strip():
            await service.deps.database.execute(statement)

    accounts = (await service.call(GetAccounts(account_ids=[ada, root]))).accounts
    assert {account.id: account.email_confirmed for account in accounts} == {ada: False, root: True}


@pytest.mark.parametrize("method", ["confirm-email"])
async def test_unknown_token_is_refused(service: ServiceHarness, method: str) -> None:
    response = await service.request("POST", method, {"token": "x" * 43})

    assert (response.status, response.json["slug"]) == (409, "link-invalid")
