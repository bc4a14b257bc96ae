"""PostgreSQL through asyncpg: a connection pool per service, and transactions that record whether they published.

A request has at most one transaction and makes no call inside it; `kit/rpc` checks `in_transaction` and refuses the
call. A commit that wrote to the outbox wakes the service's relay, which publishes the events.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import asyncpg
from msgspec import Struct

from nextbuy.contracts.errors import AppError, DeadlinePassed, Unavailable
from nextbuy.kit.deadline import time_left
from nextbuy.kit.time_limit import TimeLimit

log: Final = logging.getLogger(__name__)

Row = asyncpg.Record
Record = TypeVar("Record", bound=Struct)
STATEMENT_TIMEOUT: Final = 5.0
"""Seconds per statement."""
TRANSACTION_TIMEOUT: Final = 8.0
"""Seconds per transaction; caches rely on every change being committed within this time."""
_ACQUIRE_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection while all are in use, unless the deadline of the task comes first."""

_SERVER_FAILURES: Final = ("08", "53", "57P", "58030")
"""Beginnings of SQLSTATEs: connection, resources (disk, memory, connections), shutdown, input or output.

They are failures of the server, not of the statement.
"""

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


DatabaseTimeout: Final = DeadlinePassed.of("database-timeout", "The database took too long. Try again.")
DatabaseBusy: Final = Unavailable.of("database-busy", "All database connections are in use. Try again in a moment.")
DatabaseUnavailable: Final = Unavailable.of("database-unavailable", "The database is unavailable. Try again.")


def from_row(kind: type[Record], row: Row, **computed: object) -> Record:
    """Return a struct with the `computed` fields, and all others from the columns of the same names."""
    return kind(**{name: row[name] for name in kind.__struct_fields__ if name not in computed}, **computed)


def in_transaction() -> bool:
    """Return whether a transaction is open in this task."""
    return _in_transaction.get()


class _PooledConnection:
    """A connection of a pool for the length of a block."""

    __slots__ = ("_connection", "_pool")
    _connection: "asyncpg.pool.PoolConnectionProxy[Row]"

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool

    async def __aenter__(self) -> "asyncpg.pool.PoolConnectionProxy[Row]":
        """Take a connection; raise DatabaseBusy if none is free in time."""
        try:
            with TimeLimit(time_left(_ACQUIRE_TIMEOUT)):
                self._connection = await self._pool.acquire()
        except TimeoutError:
            raise DatabaseBusy(retry_after=1) from None
        return self._connection

    async def __aexit__(self, *_error: object) -> None:
        await self._pool.release(self._connection)


class _BoundedPool:
    """A pool that waits for a free connection no longer than the deadline of the task."""

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool

    async def execute(self, sql: str, *values: object) -> str:
        async with _PooledConnection(self._pool) as connection:
            return await connection.execute(sql, *values)

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        async with _PooledConnection(self._pool) as connection:
            return await connection.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        async with _PooledConnection(self._pool) as connection:
            return await connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401  see Executor
        async with _PooledConnection(self._pool) as connection:
            return await connection.fetchval(sql, *values)


class Executor:
    """Runs the SQL of a service: `Database` or, inside a transaction, `Transaction`."""

    __slots__ = ("_runner", "service")

    def __init__(self, runner: "_BoundedPool | asyncpg.pool.PoolConnectionProxy[Row]", service: str) -> None:
        self._runner = runner
        self.service = service

    async def execute(self, sql: str, *values: object) -> str:
        """Run a statement and return its command tag."""
        return await self._runner.execute(sql, *values)

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Return all rows."""
        return await self._runner.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None."""
        return await self._runner.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401  one cell, of whatever type the column has
        """Return the first cell of the first row, or None."""
        return await self._runner.fetchval(sql, *values)

    def mark_published(self) -> None:
        """Have the relay woken after the commit, because a statement wrote to the outbox."""
        raise NotImplementedError


class Transaction(Executor):
    """An open transaction of a service."""

    __slots__ = ("_connection", "published")

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[Row]", service: str) -> None:
        super().__init__(connection, service)
        self._connection = connection
        self.published = False

    def mark_published(self) -> None:
        """Have the relay woken after the commit of this transaction."""
        self.published = True

    async def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once per row, in one round trip."""
        await self._connection.executemany(sql, rows)


class Database(Executor):
    """The database of one service; each statement runs in its own transaction."""

    def __init__(self, pool: "asyncpg.Pool[Row]", service: str, url: str = "") -> None:
        super().__init__(_BoundedPool(pool), service)
        self._pool = pool
        self._url = url
        self._reserved: list[Database] = []
        self.after_publish: Callable[[], None] = lambda: None
        """Called after each commit that wrote to the outbox."""

    @classmethod
    async def connect(cls, url: str, service: str, *, max_connections: int = 8) -> "Database":
        """Open a pool of up to `max_connections`; idle ones are closed after 30 s.

        Raises:
            OSError, asyncpg.PostgresError: the server cannot be reached or refuses the login.
        """
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=max_connections,
            max_inactive_connection_lifetime=30.0,
            reset=_skip_reset,
            command_timeout=STATEMENT_TIMEOUT + 1,
            server_settings={
                "application_name": f"nextbuy-{service}",
                "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
                "transaction_timeout": str(int(TRANSACTION_TIMEOUT * 1000)),
                "timezone": "UTC",
            },
        )
        return cls(pool, service, url)

    async def reserve_connection(self) -> "Database":
        """Open a connection outside the pool, which is closed with this database."""
        reserved = await Database.connect(self._url, self.service, max_connections=1)
        self._reserved.append(reserved)
        return reserved

    def mark_published(self) -> None:
        """Wake the relay, because the statement that wrote to the outbox is committed."""
        self.after_publish()

    async def close(self) -> None:
        """Close the pool; connections that are still in use after 3 s are terminated."""
        for reserved in self._reserved:
            await reserved.close()
        try:
            await asyncio.wait_for(self._pool.close(), 3)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back if it raises."""
        async with _PooledConnection(self._pool) as connection:
            token = _in_transaction.set(True)
            try:
                async with connection.transaction():
                    tx = Transaction(connection, self.service)
                    yield tx
            finally:
                _in_transaction.reset(token)
        if tx.published:
            self.after_publish()


async def _skip_reset(_connection: "asyncpg.Connection[Row]") -> None:
    """Skip the reset of a released connection: no state of a connection is ever set, and a reset costs a round trip."""


@contextmanager
def refuse_duplicate(refusal: AppError) -> Iterator[None]:
    """Raise `refusal` if a statement in the block violates a unique index; the transaction then ends."""
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise refusal from None


def as_app_error(error: BaseException) -> AppError | None:
    """Return the error that a caller receives for a database error; None if the error is a bug."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return DatabaseTimeout()
    unavailable = (
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
        asyncpg.LockNotAvailableError,
        asyncpg.TransactionTimeoutError,
        asyncpg.InternalClientError,
        ConnectionError,
        TimeoutError,
    )
    if (
        isinstance(error, unavailable)
        or (isinstance(error, asyncpg.InterfaceError) and "closed" in str(error))
        or (isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(_SERVER_FAILURES))
    ):
        return DatabaseUnavailable(retry_after=1)
    return None


def transient(error: BaseException) -> AppError | None:
    """Return an error as an `AppError` if a retry may succeed, or None if the error is permanent."""
    if isinstance(error, AppError):
        return error if error.transient else None
    return as_app_error(error)
