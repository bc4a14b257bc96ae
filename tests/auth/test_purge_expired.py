from nextbuy.auth.purge_expired import purge_expired
from nextbuy.contracts.auth import ValidateUser
from tests.auth.service_harness import ServiceHarness


async def count(service: ServiceHarness, table: str) -> int:
    found: int = await service.deps.database.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_valid_rows_stay(service: ServiceHarness) -> None:
    mine = (await service.register()).json
    await service.refresh(mine["refresh_token"])
    await service.login("ada@example.com", "not it")
    await purge_expired(service.deps)
    assert [await count(service, table) for table in ("refresh_tokens", "sessions", "failed_logins")] == [2, 1, 3]
    await service.call(ValidateUser(token=mine["access_token"]))


async def test_expired_rows_are_purged(service: ServiceHarness) -> None:
    await service.register()
    await service.login("ada@example.com", "not it")
    service.clock.advance(days=31, hours=1)
    alive = (await service.register()).json
    await purge_expired(service.deps)
    assert [await count(service, table) for table in ("refresh_tokens", "sessions", "failed_logins")] == [1, 1, 0]
    assert (await service.refresh(alive["refresh_token"])).status == 200


async def test_ended_session_is_purged_a_day_later_with_its_tokens(service: ServiceHarness) -> None:
    mine = (await service.register()).json
    await service.request("POST", "logout", token=mine["access_token"])
    await purge_expired(service.deps)
    assert await count(service, "sessions") == 1
    service.clock.advance(days=1, hours=1)
    await purge_expired(service.deps)
    assert [await count(service, table) for table in ("refresh_tokens", "sessions")] == [0, 0]


async def test_backlog_of_several_batches_is_purged_in_one_run(service: ServiceHarness) -> None:
    await service.deps.database.execute(
        """INSERT INTO failed_logins (subject, forgotten_at, slowed)
           SELECT sha256(n::text::bytea), now() - interval '1 day' - make_interval(secs => n), false
             FROM generate_series(1, 2500) n"""
    )

    await purge_expired(service.deps)

    assert await count(service, "failed_logins") == 0
