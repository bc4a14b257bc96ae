"""The pool of a service: a connection is awaited no longer than the request may take."""

import asyncio
import time

import asyncpg
import pytest

from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.storage import database as module
from nextbuy.kit.storage.database import Database, DatabaseBusy, as_app_error, transient
from tests.conftest import DatabaseUrl
from tests.waiting import until


@pytest.fixture
async def busy(database_url: DatabaseUrl) -> Database:
    """A database whose only connection a transaction uses until the test ends."""
    return await Database.connect(await database_url(""), "sample", max_connections=1)


async def hold_connection(database: Database, taken: asyncio.Event) -> None:
    async with database.transaction():
        taken.set()
        await asyncio.Event().wait()


async def wait_for_connection(database: Database, *, in_transaction: bool) -> None:
    if in_transaction:
        async with database.transaction() as tx:
            await tx.fetchval("SELECT 1")
    else:
        await database.fetchval("SELECT 1")


@pytest.mark.parametrize("in_transaction", [False, True], ids=["statement", "transaction"])
async def test_connection_is_waited_for_until_the_deadline(busy: Database, in_transaction: bool) -> None:  # noqa: FBT001
    taken = asyncio.Event()
    holder = asyncio.create_task(hold_connection(busy, taken))
    await taken.wait()
    set_deadline(0.2)
    began = time.monotonic()

    with pytest.raises(DatabaseBusy) as refused:
        await wait_for_connection(busy, in_transaction=in_transaction)

    assert 0.1 < time.monotonic() - began < 1.5
    assert (refused.value.status, refused.value.slug, refused.value.transient) == (503, "database-busy", True)

    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)
    set_deadline(10)
    await wait_for_connection(busy, in_transaction=in_transaction)
    await busy.close()


async def test_connection_is_waited_for_only_so_long_without_a_deadline(
    busy: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ACQUIRE_TIMEOUT", 0.2)
    taken = asyncio.Event()
    holder = asyncio.create_task(hold_connection(busy, taken))
    await taken.wait()

    with pytest.raises(DatabaseBusy):
        await busy.execute("SELECT 1")

    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)
    await busy.close()


async def test_no_connection_is_lost_when_waiting_tasks_give_up(busy: Database) -> None:
    """Each task gives up at another moment, some of them while they are handed the connection."""

    async def wait(seconds: float) -> None:
        set_deadline(seconds)
        try:
            await busy.fetchval("SELECT pg_sleep(0.002)")
        except DatabaseBusy:
            return

    await asyncio.gather(*(wait(0.001 * n) for n in range(150)))

    await until(lambda: busy.fetchval("SELECT true"), "the connection is free")
    await busy.close()


@pytest.mark.parametrize(
    "code",
    [
        "53000",  # insufficient resources
        "53100",  # disk full
        "53200",  # out of memory
        "53300",  # too many connections
        "53400",  # configuration limit exceeded
        "53999",  # a code that this driver does not know
        "58030",  # input or output error
        "57P01",  # admin shutdown
        "57P04",  # database dropped
    ],
)
async def test_failure_of_the_machine_is_unavailable(database_url: DatabaseUrl, code: str) -> None:
    database = await Database.connect(await database_url(""), "sample")
    with pytest.raises(asyncpg.PostgresError) as raised:
        await database.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
    await database.close()

    for error in (as_app_error(raised.value), transient(raised.value)):
        assert error is not None
        assert (error.status, error.slug, error.transient) == (503, "database-unavailable", True)
        assert error.retry_after


@pytest.mark.parametrize("code", ["22012", "23505", "42P01", "58P01", "XX000", "P0001"])
async def test_failure_of_a_statement_is_a_bug(database_url: DatabaseUrl, code: str) -> None:
    database = await Database.connect(await database_url(""), "sample")
    with pytest.raises(asyncpg.PostgresError) as raised:
        await database.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
    await database.close()

    assert as_app_error(raised.value) is None
