import asyncio
import time

from argon2 import PasswordHasher

from nextbuy.auth.passwords import DUMMY_HASH, Passwords
from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import PASSWORD, ServiceHarness


async def test_right_password_opens_session(service: ServiceHarness) -> None:
    registered = await service.register("ada@example.com")
    response = await service.login("ADA@example.com ".strip())
    assert response.status == 200
    assert response.json["user"] == registered.json["user"]
    assert response.json["refresh_token"] != registered.json["refresh_token"]
    assert (await service.call(ValidateUser(token=response.json["access_token"]))).email == "ada@example.com"


async def test_unknown_email_and_wrong_password_get_same_response(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    wrong, unknown = (
        await service.login("ada@example.com", "not it"),
        await service.login("nobody@example.com", "not it"),
    )
    assert (wrong.status, wrong.json["slug"]) == (401, "wrong-login")
    assert {**wrong.json, "correlation_id": ""} == {**unknown.json, "correlation_id": ""}
    assert wrong.headers == unknown.headers


async def test_unknown_email_takes_as_long_as_known_one(service: ServiceHarness) -> None:
    stored = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash("x")
    assert DUMMY_HASH.split("$")[:4] == stored.split("$")[:4]
    assert len(DUMMY_HASH) == len(stored)
    await service.register("ada@example.com")

    async def cost(email: str) -> float:
        """Return the CPU seconds of a failed login, threads included: other processes do not count."""
        before = time.process_time()
        assert (await service.login(email, "not it")).status == 401
        return time.process_time() - before

    pairs = [(await cost("ada@example.com"), await cost("nobody@example.com")) for _ in range(4)]
    known, unknown = (min(costs) for costs in zip(*pairs, strict=True))
    assert 0.25 < known / unknown < 4


async def test_password_matches_in_any_unicode_normal_form(service: ServiceHarness) -> None:
    await service.register("ada@example.com", password="caf\u00e9 au lait")
    assert (await service.login("ada@example.com", "cafe\u0301 au lait")).status == 200


async def test_suspension_is_visible_only_with_right_password(service: ServiceHarness) -> None:
    user = (await service.register("ada@example.com")).json["user"]
    await service.call(
        SetAccountStatus(account_id=user["id"], status="suspended", reason="fraud", by=new_id()), by="admin"
    )
    right, wrong = await service.login("ada@example.com"), await service.login("ada@example.com", "not it")
    assert (right.status, right.json["slug"]) == (403, "suspended")
    assert (wrong.status, wrong.json["slug"]) == (401, "wrong-login")


async def test_login_replaces_hash_with_outdated_parameters(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    database = service.deps.database
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await database.execute("UPDATE accounts SET password_hash = $1", weak)
    assert (await service.login("ada@example.com", "not it")).status == 401
    assert await database.fetchval("SELECT password_hash FROM accounts") == weak
    both = await asyncio.gather(service.login("ada@example.com"), service.login("ada@example.com"))
    assert [response.status for response in both] == [200, 200]
    assert "m=19456,t=2,p=1" in await database.fetchval("SELECT password_hash FROM accounts")
    assert (await service.login("ada@example.com")).status == 200


async def test_requests_beyond_limit_are_refused_and_others_served() -> None:
    passwords = Passwords(max_waiting=2)
    response = await asyncio.gather(*(passwords.hash(f"password {n}") for n in range(8)), return_exceptions=True)
    refused = [one for one in response if isinstance(one, TooManyRequests)]
    assert len(refused) == 4
    assert all(one.retry_after for one in refused)
    assert await passwords.verify(str(response[0]), "password 0")
    passwords.close()


async def test_invalid_hash_matches_no_password() -> None:
    passwords = Passwords()
    for nonsense in ("", "x", "$argon2id$", DUMMY_HASH):
        assert not await passwords.verify(nonsense, PASSWORD)
    passwords.close()


async def test_hashing_does_not_block_event_loop(service: ServiceHarness) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.ensure_future(beat())
    await asyncio.gather(*(service.deps.passwords.hash("a password") for _ in range(4)))
    beating.cancel()
    assert beats > 100
