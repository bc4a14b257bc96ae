import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from nextbuy.contracts.errors import AppError, Conflict, TooManyRequests, Unavailable, Unprocessable
from nextbuy.kit.http.idempotency import REPLAYED, IdempotentRequest, purge_idempotency_keys
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Response
from tests.conftest import OpenDatabase

SECRET = b"of the service"


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """A database with the tables of the kit, and one in which use cases count their runs."""
    database = await open_database("")
    await database.execute("CREATE TABLE done (by text NOT NULL)")
    return database


def idempotent_request(  # noqa: PLR0913
    *,
    scope: str = "ada",
    key: str = "k1",
    operation: str = "POST buy",
    body: bytes = b'{"n":1}',
    condition: list[str] | None = None,
    cookies: str | None = None,
    secret: bytes = SECRET,
) -> IdempotentRequest:
    decoded = msgspec.json.decode(body)
    return IdempotentRequest(scope, key, operation, decoded, secret=secret, condition=condition, cookies=cookies)


def act(
    database: Database, who: IdempotentRequest, *, by: str = "act", reply: object = "bought"
) -> Callable[[], Awaitable[Response]]:
    """Return a use case that writes a row and stores its response in the same transaction."""

    async def do() -> Response:
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO done (by) VALUES ($1)", by)
            await who.store_response(tx, reply)
        return reply if isinstance(reply, Response) else Response(who._status, msgspec.json.encode(reply))

    return do


async def never() -> Response:
    raise AssertionError("this was done before")


async def done(database: Database) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM done")
    return count


async def test_repeated_request_runs_once_and_gets_stored_response(database: Database) -> None:
    first = idempotent_request()
    first._status = 201
    answer = await first.run_once(database, act(database, first))
    for _ in range(2):
        again = await idempotent_request().run_once(database, never)
        assert (again.status, again.body, again.content_type) == (201, b'"bought"', answer.content_type)
        assert again.headers == [REPLAYED]
    assert await done(database) == 1


async def test_stored_response_keeps_headers(database: Database) -> None:
    first = idempotent_request()
    reply = Response(202, b"x", "text/plain", [("set-cookie", "a=b"), ("set-cookie", "c=d")])
    await first.run_once(database, act(database, first, reply=reply))
    again = await idempotent_request().run_once(database, never)
    assert (again.status, again.body, again.content_type) == (202, b"x", "text/plain")
    assert again.headers == [*reply.headers, REPLAYED]


@pytest.mark.parametrize(
    "other",
    [{"body": b'{"n":2}'}, {"operation": "POST sell"}, {"operation": "PUT buy"}, {"condition": ['"1"']}],
)
@pytest.mark.parametrize("answered", [True, False])
async def test_key_of_different_request_is_refused(
    database: Database,
    other: dict[str, Any],
    answered: bool,  # noqa: FBT001
) -> None:
    async def use_case() -> Response:
        with pytest.raises(Unprocessable) as caught:
            await idempotent_request(**other).run_once(database, never)
        assert caught.value.slug == "idempotency-key-reused"
        return Response(200)

    await idempotent_request().run_once(database, use_case)
    if answered:
        await use_case()


@pytest.mark.parametrize("body", [b'{"b": [1, 2], "a":  {"d":"\\u0061", "c":1}}', b'{"a":{"c":1,"d":"a"},"b":[1,2]}'])
async def test_members_in_another_order_are_the_same_request(database: Database, body: bytes) -> None:
    first = idempotent_request(body=b'{"a":{"c":1,"d":"a"},"b":[1,2]}')
    await first.run_once(database, act(database, first))

    assert (await idempotent_request(body=body).run_once(database, never)).headers == [REPLAYED]


class Filter(msgspec.Struct):
    """A request with values of several spellings."""

    id: UUID
    since: list[datetime]


def test_spellings_of_equal_values_are_the_same_request() -> None:
    spellings = [
        b'{"id":"01890000-0000-7000-8000-00000000000a","since":["2026-01-01T00:00:00Z"]}',
        b'{"since":["2026-01-01T02:00:00.000+02:00"],"id":"01890000-0000-7000-8000-00000000000A"}',
    ]
    prints = {
        IdempotentRequest("ada", "1", "POST x", msgspec.json.decode(one, type=Filter), secret=SECRET)._fingerprint
        for one in spellings
    }
    assert len(prints) == 1


async def test_key_of_anonymous_clients_belongs_to_the_request(database: Database) -> None:
    ada, bob = (idempotent_request(scope="anyone@192.0.2.1", cookies="", body=body) for body in (b"1", b"2"))

    for who in (ada, bob):
        assert (await who.run_once(database, act(database, who))).headers == []
    again = idempotent_request(scope="anyone@192.0.2.1", cookies="", body=b"2")

    assert (await again.run_once(database, never)).headers == [REPLAYED]
    assert await done(database) == 2


@pytest.mark.parametrize("other", [{"scope": "bob"}, {"key": "k2"}])
async def test_keys_of_different_callers_are_independent(database: Database, other: dict[str, Any]) -> None:
    for who in (idempotent_request(), idempotent_request(**other)):
        await who.run_once(database, act(database, who))
    assert await done(database) == 2


async def test_concurrent_request_is_in_progress(database: Database) -> None:
    async def use_case() -> Response:
        with pytest.raises(Conflict) as caught:
            await idempotent_request().run_once(database, never)
        assert (caught.value.slug, caught.value.retry_after) == ("in-progress", 1)
        return Response(200)

    await idempotent_request().run_once(database, use_case)
    assert (await idempotent_request().run_once(database, never)).status == 200


async def test_one_of_concurrent_requests_runs(database: Database) -> None:
    async def one() -> str:
        who = idempotent_request()
        try:
            answer = await who.run_once(database, act(database, who))
        except Conflict as error:
            return error.slug
        return "replayed" if REPLAYED in answer.headers else "done"

    outcomes = await asyncio.gather(*(one() for _ in range(30)))
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "replayed", "in-progress"}
    assert await done(database) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("crash"), Unavailable("away"), TooManyRequests("slow down"), asyncio.CancelledError()]
)
async def test_failed_request_may_be_repeated(database: Database, error: BaseException) -> None:
    async def fail() -> Response:
        raise error

    with pytest.raises(type(error)):
        await idempotent_request().run_once(database, fail)
    again = idempotent_request()
    assert (await again.run_once(database, act(database, again))).headers == []
    assert await done(database) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_transient_response_is_not_stored(database: Database, status: int) -> None:
    async def refuse() -> Response:
        return Response(status)

    await idempotent_request().run_once(database, refuse)
    again = idempotent_request()
    assert (await again.run_once(database, act(database, again))).status == 200


async def test_final_refusal_is_stored(database: Database) -> None:
    async def refuse() -> Response:
        return Response(409, b"sold out")

    await idempotent_request().run_once(database, refuse)
    again = await idempotent_request().run_once(database, never)
    assert (again.status, again.body) == (409, b"sold out")


async def test_crash_after_commit_keeps_response_and_crash_before_keeps_nothing(
    database: Database,
) -> None:
    first = idempotent_request()

    async def crash_after() -> Response:
        await act(database, first)()
        raise RuntimeError("killed after the commit")

    with pytest.raises(RuntimeError):
        await first.run_once(database, crash_after)
    assert (await idempotent_request().run_once(database, never)).body == b'"bought"'

    second = idempotent_request(key="k2")

    async def crash_before() -> Response:
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO done (by) VALUES ('x')")
            await second.store_response(tx, "bought")
            raise RuntimeError("killed before the commit")

    with pytest.raises(RuntimeError):
        await second.run_once(database, crash_before)
    again = idempotent_request(key="k2")
    await again.run_once(database, act(database, again))
    assert await done(database) == 2


async def test_refusal_after_rollback_replaces_stored_response(database: Database) -> None:
    first = idempotent_request()

    async def change_of_mind() -> Response:
        try:
            async with database.transaction() as tx:
                await first.store_response(tx, "bought")
                raise Conflict("not after all")
        except AppError as error:
            return Response(error.status, b"refused")

    assert (await first.run_once(database, change_of_mind)).status == 409
    again = await idempotent_request().run_once(database, never)
    assert (again.status, again.body) == (409, b"refused")


async def cancel(database: Database) -> None:
    """Leave the state of a process that was killed while it worked and has lost its lease."""
    assert (
        await database.execute("UPDATE idempotency_keys SET leased_until = now() - interval '1 second'") == "UPDATE 1"
    )


async def test_expired_lease_is_taken_over(database: Database) -> None:
    who = idempotent_request()

    async def use_case() -> Response:
        await cancel(database)
        again = idempotent_request()
        await again.run_once(database, act(database, again, by="heir"))
        return Response(200)

    await who.run_once(database, use_case)
    assert (await idempotent_request().run_once(database, never)).body == b'"bought"'
    assert await done(database) == 1


async def test_process_with_lost_lease_is_rolled_back(database: Database) -> None:
    slow = idempotent_request()

    async def too_slow() -> Response:
        await cancel(database)
        heir = idempotent_request()
        await heir.run_once(database, act(database, heir, by="heir"))
        return await act(database, slow, by="slow")()

    with pytest.raises(Conflict) as caught:
        await slow.run_once(database, too_slow)
    assert caught.value.slug == "in-progress"
    assert [row["by"] for row in await database.fetch("SELECT by FROM done")] == ["heir"]
    assert (await idempotent_request().run_once(database, never)).body == b'"bought"'


async def test_process_with_lost_lease_stores_no_response_while_its_heir_works(database: Database) -> None:
    slow, heir = idempotent_request(), idempotent_request()

    async def inherit() -> Response:
        with pytest.raises(Conflict):
            await act(database, slow, by="slow")()
        return await act(database, heir, by="heir")()

    async def too_slow() -> Response:
        await cancel(database)
        return await heir.run_once(database, inherit)

    await slow.run_once(database, too_slow)

    assert [row["by"] for row in await database.fetch("SELECT by FROM done")] == ["heir"]
    assert (await idempotent_request().run_once(database, never)).body == b'"bought"'


async def test_abandoned_key_refuses_different_request(database: Database) -> None:
    async def use_case() -> Response:
        await cancel(database)
        with pytest.raises(Unprocessable):
            await idempotent_request(body=b'"other"').run_once(database, never)
        return Response(200)

    await idempotent_request().run_once(database, use_case)


async def test_stored_response_survives_expired_lease(database: Database) -> None:
    first = idempotent_request()
    await first.run_once(database, act(database, first))
    await cancel(database)
    assert (await idempotent_request().run_once(database, never)).headers == [REPLAYED]


async def test_stored_response_is_encrypted_with_request_and_secret(database: Database) -> None:
    first = idempotent_request(body=b'{"password":"correct horse"}')
    await first.run_once(database, act(database, first, reply={"access_token": "eyJ-secret"}))
    row = await database.fetchrow("SELECT * FROM idempotency_keys")
    assert row is not None
    assert b"eyJ-secret" not in row["response"]
    attempt: UUID = row["attempt"]
    right = idempotent_request(body=b'{"password":"correct horse"}')
    assert (
        b"access_token"
        in msgspec.json.decode(right._cipher(attempt).decrypt(bytes(12), row["response"], None), type=Response).body
    )
    for wrong in (
        idempotent_request(body=b'{"password":"correct horsf"}'),
        idempotent_request(body=b'{"password":"correct horse"}', cookies="x"),
        idempotent_request(body=b'{"password":"correct horse"}', secret=b"another"),
        idempotent_request(body=b'{"password":"correct horse"}', scope="bob"),
    ):
        assert wrong._fingerprint != row["fingerprint"]
        with pytest.raises(InvalidTag):
            wrong._cipher(attempt).decrypt(bytes(12), row["response"], None)


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9", "a\nb", "\x00", "\ud800"])
def test_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        idempotent_request(key=key)
    assert caught.value.slug == "idempotency-key-invalid"


def test_fingerprints_of_requests_differ() -> None:
    texts = ["", "a", "\ud800", "\x00", "', '"]
    prints = [idempotent_request(operation=one, cookies=other)._fingerprint for one in texts for other in texts]
    assert len(set(prints)) == len(texts) ** 2


async def test_responses_are_purged_after_a_day(database: Database) -> None:
    first, second = idempotent_request(), idempotent_request(key="k2")
    for who in (first, second):
        await who.run_once(database, act(database, who))
    await database.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'k1'")
    other = idempotent_request(body=b'"another"')
    await other.run_once(database, act(database, other))
    await database.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'k1'")
    await purge_idempotency_keys(database)
    assert [row["key"] for row in await database.fetch("SELECT key FROM idempotency_keys")] == ["k2"]
