import asyncio
import time

from argon2 import PasswordHasher

from nextbuy.auth.passwords import NOBODYS, Passwords
from nextbuy.contracts.auth import SetAccountStatus, ValidateUser
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.contracts.values import new_id
from tests.auth.service_harness import PASSWORD, Desk


async def test_who_knows_the_password_gets_a_session(desk: Desk) -> None:
    registered = await desk.register("ada@example.com")
    told = await desk.login("ADA@example.com ".strip())
    assert told.status == 200
    assert told.json["user"] == registered.json["user"]
    assert told.json["refresh_token"] != registered.json["refresh_token"]
    assert (await desk.call(ValidateUser(token=told.json["access_token"]))).email == "ada@example.com"


async def test_an_unknown_email_and_a_wrong_password_get_the_same_answer(desk: Desk) -> None:
    await desk.register("ada@example.com")
    wrong, unknown = await desk.login("ada@example.com", "not it"), await desk.login("nobody@example.com", "not it")
    assert (wrong.status, wrong.json["slug"]) == (401, "wrong-login")
    assert {**wrong.json, "correlation_id": ""} == {**unknown.json, "correlation_id": ""}
    assert wrong.headers == unknown.headers


async def test_an_unknown_email_costs_as_much_hashing_as_a_known_one(desk: Desk) -> None:
    stored = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash("x")
    assert NOBODYS.split("$")[:4] == stored.split("$")[:4]
    assert len(NOBODYS) == len(stored)
    await desk.register("ada@example.com")

    async def quickest(email: str) -> float:
        times = []
        for _ in range(4):
            began = time.perf_counter()
            assert (await desk.login(email, "not it")).status == 401
            times.append(time.perf_counter() - began)
        return min(times)

    known, unknown = await quickest("ada@example.com"), await quickest("nobody@example.com")
    assert 0.25 < known / unknown < 4


async def test_a_password_typed_on_another_keyboard_is_the_same(desk: Desk) -> None:
    await desk.register("ada@example.com", password="caf\u00e9 au lait")
    assert (await desk.login("ada@example.com", "cafe\u0301 au lait")).status == 200


async def test_a_suspended_account_is_told_so_only_to_its_owner(desk: Desk) -> None:
    user = (await desk.register("ada@example.com")).json["user"]
    await desk.call(
        SetAccountStatus(account_id=user["id"], status="suspended", reason="fraud", by=new_id()), by="admin"
    )
    right, wrong = await desk.login("ada@example.com"), await desk.login("ada@example.com", "not it")
    assert (right.status, right.json["slug"]) == (403, "suspended")
    assert (wrong.status, wrong.json["slug"]) == (401, "wrong-login")


async def test_a_hash_of_earlier_parameters_is_replaced_at_the_next_login(desk: Desk) -> None:
    await desk.register("ada@example.com")
    database = desk.deps.database
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await database.execute("UPDATE accounts SET password_hash = $1", weak)
    assert (await desk.login("ada@example.com", "not it")).status == 401
    assert await database.fetchval("SELECT password_hash FROM accounts") == weak
    both = await asyncio.gather(desk.login("ada@example.com"), desk.login("ada@example.com"))
    assert [told.status for told in both] == [200, 200]
    assert "m=19456,t=2,p=1" in await database.fetchval("SELECT password_hash FROM accounts")
    assert (await desk.login("ada@example.com")).status == 200


async def test_a_crowd_at_the_door_is_asked_to_wait_and_the_others_are_served() -> None:
    passwords = Passwords(most_waiting=2)
    told = await asyncio.gather(*(passwords.hash(f"password {n}") for n in range(8)), return_exceptions=True)
    refused = [one for one in told if isinstance(one, TooManyRequests)]
    assert len(refused) == 4
    assert all(one.retry_after for one in refused)
    assert await passwords.verify(str(told[0]), "password 0")
    passwords.close()


async def test_a_hash_that_is_none_lets_nobody_in() -> None:
    passwords = Passwords()
    for nonsense in ("", "x", "$argon2id$", NOBODYS):
        assert not await passwords.verify(nonsense, PASSWORD)
    passwords.close()


async def test_hashing_does_not_hold_up_anything_else(desk: Desk) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.ensure_future(beat())
    await asyncio.gather(*(desk.deps.passwords.hash("a password") for _ in range(4)))
    beating.cancel()
    assert beats > 100
