import asyncio
from datetime import timedelta

import msgspec
import pytest

from nextbuy.auth.lockout import count_failure, failure_subjects
from nextbuy.auth.model import FailureScope, lock_duration
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import SETTINGS, HttpResponse, ServiceHarness, start_service


async def fail(service: ServiceHarness, email: str, times: int, *, address: str = "203.0.113.9") -> list[HttpResponse]:
    return [await service.login(email, "not it", address=address) for _ in range(times)]


@pytest.mark.parametrize("exists", [True, False])
async def test_ten_failures_lock_email_with_or_without_account(service: ServiceHarness, exists: bool) -> None:  # noqa: FBT001
    if exists:
        await service.register("ada@example.com")
    assert {response.status for response in await fail(service, "ada@example.com", 10)} == {401}
    response = await service.login("ada@example.com", address="198.51.100.1")
    assert (response.status, response.json["slug"]) == (429, "login-locked")
    assert response.header("retry-after") == "60"


async def test_login_succeeds_after_lock_has_expired(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    await fail(service, "ada@example.com", 10)
    service.clock.advance(seconds=61)
    assert (await service.login("ada@example.com")).status == 200
    assert {response.status for response in await fail(service, "ada@example.com", 9)} == {401}
    assert (await service.login("ada@example.com")).status == 200


async def test_locks_double_up_to_fifteen_minutes(service: ServiceHarness) -> None:
    await fail(service, "ada@example.com", 10)
    waits = []
    for _ in range(7):
        response = await service.login("ada@example.com", "not it", address="")
        waits.append(int(response.header("retry-after") or 0))
        service.clock.advance(seconds=waits[-1] + 1)
        assert (await service.login("ada@example.com", "not it", address="")).status == 401
    assert waits == [60, 120, 240, 480, 900, 900, 900]


async def test_guesses_during_a_lock_do_not_lengthen_the_next(service: ServiceHarness) -> None:
    await fail(service, "ada@example.com", 10)
    for _ in range(5):
        with pytest.raises(TooManyRequests):
            await count_failure(service.deps, failure_subjects(service.deps, "ada@example.com", ""))
    service.clock.advance(seconds=61)

    await fail(service, "ada@example.com", 1)

    assert (await service.login("ada@example.com")).header("retry-after") == "120"


async def test_failures_expire_after_fifteen_minutes_without_another(service: ServiceHarness) -> None:
    await fail(service, "ada@example.com", 9)
    service.clock.advance(minutes=16)
    assert {response.status for response in await fail(service, "ada@example.com", 9)} == {401}


async def test_successful_login_clears_failures_of_account(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    for _ in range(3):
        assert {response.status for response in await fail(service, "ada@example.com", 9)} == {401}
        assert (await service.login("ada@example.com")).status == 200


async def test_concurrent_failures_are_all_counted(service: ServiceHarness) -> None:
    response = await asyncio.gather(*(service.login("ada@example.com", f"guess {n}") for n in range(30)))
    assert [one.status for one in response].count(401) == 10
    assert [one.status for one in response].count(429) == 20


async def test_right_password_among_concurrent_guesses_does_not_pass_new_lock(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    await fail(service, "ada@example.com", 9)
    wrong = [asyncio.ensure_future(service.login("ada@example.com", "not it")) for _ in range(6)]
    right = asyncio.ensure_future(service.login("ada@example.com"))
    await asyncio.gather(*wrong, right)
    assert right.result().status == 429
    assert (await service.login("ada@example.com")).status == 429


async def test_fifty_failures_lock_ip_address_for_all_emails(service: ServiceHarness) -> None:
    await service.register("ada@example.com")
    for n in range(50):
        assert (await service.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    response = await service.login("ada@example.com", address="192.0.2.1")
    assert (response.status, response.json["slug"]) == (429, "login-locked")
    assert (await service.login("ada@example.com", address="192.0.2.2")).status == 200


async def test_rate_limits_off_disables_lock_of_ip_address_only(database: Database) -> None:
    service = await start_service(database, settings=msgspec.structs.replace(SETTINGS, rate_limits=False))
    for n in range(51):
        assert (await service.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    await fail(service, "ada@example.com", 10)
    assert (await service.login("ada@example.com")).status == 429
    service.deps.passwords.close()


async def test_failures_store_only_keyed_hashes(service: ServiceHarness) -> None:
    await fail(service, "ada@example.com", 1, address="192.0.2.77")
    rows = await service.deps.database.fetch("SELECT subject FROM login_failures")
    assert len(rows) == 2
    assert all(len(row["subject"]) == 32 for row in rows)


def test_lock_starts_at_number_of_failures_of_its_scope() -> None:
    assert lock_duration(FailureScope.ACCOUNT, 9) is None
    assert lock_duration(FailureScope.IP_ADDRESS, 49) is None
    assert lock_duration(FailureScope.IP_ADDRESS, 50) == timedelta(minutes=1)
    assert lock_duration(FailureScope.ACCOUNT, 1_000_000) == timedelta(minutes=15)


async def test_failures_of_one_network_are_counted_together(service: ServiceHarness) -> None:
    first, second, other = (
        failure_subjects(service.deps, "ada@example.com", address)[FailureScope.IP_ADDRESS]
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
    )

    assert first == second != other
