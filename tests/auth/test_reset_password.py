"""A lost password: a request that discloses nothing, a link that works once, and the end of all login sessions."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from nextbuy.auth.purge_expired import purge_expired
from nextbuy.auth.start_password_resets import start_password_resets
from nextbuy.contracts.auth import IssuedLinks, IssueLinks, SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Executor
from tests.auth.service_harness import PASSWORD, HttpResponse, ServiceHarness, start_service
from tests.waiting import all_wait_for_a_lock, until

ADA = "ada@example.com"
NEW = "a quite different one"


async def ask(service: ServiceHarness, email: str = ADA, *, address: str = "203.0.113.7") -> HttpResponse:
    """Request a link, and have the job handle the request."""
    response = await service.request("POST", "request-password-reset", {"email": email}, address=address)
    await start_password_resets(service.deps)
    return response


async def requested(service: ServiceHarness) -> list[UUID]:
    """Return the links of the published requests, in order."""
    return [UUID(data["link_id"]) for topic, data in await service.events() if topic == "password-reset.requested"]


async def issue(service: ServiceHarness, *link_ids: UUID) -> IssuedLinks:
    return await service.call(IssueLinks(link_ids=list(link_ids)))


async def token_by_mail(service: ServiceHarness, email: str = ADA) -> str:
    """Request a link and return its token, as the notification service fetches it."""
    await ask(service, email)
    [link] = (await issue(service, (await requested(service))[-1])).links
    assert link.email == email
    return link.token


async def reset(service: ServiceHarness, token: str, password: str = NEW, **headers: str) -> HttpResponse:
    return await service.request("POST", "reset-password", {"token": token, "password": password}, **headers)


async def suspend(service: ServiceHarness, account_id: str) -> None:
    await service.call(SetAccountStatus(account_id=UUID(account_id), status="suspended", reason="", by=new_id()))


async def test_new_password_replaces_old_one_and_ends_all_sessions(service: ServiceHarness) -> None:
    sessions = [(await service.register(ADA)).json, (await service.login(ADA)).json]

    response = await reset(service, await token_by_mail(service))

    assert (response.status, response.text) == (204, b"")
    assert [(await service.login(ADA, one)).status for one in (PASSWORD, NEW)] == [401, 200]
    for session in sessions:
        assert (await service.refresh(session["refresh_token"])).json["slug"] == "session-ended"
        with pytest.raises(Unauthenticated):
            await service.call(ValidateUser(token=session["access_token"]))
    account_id = sessions[0]["user"]["id"]
    assert (await service.events())[-1] == ("account.password-changed", {"account_id": account_id, "how": "reset"})


@pytest.mark.parametrize("exists", [True, False])
async def test_answer_and_work_are_the_same_with_and_without_account(
    service: ServiceHarness,
    exists: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if exists:
        await service.register(ADA)
    statements: list[str] = []
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        act = getattr(Executor, name)

        async def record(executor: Executor, sql: str, *values: object, act: Any = act) -> object:  # noqa: ANN401
            statements.append(sql)
            return await act(executor, sql, *values)

        monkeypatch.setattr(Executor, name, record)

    response = await service.request("POST", "request-password-reset", {"email": ADA})

    assert (response.status, response.json, response.headers) == (202, {}, [])
    assert [sql.split()[:3] for sql in statements] == [
        ["INSERT", "INTO", "failed_logins"],
        ["INSERT", "INTO", "password_reset_requests"],
    ]
    await start_password_resets(service.deps)
    assert len(await requested(service)) == (1 if exists else 0)


async def test_link_is_only_an_id_in_the_event_and_a_hash_in_the_database(service: ServiceHarness) -> None:
    await service.register(ADA)

    token = await token_by_mail(service)

    assert len(token) == 43
    tables = ("mail_links", "link_tokens", "event_log", "outbox", "password_reset_requests", "idempotency_keys")
    for table in tables:
        stored = await service.deps.database.fetch(f"SELECT t::text AS row FROM {table} t")
        assert not [row for row in stored if token in row["row"]]
    topic, data = (await service.events())[-1]
    assert (topic, set(data)) == ("password-reset.requested", {"account_id", "link_id"})


async def test_link_works_once(service: ServiceHarness) -> None:
    await service.register(ADA)
    token = await token_by_mail(service)
    assert (await reset(service, token)).status == 204

    again = await reset(service, token, "yet another password")

    assert (again.status, again.json["slug"]) == (409, "link-invalid")
    assert (await service.login(ADA, NEW)).status == 200


async def test_concurrent_uses_of_a_link_change_the_password_once(service: ServiceHarness) -> None:
    account_id = UUID((await service.register(ADA)).json["user"]["id"])
    token = await token_by_mail(service)

    async with service.deps.database.transaction() as tx:
        await tx.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", account_id)
        uses = [asyncio.ensure_future(reset(service, token, f"{NEW} {n}")) for n in range(2)]
        await until(lambda: all_wait_for_a_lock(service.deps.database, 2), "both wait for the account")

    assert sorted([(await use).status for use in uses]) == [204, 409]


async def test_reset_invalidates_every_other_link_of_the_account(service: ServiceHarness) -> None:
    await service.register(ADA)
    first, second = await token_by_mail(service), await token_by_mail(service)

    assert (await reset(service, second)).status == 204

    assert (await reset(service, first)).json["slug"] == "link-invalid"
    assert (await issue(service, *await requested(service))).links == []


async def test_each_copy_of_a_mail_has_a_valid_link(service: ServiceHarness) -> None:
    await service.register(ADA)
    await ask(service)
    [link_id] = await requested(service)
    first, second = [(await issue(service, link_id)).links[0].token for _ in range(2)]

    assert first != second
    assert (await reset(service, first)).status == 204
    assert (await reset(service, second)).status == 409


async def test_link_expires_after_half_an_hour(service: ServiceHarness) -> None:
    await service.register(ADA)
    token = await token_by_mail(service)
    service.clock.advance(minutes=29)
    assert len((await issue(service, *await requested(service))).links) == 1
    service.clock.advance(minutes=1, seconds=1)

    assert (await reset(service, token)).json["slug"] == "link-invalid"
    assert (await issue(service, *await requested(service))).missing == await requested(service)


async def test_suspended_account_gets_no_link_and_cannot_use_one(service: ServiceHarness) -> None:
    account_id = (await service.register(ADA)).json["user"]["id"]
    token = await token_by_mail(service)
    await suspend(service, account_id)

    await ask(service)

    assert len(await requested(service)) == 1
    assert (await issue(service, *await requested(service))).links == []
    assert (await reset(service, token)).json["slug"] == "link-invalid"


async def test_account_gets_five_mails_a_day(service: ServiceHarness) -> None:
    await service.register(ADA)
    for number in range(8):
        assert (await ask(service, address=f"10.0.{number}.1")).status == 202
    assert len(await requested(service)) == 5

    service.clock.advance(days=1, seconds=1)
    await purge_expired(service.deps)
    await ask(service)

    assert len(await requested(service)) == 6


async def test_network_is_limited_with_or_without_accounts(service: ServiceHarness) -> None:
    statuses = [(await ask(service, f"person{number}@example.com")).status for number in range(22)]

    assert statuses == [202] * 20 + [429] * 2
    response = await ask(service, "other@example.com")
    assert response.json["slug"] == "network-mail-limit"
    assert response.header("retry-after") == "600"
    assert (await ask(service, address="198.51.100.7")).status == 202


async def test_guesses_of_a_token_are_limited_per_network(service: ServiceHarness) -> None:
    await service.register(ADA)
    token = await token_by_mail(service)
    guesses = [await reset(service, f"{number:043}") for number in range(32)]

    assert [guess.status for guess in guesses] == [409] * 30 + [429] * 2
    assert guesses[-1].json["slug"] == "too-many-attempts"
    assert (await reset(service, token)).status == 429
    assert (await reset(service, token, address="198.51.100.7")).status == 204


@pytest.mark.parametrize(("password", "slug"), [("password1", "password-common"), (ADA, "password-is-email")])
async def test_easy_password_is_refused_and_the_link_stays_valid(
    service: ServiceHarness, password: str, slug: str
) -> None:
    await service.register(ADA)
    token = await token_by_mail(service)

    assert (await reset(service, token, password)).json["slug"] == slug

    assert (await reset(service, token)).status == 204


async def test_reset_forgets_known_clients_and_failed_logins(service: ServiceHarness) -> None:
    await service.register(ADA, x_nextbuy_cookies="yes")
    for _ in range(10):
        await service.login(ADA, "wrong")

    assert (await reset(service, await token_by_mail(service))).status == 204

    assert (await service.login(ADA, NEW)).status == 200
    assert len(await service.deps.database.fetch("SELECT FROM known_clients")) == 1


async def test_two_processes_handle_each_request_once(service: ServiceHarness) -> None:
    other = await start_service(service.deps.database, clock=service.clock)
    await service.register(ADA)
    await service.request("POST", "request-password-reset", {"email": ADA})

    await asyncio.gather(*(start_password_resets(one.deps) for one in (service, other)))

    assert len(await requested(service)) == 1
    assert await service.deps.database.fetchval("SELECT count(*) FROM password_reset_requests") == 0


@pytest.mark.parametrize("email", ["ada", "", "ada@example.com " * 30])
async def test_invalid_address_is_named(service: ServiceHarness, email: str) -> None:
    response = await service.request("POST", "request-password-reset", {"email": email})

    assert (response.status, response.json["errors"][0]["field"]) == (422, "email")
