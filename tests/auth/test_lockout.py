import asyncio
from datetime import timedelta

import msgspec
import pytest

from nextbuy.auth.lockout import watched
from nextbuy.auth.model import Watch, lock_length
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import SETTINGS, Desk, Told, open_desk


async def fail(desk: Desk, email: str, times: int, *, address: str = "203.0.113.9") -> list[Told]:
    return [await desk.login(email, "not it", address=address) for _ in range(times)]


@pytest.mark.parametrize("exists", [True, False])
async def test_ten_wrong_passwords_lock_an_email_whether_or_not_it_has_an_account(desk: Desk, exists: bool) -> None:  # noqa: FBT001
    if exists:
        await desk.register("ada@example.com")
    assert {told.status for told in await fail(desk, "ada@example.com", 10)} == {401}
    told = await desk.login("ada@example.com", address="198.51.100.1")
    assert (told.status, told.json["slug"]) == (429, "login-locked")
    assert told.header("retry-after") == "60"


async def test_an_account_can_be_entered_again_when_the_lock_is_over(desk: Desk) -> None:
    await desk.register("ada@example.com")
    await fail(desk, "ada@example.com", 10)
    desk.watch.turn(seconds=61)
    assert (await desk.login("ada@example.com")).status == 200
    assert {told.status for told in await fail(desk, "ada@example.com", 9)} == {401}
    assert (await desk.login("ada@example.com")).status == 200


async def test_locks_grow_but_never_beyond_a_quarter_of_an_hour(desk: Desk) -> None:
    await fail(desk, "ada@example.com", 10)
    waits = []
    for _ in range(7):
        told = await desk.login("ada@example.com", "not it", address="")
        waits.append(int(told.header("retry-after") or 0))
        desk.watch.turn(seconds=waits[-1] + 1)
        assert (await desk.login("ada@example.com", "not it", address="")).status == 401
    assert waits == [60, 120, 240, 480, 900, 900, 900]


async def test_failures_are_forgotten_after_a_quiet_quarter_of_an_hour(desk: Desk) -> None:
    await fail(desk, "ada@example.com", 9)
    desk.watch.turn(minutes=16)
    assert {told.status for told in await fail(desk, "ada@example.com", 9)} == {401}


async def test_a_success_forgets_the_failures_of_an_account(desk: Desk) -> None:
    await desk.register("ada@example.com")
    for _ in range(3):
        assert {told.status for told in await fail(desk, "ada@example.com", 9)} == {401}
        assert (await desk.login("ada@example.com")).status == 200


async def test_many_guesses_at_once_are_counted_one_by_one(desk: Desk) -> None:
    told = await asyncio.gather(*(desk.login("ada@example.com", f"guess {n}") for n in range(30)))
    assert [one.status for one in told].count(401) == 10
    assert [one.status for one in told].count(429) == 20


async def test_a_right_guess_among_many_at_once_does_not_pass_a_lock_set_meanwhile(desk: Desk) -> None:
    await desk.register("ada@example.com")
    await fail(desk, "ada@example.com", 9)
    wrong = [asyncio.ensure_future(desk.login("ada@example.com", "not it")) for _ in range(6)]
    right = asyncio.ensure_future(desk.login("ada@example.com"))
    await asyncio.gather(*wrong, right)
    assert right.result().status == 429
    assert (await desk.login("ada@example.com")).status == 429


async def test_fifty_failures_lock_an_address_for_every_email(desk: Desk) -> None:
    await desk.register("ada@example.com")
    for n in range(50):
        assert (await desk.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    told = await desk.login("ada@example.com", address="192.0.2.1")
    assert (told.status, told.json["slug"]) == (429, "login-locked")
    assert (await desk.login("ada@example.com", address="192.0.2.2")).status == 200


async def test_without_rate_limits_an_address_is_not_locked_but_an_account_is(database: Database) -> None:
    desk = await open_desk(database, settings=msgspec.structs.replace(SETTINGS, rate_limits=False))
    for n in range(51):
        assert (await desk.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    await fail(desk, "ada@example.com", 10)
    assert (await desk.login("ada@example.com")).status == 429
    desk.deps.passwords.close()


async def test_neither_emails_nor_addresses_can_be_read_from_the_failures(desk: Desk) -> None:
    await fail(desk, "ada@example.com", 1, address="192.0.2.77")
    rows = await desk.deps.database.fetch("SELECT subject FROM login_failures")
    assert len(rows) == 2
    assert all(len(row["subject"]) == 32 for row in rows)


def test_a_lock_needs_its_number_of_failures() -> None:
    assert lock_length(Watch.ACCOUNT, 9) is None
    assert lock_length(Watch.ADDRESS, 49) is None
    assert lock_length(Watch.ADDRESS, 50) == timedelta(minutes=1)
    assert lock_length(Watch.ACCOUNT, 1_000_000) == timedelta(minutes=15)


async def test_failures_of_one_network_are_counted_together(desk: Desk) -> None:
    first, second, other = (
        watched(desk.deps, "ada@example.com", address)[Watch.ADDRESS]
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
    )

    assert first == second != other
