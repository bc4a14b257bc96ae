import asyncio
from datetime import timedelta

import msgspec
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from nextbuy.auth import store
from nextbuy.auth.login_throttling import Client, Subjects, count_failure, failure_subjects
from nextbuy.auth.model import FailureScope
from nextbuy.auth.passwords import DUMMY_HASH
from nextbuy.auth.purge_expired import purge_expired
from nextbuy.auth.warn_owners import warn_owners
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import TooManyRequests
from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import HOME, PASSWORD, SETTINGS, HttpResponse, ServiceHarness, start_service
from tests.waiting import all_wait_for_a_lock, until

ADA = "ada@example.com"
ATTACKER = "203.0.113.9"
AWAY = "198.51.100.1"
"""An IP address from which Ada has never logged in."""


@pytest.fixture(autouse=True)
def _fast_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare passwords without argon2, which the number of guesses here would make slow."""

    def verify(_hasher: PasswordHasher, stored: str | bytes, password: str | bytes) -> bool:
        if stored == DUMMY_HASH or password != PASSWORD.encode():
            raise VerifyMismatchError
        return True

    monkeypatch.setattr(PasswordHasher, "verify", verify)


async def fail(
    service: ServiceHarness, email: str, times: int, *, address: str = ATTACKER, **headers: str
) -> list[HttpResponse]:
    return [await service.login(email, "not it", address=address, **headers) for _ in range(times)]


async def guess_from_many_networks(service: ServiceHarness, email: str, *, guesses: int) -> list[int]:
    """Guess from one network after another, like a botnet; return the statuses."""
    return [(await service.login(email, "not it", address=f"10.0.0.{n}")).status for n in range(guesses)]


async def use_up_the_limit_of_the_account(service: ServiceHarness, email: str) -> None:
    """Count as many failures as guesses from many networks would, without verifying a password each time."""
    for n in range(FailureScope.ACCOUNT.limit):
        await count_failure(service.deps, subjects_of(service, email, f"10.0.0.{n}"), await account_of(service, email))


def subjects_of(service: ServiceHarness, email: str, address: str) -> Subjects:
    return failure_subjects(service.deps, Client([], address), email, None, None)


async def account_of(service: ServiceHarness, email: str) -> Account | None:
    credentials, _ = await store.account_for_login(service.deps.database, email)
    return None if credentials is None else credentials.account


def device_of(response: HttpResponse) -> str:
    return f"nextbuy_device={response.cookies['nextbuy_device'].value}"


@pytest.mark.parametrize("exists", [True, False])
async def test_ten_failures_slow_down_their_client_with_or_without_account(
    service: ServiceHarness,
    exists: bool,  # noqa: FBT001
) -> None:
    if exists:
        await service.register(ADA)
    assert {response.status for response in await fail(service, ADA, 10)} == {401}
    response = await service.login(ADA, address=ATTACKER)
    assert (response.status, response.json["slug"]) == (429, "login-locked")
    assert response.header("retry-after") == "120"


async def test_one_guess_per_wait_never_keeps_the_owner_out(service: ServiceHarness) -> None:
    await service.register(ADA)
    await fail(service, ADA, 10)
    for _ in range(20):
        assert (await service.login(ADA)).status == 200
        assert (await service.login(ADA, address=AWAY)).status == 200
        service.clock.advance(minutes=2)
        assert [one.status for one in await fail(service, ADA, 2)] == [401, 429]


async def test_wait_does_not_grow_with_guesses(service: ServiceHarness) -> None:
    await fail(service, ADA, 10)
    for _ in range(30):
        response = await service.login(ADA, "not it", address=ATTACKER)
        assert (response.status, response.header("retry-after")) == (429, "120")
    service.clock.advance(seconds=121)
    assert [one.status for one in await fail(service, ADA, 2)] == [401, 429]


async def test_guesses_from_many_networks_are_bounded_per_account(service: ServiceHarness) -> None:
    await service.register(ADA)
    assert await guess_from_many_networks(service, ADA, guesses=60) == [401] * 50 + [429] * 10
    service.clock.advance(minutes=2)
    assert (await guess_from_many_networks(service, ADA, guesses=20)).count(401) == 6
    response = await service.login(ADA, address=AWAY)
    assert (response.status, response.header("retry-after")) == (429, "20")


async def test_known_network_logs_in_during_an_attack_from_many_networks(service: ServiceHarness) -> None:
    await service.register(ADA)
    await use_up_the_limit_of_the_account(service, ADA)
    assert (await service.login(ADA, address=AWAY)).status == 429
    assert (await service.login(ADA, address=HOME)).status == 200


async def test_known_device_logs_in_from_any_network_during_attacks_there(service: ServiceHarness) -> None:
    device = device_of(await service.register(ADA, x_nextbuy_cookies="yes"))
    await use_up_the_limit_of_the_account(service, ADA)
    await fail(service, ADA, 12, address=AWAY)
    for n in range(60):
        await service.login(f"p{n}@example.com", "not it", address=AWAY)
    assert (await service.login(ADA, address=AWAY)).status == 429
    assert (await service.login(ADA, address=AWAY, cookie=device)).status == 200


async def test_guesses_by_a_known_device_are_bounded_too(service: ServiceHarness) -> None:
    device = device_of(await service.register(ADA, x_nextbuy_cookies="yes"))
    outcomes = [one.status for one in await fail(service, ADA, 12, cookie=device)]
    assert outcomes == [401] * 10 + [429] * 2
    assert (await service.login(ADA, address=ATTACKER, cookie=device)).status == 429
    service.clock.advance(seconds=121)
    assert (await service.login(ADA, address=ATTACKER, cookie=device)).status == 200


async def test_device_of_another_account_is_unknown(service: ServiceHarness) -> None:
    await service.register(ADA)
    own = device_of(await service.register("eve@example.com", x_nextbuy_cookies="yes", address=ATTACKER))
    await use_up_the_limit_of_the_account(service, ADA)
    assert (await service.login(ADA, address=ATTACKER, cookie=own)).status == 429


async def test_device_id_planted_in_a_browser_stays_unknown(service: ServiceHarness) -> None:
    await service.register(ADA)
    planted = device_of(await service.register("eve@example.com", x_nextbuy_cookies="yes", address=ATTACKER))
    login = await service.login(ADA, address=AWAY, cookie=planted, x_nextbuy_cookies="yes")
    await use_up_the_limit_of_the_account(service, ADA)
    assert (await service.login(ADA, address=ATTACKER, cookie=planted)).status == 429
    assert (await service.login(ADA, address=ATTACKER, cookie=device_of(login))).status == 200


async def test_browser_stays_known_to_each_account_that_uses_it(service: ServiceHarness) -> None:
    cookie = device_of(await service.register(ADA, x_nextbuy_cookies="yes"))
    cookie = device_of(await service.register("bob@example.com", x_nextbuy_cookies="yes", cookie=cookie))
    login = await service.login(ADA, address=AWAY, x_nextbuy_cookies="yes", cookie=cookie)
    assert sorted(device_of(login).partition("=")[2].split(".")) == sorted(cookie.partition("=")[2].split("."))
    await use_up_the_limit_of_the_account(service, ADA)
    await use_up_the_limit_of_the_account(service, "bob@example.com")
    for email in (ADA, "bob@example.com"):
        assert (await service.login(email, address="192.0.2.200", cookie=device_of(login))).status == 200


def planted_ids(count: int) -> str:
    return ".".join(f"{n:022}" for n in range(count))


@pytest.mark.parametrize("planted", [[planted_ids(5)], [planted_ids(170)] * 3, [f"{n:022}" for n in range(100)]])
async def test_planted_device_cookies_do_not_hide_the_known_device(service: ServiceHarness, planted: list[str]) -> None:
    device = device_of(await service.register(ADA, x_nextbuy_cookies="yes"))
    others = [f"nextbuy_device={value}" for value in planted]
    await use_up_the_limit_of_the_account(service, ADA)
    for cookies in ([*others, device], [device, *others]):
        assert (await service.login(ADA, address=AWAY, cookie="; ".join(cookies))).status == 200
        service.clock.advance(hours=1)
        await use_up_the_limit_of_the_account(service, ADA)
        await service.deps.database.execute("UPDATE known_clients SET networks = '{}'")


@pytest.mark.parametrize("first", [True, False])
async def test_planted_device_ids_do_not_push_known_ones_out_of_the_cookie(
    service: ServiceHarness,
    first: bool,  # noqa: FBT001
) -> None:
    own = device_of(await service.register(ADA, x_nextbuy_cookies="yes"))
    planted = f"nextbuy_device={planted_ids(170)}"
    cookie = "; ".join([planted, own] if first else [own, planted])

    bob = await service.register("bob@example.com", x_nextbuy_cookies="yes", cookie=cookie)

    ids = device_of(bob).partition("=")[2].split(".")
    assert own.partition("=")[2] in ids
    assert len(ids) <= 20


@pytest.mark.parametrize("value", ["", ".", "." * 4000, "x" * 4000, "a.b.c.d.e.f.g", "\udcff", "%00", "a,b"])
async def test_any_device_cookie_is_accepted(service: ServiceHarness, value: str) -> None:
    await service.register(ADA)
    response = await service.login(ADA, cookie=f"nextbuy_device={value}", x_nextbuy_cookies="yes")
    assert response.status == 200
    assert len(response.cookies["nextbuy_device"].value.split(".")) <= 5


async def test_long_device_ids_are_not_kept(service: ServiceHarness) -> None:
    await service.register(ADA)
    response = await service.login(ADA, cookie=f"nextbuy_device={'x' * 4000}", x_nextbuy_cookies="yes")
    assert len(response.cookies["nextbuy_device"].value) < 30


async def test_latest_twenty_networks_and_devices_are_known(service: ServiceHarness) -> None:
    await service.register(ADA)
    for n in range(25):
        assert (await service.login(ADA, address=f"192.0.2.{n}", x_nextbuy_cookies="yes")).status == 200
    row = await service.deps.database.fetchrow("SELECT devices, networks FROM known_clients")
    assert row is not None
    assert (len(row["devices"]), len(row["networks"])) == (20, 20)
    await service.login(ADA, address="192.0.2.10")
    await use_up_the_limit_of_the_account(service, ADA)
    assert (await service.login(ADA, address="192.0.2.10")).status == 200
    assert (await service.login(ADA, address="192.0.2.0")).status == 429


@pytest.mark.parametrize("spelling", ["ADA@example.com", "Ada@Example.COM", "\uff41da@example.com"])
async def test_spellings_of_an_email_are_counted_together(service: ServiceHarness, spelling: str) -> None:
    await fail(service, ADA, 5)
    assert [one.status for one in await fail(service, spelling, 6)] == [401] * 5 + [429]


async def test_failures_before_registration_slow_down_only_the_guesser(service: ServiceHarness) -> None:
    await use_up_the_limit_of_the_account(service, ADA)
    await service.register(ADA)
    assert (await service.login(ADA)).status == 200


async def test_successful_login_clears_failures_of_its_client(service: ServiceHarness) -> None:
    await service.register(ADA)
    for _ in range(3):
        assert {one.status for one in await fail(service, ADA, 9, address=HOME)} == {401}
        assert (await service.login(ADA, address=HOME)).status == 200


async def test_login_of_own_account_does_not_clear_failures_of_a_network(service: ServiceHarness) -> None:
    await service.register(ADA)
    for n in range(50):
        assert (await service.login(f"p{n}@example.com", "not it", address=ATTACKER)).status == 401
    await service.register("eve@example.com", address=ATTACKER)
    assert (await service.login("eve@example.com", address=ATTACKER)).status == 200
    assert (await service.login(ADA, address=ATTACKER)).status == 429


async def test_concurrent_failures_are_all_counted(service: ServiceHarness) -> None:
    responses = await asyncio.gather(*(service.login(ADA, f"guess {n}") for n in range(30)))
    assert [one.status for one in responses].count(401) == 10
    assert [one.status for one in responses].count(429) == 20


async def test_concurrent_guesses_of_one_network_do_not_use_up_the_limit_of_the_account(
    service: ServiceHarness,
) -> None:
    subjects = subjects_of(service, ADA, ATTACKER)
    outcomes = await asyncio.gather(
        *(count_failure(service.deps, subjects, None) for _ in range(60)), return_exceptions=True
    )
    assert [isinstance(one, TooManyRequests) for one in outcomes].count(True) == 50
    assert {one.status for one in await fail(service, ADA, 10, address=AWAY)} == {401}


async def test_right_password_does_not_pass_a_limit_that_a_concurrent_guess_reaches(service: ServiceHarness) -> None:
    await service.register(ADA)
    await fail(service, ADA, 9, address=AWAY)
    subject, scope = subjects_of(service, ADA, AWAY)[FailureScope.CLIENT], FailureScope.CLIENT

    async with service.deps.database.transaction() as tx:
        now = service.clock.now
        assert await store.count_failure(tx, subject, None, at=now, limit=scope.limit, interval=scope.interval)
        login = asyncio.create_task(service.login(ADA, address=AWAY))
        await until(lambda: all_wait_for_a_lock(service.deps.database, 1))

    assert (await login).status == 429
    assert (await service.login(ADA, address=AWAY)).status == 429


async def test_fifty_failures_slow_down_a_network_for_accounts_that_do_not_know_it(service: ServiceHarness) -> None:
    await service.register(ADA)
    for n in range(50):
        assert (await service.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    response = await service.login(ADA, address="192.0.2.1")
    assert (response.status, response.json["slug"], response.header("retry-after")) == (429, "login-locked", "60")
    assert (await service.login(ADA, address="192.0.2.2")).status == 200


async def test_rate_limits_off_disables_limit_of_network_only(database: Database) -> None:
    service = await start_service(database, settings=msgspec.structs.replace(SETTINGS, rate_limits=False))
    for n in range(51):
        assert (await service.login(f"p{n}@example.com", "not it", address="192.0.2.1")).status == 401
    await fail(service, ADA, 10)
    assert (await service.login(ADA, address=ATTACKER)).status == 429
    service.deps.passwords.close()


async def test_failures_and_known_clients_store_only_keyed_hashes(service: ServiceHarness) -> None:
    await service.register(ADA, x_nextbuy_cookies="yes", address=HOME)
    await fail(service, ADA, 1, address="192.0.2.77")
    subjects = await service.deps.database.fetch("SELECT subject FROM failed_logins")
    assert {len(row["subject"]) for row in subjects} == {16}
    assert len(subjects) == 3
    row = await service.deps.database.fetchrow("SELECT devices, networks FROM known_clients")
    assert row is not None
    assert {len(one) for one in row["devices"] + row["networks"]} == {16}


async def test_addresses_of_one_network_are_counted_together(service: ServiceHarness) -> None:
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"):
        assert {one.status for one in await fail(service, ADA, 5, address=address)} == {401}
    assert (await service.login(ADA, address="2001:db8:1:2::7")).status == 429
    assert (await service.login(ADA, address="2001:db8:1:3::1")).status == 401


async def test_rows_of_an_attack_are_purged(service: ServiceHarness) -> None:
    await use_up_the_limit_of_the_account(service, ADA)
    service.clock.advance(minutes=21)
    await purge_expired(service.deps)
    assert await service.deps.database.fetchval("SELECT count(*) FROM failed_logins") == 0


async def warnings(service: ServiceHarness) -> list[str]:
    await warn_owners(service.deps)
    return [data["account_id"] for topic, data in await service.events() if topic == "account.logins-slowed"]


@pytest.mark.parametrize("role", ["buyer", "seller"])
async def test_owner_is_warned_once_a_day(service: ServiceHarness, role: str) -> None:
    ada = (await service.register(ADA, role=role)).json["user"]["id"]
    await fail(service, ADA, 9)
    assert await warnings(service) == []
    await fail(service, ADA, 1)
    assert await warnings(service) == [ada]
    for _ in range(4):
        service.clock.advance(hours=5)
        await fail(service, ADA, 10)
        assert await warnings(service) == [ada]
    service.clock.advance(hours=5)
    await fail(service, ADA, 10)
    assert await warnings(service) == [ada, ada]


async def test_owner_is_warned_of_guesses_from_many_networks(service: ServiceHarness) -> None:
    ada = (await service.register(ADA)).json["user"]["id"]
    await use_up_the_limit_of_the_account(service, ADA)
    await asyncio.gather(warn_owners(service.deps), warn_owners(service.deps))
    assert await warnings(service) == [ada]


async def test_nobody_is_warned_of_guesses_at_an_unknown_email(service: ServiceHarness) -> None:
    await use_up_the_limit_of_the_account(service, ADA)
    await fail(service, ADA, 12)
    assert await warnings(service) == []


def test_only_requests_of_mails_wait_for_longer_than_two_minutes() -> None:
    assert max(scope.interval for scope in set(FailureScope) - {FailureScope.MAIL}) == timedelta(minutes=2)
