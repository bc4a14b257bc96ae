from nextbuy.auth.purge_expired import purge_expired
from nextbuy.contracts.auth import ValidateUser
from tests.auth.service_harness import Desk


async def count(desk: Desk, table: str) -> int:
    found: int = await desk.deps.database.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_valid_rows_stay(desk: Desk) -> None:
    mine = (await desk.register()).json
    await desk.refresh(mine["refresh_token"])
    await desk.login("ada@example.com", "not it")
    await purge_expired(desk.deps)
    assert [await count(desk, table) for table in ("refresh_tokens", "sessions", "login_failures")] == [2, 1, 2]
    await desk.call(ValidateUser(token=mine["access_token"]))


async def test_expired_rows_are_purged(desk: Desk) -> None:
    await desk.register()
    await desk.login("ada@example.com", "not it")
    desk.watch.turn(days=31, hours=1)
    alive = (await desk.register()).json
    await purge_expired(desk.deps)
    assert [await count(desk, table) for table in ("refresh_tokens", "sessions", "login_failures")] == [1, 1, 0]
    assert (await desk.refresh(alive["refresh_token"])).status == 200


async def test_ended_session_is_purged_a_day_later_with_its_tokens(desk: Desk) -> None:
    mine = (await desk.register()).json
    await desk.ask("POST", "logout", token=mine["access_token"])
    await purge_expired(desk.deps)
    assert await count(desk, "sessions") == 1
    desk.watch.turn(days=1, hours=1)
    await purge_expired(desk.deps)
    assert [await count(desk, table) for table in ("refresh_tokens", "sessions")] == [0, 0]


async def test_backlog_of_several_batches_is_purged_in_one_run(desk: Desk) -> None:
    await desk.deps.database.execute(
        """INSERT INTO login_failures (subject, failures, last_at)
           SELECT sha256(n::text::bytea), 1, now() - interval '1 day' - make_interval(secs => n)
             FROM generate_series(1, 2500) n"""
    )

    await purge_expired(desk.deps)

    assert await count(desk, "login_failures") == 0
