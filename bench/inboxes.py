"""The inboxes of all services that events are delivered to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import asyncpg

from bench.market import Market
from nextbuy.host.composition import SERVICES

_QUIET: Final = 0.5
"""Seconds without a new row after which all events count as applied."""
_TIMEOUT: Final = 60.0
_POLL_INTERVAL: Final = 0.05


class Inboxes:
    """The inboxes of a marketplace, and the outbox of order, whose events are awaited."""

    def __init__(self, order: "asyncpg.Connection[Any]", destinations: "list[asyncpg.Connection[Any]]") -> None:
        self._order = order
        self._destinations = destinations

    async def applied_since(self, row_time: object) -> tuple[int, float]:
        """Return the number of rows after a time of the database, and the seconds from the first to the last."""
        query = "SELECT count(*) AS n, min(at) AS first, max(at) AS last FROM inbox WHERE at > $1"
        rows = [row for one in self._destinations if (row := await one.fetchrow(query, row_time)) and row["n"]]
        if not rows:
            return 0, 0.0
        first, last = min(row["first"] for row in rows), max(row["last"] for row in rows)
        return sum(row["n"] for row in rows), (last - first).total_seconds()

    async def wait_until_quiet(self) -> float:
        """Wait until order's events have been applied; return the seconds until the last one was."""
        loop = asyncio.get_running_loop()
        started = changed = loop.time()
        before = -1
        while loop.time() - changed < _QUIET and loop.time() - started < _TIMEOUT:
            waiting = await self._order.fetchval("SELECT EXISTS (SELECT FROM outbox)")
            applied = sum([await one.fetchval("SELECT count(*) FROM inbox") for one in self._destinations])
            if waiting or applied != before:
                before, changed = applied, loop.time()
            await asyncio.sleep(_POLL_INTERVAL)
        return changed - started


@asynccontextmanager
async def inboxes(target: Market) -> AsyncIterator[Inboxes]:
    """Connect to the inboxes of a marketplace while the context lasts."""
    async with AsyncExitStack() as stack:

        async def connect(service: str) -> "asyncpg.Connection[Any]":
            connection = await asyncpg.connect(target.database_url(service))
            stack.push_async_callback(connection.close)
            return connection

        destinations = [name for name, hosted in SERVICES.items() if hosted.service.subscriptions]
        yield Inboxes(await connect("order"), [await connect(name) for name in destinations])
